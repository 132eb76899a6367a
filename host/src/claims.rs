//! What people, programs and policies claim of address sets.
//!
//! A claim survives the daemon: [`ClaimStore`] writes each change into the embedded database, and the client gets its
//! answer after the commit. This module decides what a request changes; the event loop carries the changes to the packet
//! filter and to the sets that plugins read.

mod store;
mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use ctwarden_model::{
    Block, ClaimsChangeKind, PluginName, PolicyBlock, PolicyUnblock, Prefix, Service, SetName, Timestamp,
};
use ctwarden_sets::{Added, AddressSet, Claim, Member, Source};

use crate::control::{AddToSet, ChangedNetwork, RemoveFromSet};
use crate::firewall::{LatestEnd, MirrorKind};
use crate::never_banned::NeverBanned;
use crate::set_file::{Networks, Shortest, parse_line};
use crate::sinks::Rfc3339;

pub(crate) use store::{ClaimRow, ClaimStore, ClaimStoreError, VanishedFromLists};
pub(crate) use told::Told;

/// Claims of all sets together: as many networks as a large list has, in at most a hundred megabytes.
const MOST: usize = 1_000_000;
/// Claims of one policy together: an attacker who makes a policy block must not fill the sets for everyone. If a policy has
/// so many, those that end first make room for later ones, this many at once.
const POLICY_MOST: usize = 100_000;
const EVICTED_AT_ONCE: usize = POLICY_MOST / 100;
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
    /// The members of each set whose claims have changed, with their latest end now.
    pub(crate) members: BTreeMap<SetName, Vec<(Member, LatestEnd)>>,
    /// What the records say.
    pub(crate) told: Told,
}

/// What a set accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepts<'a> {
    /// Wider networks are refused.
    pub(crate) shortest: Shortest,
    /// Addresses that the packet filter must not hold, for a set that is mirrored there.
    pub(crate) never: Option<&'a NeverBanned>,
    /// What the packet filter can hold of a set that is mirrored there.
    pub(crate) mirror: Option<MirrorKind>,
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
                set.add(&row.source, row.member, claim);
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

    /// Every claimed member of a set with its latest end.
    pub(crate) fn members(&self, set: &SetName, now: Timestamp) -> Vec<(Member, Option<Timestamp>)> {
        let Some(set) = self.sets.get(set) else { return Vec::new() };
        let mut members: Vec<Member> = set.iter().map(|(member, ..)| member).collect();
        members.dedup();
        members.into_iter().filter_map(|member| Some((member, latest_end(set, member, now)?))).collect()
    }

    /// Adds claims on networks, as far as the set accepts them.
    ///
    /// # Errors
    /// Why nothing was added, on one line.
    pub(crate) fn add(
        &mut self,
        request: &AddToSet,
        accepts: Accepts<'_>,
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
        let members = members(&request.networks, request.service.as_deref(), accepts.shortest)?;
        if request.service.is_some() && accepts.mirror.is_some_and(|mirror| !mirror.holds_services) {
            return Err("the set's own nftables sets hold no services; use a set with firewall = true".to_owned());
        }
        let total = self.total();
        if total.saturating_add(members.len()) > MOST {
            return Err(format!("the sets have {total} claims and may have {MOST}; remove claims that are not needed"));
        }
        let until = request.seconds.map(|seconds| later(now, Duration::from_secs(seconds)));
        let claim = Claim::new(now, until, &request.value, &request.reason);
        let name = SetName(request.set.clone());
        let set = self.sets.entry(name.clone()).or_default();
        let mut change = ClaimChange::default();
        for member in members {
            if let Some(refusal) = accepts.never.and_then(|never| never.refusal(member.prefix())) {
                change.line(member, refusal, false);
                continue;
            }
            if accepts.mirror.is_some_and(|mirror| !mirror.holds(member.prefix().family())) {
                change.line(
                    member,
                    "not banned: the set has no nftables set for this address family".to_owned(),
                    false,
                );
                continue;
            }
            let added = set.add(&source, member, claim.clone());
            let (text, is_changed) = match &added {
                Added::New => (format!("added {}", until_in_words(until)), true),
                Added::Longer { .. } => (format!("stays {}", until_in_words(until)), true),
                Added::AlreadyThere { until } => (format!("is there {} already", until_in_words(*until)), false),
                Added::TooManySources => return Err("the set has claims of too many sources; remove some".to_owned()),
            };
            change.line(member, text, true);
            if is_changed {
                change.told.note(&name, &source, ClaimsChangeKind::Added, member, &claim);
                change.claimed(&name, set, &source, member, now);
            }
        }
        Ok(change)
    }

    /// Removes the claims of one source, or with `all` those of all people, programs and policies. A network stays in
    /// the set if another claim or the list covers it, and the line says so.
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
        let anything = Shortest { ipv4: 0, ipv6: 0 };
        let members = members(&request.networks, request.service.as_deref(), anything)?;
        let name = SetName(request.set.clone());
        let mut change = ClaimChange::default();
        let set = self.sets.entry(name.clone()).or_default();
        for member in members {
            let sources = if request.all {
                let of_network = set.covering(member, now).filter(|(holder, ..)| *holder == member);
                of_network.map(|(_, source, _)| source.clone()).collect()
            } else {
                vec![asked.clone()]
            };
            let mut removed = false;
            for source in &sources {
                let Some(claim) = set.remove(source, member) else { continue };
                removed = true;
                change.told.note(&name, source, ClaimsChangeKind::Removed, member, &claim);
                change.claimed(&name, set, source, member, now);
            }
            let holders = holders(set, listed, member, now);
            let did = if removed { "removed" } else { "was not claimed" };
            let (text, done) = match holders.as_slice() {
                [] if !removed => ("is not in the set".to_owned(), true),
                [] => ("removed".to_owned(), true),
                [one] => (format!("{did}, but stays in the set: {one}"), false),
                [one, others @ ..] => (format!("{did}, but stays in the set: {one} and {} more", others.len()), false),
            };
            change.line(member, text, done);
        }
        Ok(change)
    }

    /// Adds the claim of a policy. If the policy has too many, those of this set that end first go. Returns `None` if that
    /// makes no room.
    pub(crate) fn block(&mut self, effect: &PolicyBlock, now: Timestamp) -> Option<ClaimChange> {
        let PolicyBlock { policy, block: Block { set: name, network, service, seconds }, reason } = effect;
        let until = seconds.map(|seconds| later(now, Duration::from_secs(seconds.into())));
        let claim = Claim::new(now, until, "", &cut(reason));
        let (source, member) = (Source::Plugin(policy.clone()), member_of(*network, *service));
        let mut change = ClaimChange::default();
        let of_policy: usize = self.sets.values().map(|set| set.claims_of(&source)).sum();
        let is_full = of_policy >= POLICY_MOST || self.total() >= MOST;
        let set = self.sets.entry(name.clone()).or_default();
        if is_full {
            let evicted = set.evict(&source, EVICTED_AT_ONCE);
            if evicted.is_empty() {
                return None;
            }
            for evicted in evicted {
                change.told.note(name, &source, ClaimsChangeKind::Evicted, evicted.member, &evicted.claim);
                change.claimed(name, set, &source, evicted.member, now);
            }
        }
        match set.add(&source, member, claim) {
            Added::New | Added::Longer { .. } => change.claimed(name, set, &source, member, now),
            Added::AlreadyThere { .. } => {}
            Added::TooManySources => return None,
        }
        Some(change)
    }

    /// Removes the claim of a policy. Returns `None` if the policy has none.
    pub(crate) fn unblock(&mut self, effect: &PolicyUnblock, now: Timestamp) -> Option<ClaimChange> {
        let PolicyUnblock { policy, unblock } = effect;
        let (source, member) = (Source::Plugin(policy.clone()), member_of(unblock.network, unblock.service));
        let set = self.sets.get_mut(&unblock.set)?;
        set.remove(&source, member)?;
        let mut change = ClaimChange::default();
        change.claimed(&unblock.set, set, &source, member, now);
        Some(change)
    }

    /// Policies with claims on any set, and the number of claims of each.
    pub(crate) fn policies(&self) -> BTreeMap<PluginName, usize> {
        let mut policies = BTreeMap::new();
        for (source, claims) in self.sets.values().flat_map(AddressSet::sources) {
            if let Source::Plugin(name) = source {
                *policies.entry(name.clone()).or_default() += claims;
            }
        }
        policies
    }

    fn total(&self) -> usize {
        self.sets.values().map(AddressSet::len).sum()
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
                change.told.note(name, &ended.source, ClaimsChangeKind::Ended, ended.member, &ended.claim);
                change.claimed(name, set, &ended.source, ended.member, now);
            }
        }
        self.sets.retain(|_, set| !set.is_empty());
        change
    }
}

