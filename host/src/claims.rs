//! What people and programs claim of address sets over the control socket.
//!
//! A claim survives the daemon: [`ClaimStore`] writes each change into the embedded database, and the client gets its
//! answer after the commit. This module decides what a request changes; the event loop carries the changes to the sets
//! that plugins read.

mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use ctwarden_model::{Prefix, SetName, Timestamp};
use ctwarden_sets::{Added, AddressSet, Claim, Member, Source};

use crate::control::{AddToSet, ChangedNetwork, RemoveFromSet};
use crate::set_file::{Networks, Shortest, parse_line};
use crate::sinks::Rfc3339;

pub(crate) use store::{ClaimRow, ClaimStore, ClaimStoreError};

/// Claims of all sets together: as many networks as a large list has, in at most a hundred megabytes.
const MOST: usize = 1_000_000;
/// Claims that end are removed in steps of so many networks, because a step delays the loop.
const ENDS_AT_ONCE: usize = 10_000;
/// Longest name of a source, and longest reason or value, in bytes.
const SOURCE_MAX: usize = 64;
const TEXT_MAX: usize = 256;

/// The result of a request or of the passing of time.
#[derive(Debug, Default)]
pub(crate) struct ClaimChange {
    /// One line for each network of the request.
    pub(crate) lines: Vec<ChangedNetwork>,
    /// What the store has to write.
    pub(crate) rows: Vec<ClaimRow>,
    /// The networks of each set whose claims have changed, with their value now. `None` means that no claim is left.
    pub(crate) networks: BTreeMap<SetName, Vec<(Prefix, Option<String>)>>,
}

/// The claims on all sets, configured or not: a set that leaves the configuration keeps its claims until they end.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    sets: BTreeMap<SetName, AddressSet>,
}

impl Claims {
    /// The claims that the store has. Those that ended in the meantime are left out.
    pub(crate) fn of(rows: Vec<ClaimRow>, now: Timestamp) -> Self {
        let mut claims = Self::default();
        for row in rows {
            if let Some(claim) = row.claim.filter(|claim| claim.until.is_none_or(|until| until > now)) {
                let set = claims.sets.entry(row.set).or_default();
                set.add(&row.source, Member::network(row.network), claim);
            }
        }
        claims
    }

    /// Every claimed network of a set with its value.
    pub(crate) fn networks(&self, set: &SetName, now: Timestamp) -> Vec<(Prefix, String)> {
        let Some(set) = self.sets.get(set) else { return Vec::new() };
        let mut networks: Vec<Prefix> = set.iter().map(|(member, ..)| member.prefix()).collect();
        networks.dedup();
        networks.into_iter().filter_map(|network| Some((network, value(set, network, now)?))).collect()
    }

    /// The claims on a set.
    pub(crate) fn all(&self, set: &SetName) -> impl Iterator<Item = (Member, &Source, Claim)> {
        self.sets.get(set).into_iter().flat_map(AddressSet::iter)
    }

    /// Number of claims on a set.
    pub(crate) fn len(&self, set: &SetName) -> usize {
        self.sets.get(set).map_or(0, AddressSet::len)
    }