impl ClaimChange {
    fn line(&mut self, member: Member, text: String, done: bool) {
        self.lines.push(ChangedNetwork { network: member.to_string(), text, done });
    }

    /// Notes that a source has changed its claim on a member.
    fn claimed(&mut self, name: &SetName, set: &AddressSet, source: &Source, member: Member, now: Timestamp) {
        let claim = stored(set, source, member);
        self.rows.push(ClaimRow { set: name.clone(), source: source.clone(), member, claim });
        self.members.entry(name.clone()).or_default().push((member, latest_end(set, member, now)));
        if member.only().is_none() {
            let network = member.prefix();
            self.networks.entry(name.clone()).or_default().push((network, value(set, network, now)));
        }
    }
}

/// The claim of a source on exactly this member.
fn stored(set: &AddressSet, source: &Source, member: Member) -> Option<Claim> {
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

/// The latest end of all claims on exactly this member; `None` if there is none.
fn latest_end(set: &AddressSet, member: Member, now: Timestamp) -> LatestEnd {
    let claims = set.covering(member, now).filter(|(holder, ..)| *holder == member);
    claims.map(|(_, _, claim)| claim.until).reduce(|a, b| Some(a?.max(b?)))
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

/// The members of a request: networks, written as in a list, or one service of them.
fn members(texts: &[String], service: Option<&str>, shortest: Shortest) -> Result<Vec<Member>, String> {
    let service: Option<Service> =
        service.map(|text| text.parse().map_err(|error| format!("{error}; nothing was changed"))).transpose()?;
    let member = |network: &Prefix| member_of(*network, service);
    let mut members = Vec::with_capacity(texts.len());
    for text in texts {
        match parse_line(text, shortest) {
            Ok(line) => members.extend(line.iter().flat_map(|line| line.networks()).map(member)),
            Err(mistake) => return Err(format!("{}; nothing was changed", mistake.told())),
        }
    }
    Ok(members)
}

const fn member_of(network: Prefix, service: Option<Service>) -> Member {
    match service {
        Some(service) => Member::service(network, service),
        None => Member::network(network),
    }
}

/// The reason of a policy, as long as a claim may have one.
fn cut(reason: &str) -> String {
    let end = (0..=TEXT_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
    reason.get(..end).unwrap_or_default().to_owned()
}

fn later(now: Timestamp, after: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
}

fn until_in_words(until: Option<Timestamp>) -> String {
    until.map_or_else(|| "until it is removed".to_owned(), |until| format!("until {:#}", Rfc3339(until)))
}

#[cfg(test)]
mod tests;