    /// Adds claims on networks that are not wider than the set's shortest prefix.
    ///
    /// # Errors
    /// Why nothing was added, on one line.
    pub(crate) fn add(
        &mut self,
        request: &AddToSet,
        shortest: Shortest,
        now: Timestamp,
    ) -> Result<ClaimChange, String> {
        let source = source(&request.source)?;
        for (what, text) in [("reason", &request.reason), ("value", &request.value)] {
            if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
                return Err(format!(
                    "the {what} is longer than {TEXT_MAX} bytes or has a control character; shorten it"
                ));
            }
        }
        let networks = networks(&request.networks, shortest)?;
        let total: usize = self.sets.values().map(AddressSet::len).sum();
        if total.saturating_add(networks.len()) > MOST {
            return Err(format!("the sets have {total} claims and may have {MOST}; remove claims that are not needed"));
        }
        let until = request.seconds.map(|seconds| later(now, Duration::from_secs(seconds)));
        let claim = Claim::new(now, until, &request.value, &request.reason);
        let name = SetName(request.set.clone());
        let set = self.sets.entry(name.clone()).or_default();
        let mut change = ClaimChange::default();
        for network in networks {
            let added = set.add(&source, Member::network(network), claim.clone());
            let (text, is_changed) = match &added {
                Added::New => (format!("added {}", until_in_words(until)), true),
                Added::Longer { .. } => (format!("stays {}", until_in_words(until)), true),
                Added::AlreadyThere { until } => (format!("is there {} already", until_in_words(*until)), false),
                Added::TooManySources => return Err("the set has claims of too many sources; remove some".to_owned()),
            };
            change.lines.push(ChangedNetwork { network: network.to_string(), text, done: true });
            if is_changed {
                let kept = stored(set, &source, network).unwrap_or_else(|| claim.clone());
                change.row(&name, &source, network, Some(kept));
                change.changed(&name, network, value(set, network, now));
            }
        }
        Ok(change)
    }

    /// Removes the claims of one source, or with `all` those of all people and programs. A network stays in the set if
    /// another claim or the list covers it, and the line says so.
    ///
    /// # Errors
    /// Why nothing was removed, on one line.
    pub(crate) fn remove(
        &mut self,
        request: &RemoveFromSet,
        listed: Option<&Networks>,
        now: Timestamp,
    ) -> Result<ClaimChange, String> {
        let asked = source(&request.source)?;
        let networks = networks(&request.networks, Shortest { ipv4: 0, ipv6: 0 })?;
        let name = SetName(request.set.clone());
        let mut change = ClaimChange::default();
        let set = self.sets.entry(name.clone()).or_default();
        for network in networks {
            let member = Member::network(network);
            let sources = if request.all {
                let of_network = set.covering(member, now).filter(|(holder, ..)| *holder == member);
                of_network.map(|(_, source, _)| source.clone()).collect()
            } else {
                vec![asked.clone()]
            };
            let removed: Vec<Source> = sources.into_iter().filter(|of| set.remove(of, member).is_some()).collect();
            for source in &removed {
                change.row(&name, source, network, None);
            }
            if !removed.is_empty() {
                change.changed(&name, network, value(set, network, now));
            }
            let holders = holders(set, listed, member, now);
            let did = if removed.is_empty() { "was not claimed" } else { "removed" };
            let (text, done) = match holders.as_slice() {
                [] if removed.is_empty() => ("is not in the set".to_owned(), true),
                [] => ("removed".to_owned(), true),
                [one] => (format!("{did}, but stays in the set: {one}"), false),
                [one, others @ ..] => (format!("{did}, but stays in the set: {one} and {} more", others.len()), false),
            };
            change.lines.push(ChangedNetwork { network: network.to_string(), text, done });
        }
        Ok(change)
    }

    /// When the next claim ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.sets.values().filter_map(AddressSet::next_end).min()
    }

    /// Removes claims that have ended.
    pub(crate) fn expire(&mut self, now: Timestamp) -> ClaimChange {
        let mut change = ClaimChange::default();
        for (name, set) in &mut self.sets {
            for ended in set.expire(now, ENDS_AT_ONCE) {
                let network = ended.member.prefix();
                change.row(name, &ended.source, network, None);
                change.changed(name, network, value(set, network, now));
            }
        }
        self.sets.retain(|_, set| !set.is_empty());
        change
    }
}

impl ClaimChange {
    fn row(&mut self, set: &SetName, source: &Source, network: Prefix, claim: Option<Claim>) {
        self.rows.push(ClaimRow { set: set.clone(), source: source.clone(), network, claim });
    }

    fn changed(&mut self, set: &SetName, network: Prefix, value: Option<String>) {
        self.networks.entry(set.clone()).or_default().push((network, value));
    }
}

/// The claim of a source on exactly this network.
fn stored(set: &AddressSet, source: &Source, network: Prefix) -> Option<Claim> {
    let member = Member::network(network);
    let mut claims = set.covering(member, Timestamp(0));
    claims.find_map(|(holder, of, claim)| (holder == member && of == source).then_some(claim))
}

/// The value of exactly this network: that of the claim that ends last.
fn value(set: &AddressSet, network: Prefix, now: Timestamp) -> Option<String> {
    let member = Member::network(network);
    let claims = set.covering(member, now).filter(|(holder, ..)| *holder == member);
    let last = claims.max_by_key(|(_, _, claim)| claim.until.map_or(u64::MAX, |until| until.0))?;
    Some(last.2.note.value.clone())
}

/// What keeps the whole member in the set.
fn holders(set: &AddressSet, listed: Option<&Networks>, member: Member, now: Timestamp) -> Vec<String> {
    let claims = set.covering(member, now);
    let mut holders: Vec<String> = claims
        .map(|(holder, source, claim)| {
            let until = claim.until.map(|until| format!(" {}", until_in_words(Some(until)))).unwrap_or_default();
            format!("{source} claims {holder}{until}")
        })
        .collect();
    let network = member.prefix();
    let of_list = listed.and_then(|listed| listed.holding(network.address()).find(|(wider, _)| wider.covers(network)));
    holders.extend(of_list.map(|(wider, _)| format!("its list has {wider}")));
    holders
}

fn source(name: &str) -> Result<Source, String> {
    let is_good = !name.is_empty() && name.len() <= SOURCE_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good {
        return Ok(Source::Control(name.into()));
    }
    Err(format!(
        "\"{}\" is not the name of a source; use 1 to {SOURCE_MAX} printable ASCII characters without spaces",
        name.escape_debug()
    ))
}

/// The networks of a request, written as in a list.
fn networks(texts: &[String], shortest: Shortest) -> Result<Vec<Prefix>, String> {
    let mut networks = Vec::with_capacity(texts.len());
    for text in texts {
        match parse_line(text, shortest) {
            Ok(line) => networks.extend(line.iter().flat_map(|line| line.networks())),
            Err(mistake) => return Err(format!("{}; nothing was changed", mistake.told())),
        }
    }
    Ok(networks)
}

fn later(now: Timestamp, after: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
}

fn until_in_words(until: Option<Timestamp>) -> String {
    until.map_or_else(|| "until it is removed".to_owned(), |until| format!("until {:#}", Rfc3339(until)))
}

#[cfg(test)]
mod tests;
