//! Ends the flows of banned addresses: flows that exist when the ban begins, and flows that begin during the ban.
//!
//! A ban elsewhere (fail2ban, CrowdSec, a firewall rule) stops new connections only, and established connections go on.
//! This policy ends them.

mod bans;
mod command;
mod config;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

use crate::bans::{Bans, End, seconds_to};
use crate::command::{Command, Named};
pub use crate::config::Config;

/// Maximum number of lines in an answer to `list`, because the length of an answer is limited.
const LISTED: usize = 500;

/// Maximum number of networks in one message. Each may become a verdict, and the verdicts of one answer are limited.
const NETWORKS: usize = 1000;

/// Maximum number of blocks in one answer that renew earlier blocks.
const RENEWED: usize = 2000;

/// The policy with its bans, which come from address sets and from messages.
#[derive(Debug)]
pub struct BanFollower {
    config: Config,
    never: PrefixSet,
    bans: Bans,
    /// Addresses of the current batch that are in a set, with the reason for people.
    listed: BTreeMap<IpAddr, String>,
    /// Networks that were blocked since the running sweep or the current batch began, so that each is blocked only
    /// once.
    blocked: BTreeSet<Prefix>,
    /// Remembered bans that are not yet in the block set again. The firewall may have been rebuilt since they were
    /// blocked.
    remembered: Vec<Prefix>,
    /// Bans whose end was moved to an earlier time. The block set still has the later time.
    shortened: BTreeSet<Prefix>,
}

impl Policy for BanFollower {
    type Config = Config;
    const WANTS: &'static [VerdictKind] =
        &[VerdictKind::Delete, VerdictKind::Block, VerdictKind::Unblock, VerdictKind::Alert, VerdictKind::Sweep];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("banned", "An address of the flow, or the network, is banned."),
        ReasonCode::new("unbanned", "A message ended the ban of the network."),
        ReasonCode::new("ended", "The time of the ban is over."),
        ReasonCode::new("remembered", "The ban is older than this run, and the network is blocked again."),
        ReasonCode::new("set-changed", "A set changed, and flows of its addresses are looked for."),
        ReasonCode::new("set", "A set cannot be read, so its bans have no effect."),
    ];

    fn configure(config: Config, now: Timestamp) -> Result<Self, Refusal> {
        if !config.ports.is_empty() && config.protocols.iter().any(|protocol| !protocol.has_ports()) {
            return Err("ports: one of the given protocols has no ports; remove one of the two".into());
        }
        let mut bans = Bans::new(config.remember);
        // Removes bans that ended while the policy did not run.
        bans.expire(now);
        let remembered =
            if config.block_set.is_some() { bans.iter().map(|(network, _)| network).collect() } else { Vec::new() };
        Ok(Self {
            never: config.never.iter().copied().collect(),
            bans,
            listed: BTreeMap::new(),
            blocked: BTreeSet::new(),
            remembered,
            shortened: BTreeSet::new(),
            config,
        })
    }

    fn subscription(&self) -> Subscription {
        let scope = self.config.scope();
        let all = Subscription::default().tick_every(Duration::from_secs(60));
        let narrowed = if scope == Filter::new() { all } else { all.only(scope) };
        let named = self.config.sets.iter().fold(narrowed, Subscription::set);
        self.config.block_set.iter().fold(named, Subscription::blocks_in).needs(self.needs()).selects()
    }

    fn batch(&mut self, batch: &Batch) -> Verdicts {
        if !batch.is_sweep() {
            self.blocked.clear();
        }
        let mut verdicts = self.block_remembered(batch.now());
        verdicts.extend(self.look_up(batch));
        verdicts.extend(batch.each(|flow| self.judge(flow)));
        verdicts
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let [src, dst, reply_src, reply_dst] = flow.addresses();
        let banned = [src, dst, reply_src, reply_dst].into_iter().find_map(|address| self.ban(address, flow.now()));
        let Some(Ban { network, seconds, why }) = banned else { return Verdicts::none() };
        let mut verdicts = Verdicts::none();
        if let Some(set) = &self.config.block_set
            && self.blocked.insert(network)
        {
            verdicts.push(block(set, network).seconds(seconds).because("banned", why.clone()));
        }
        verdicts.and(delete().because("banned", why))
    }

    fn sweep_begin(&mut self, _: Extent, now: Timestamp) -> Verdicts {
        self.blocked.clear();
        self.block_remembered(now)
    }

    /// Asks only for flows with an added address, because no other flow needs a verdict.
    fn sets_changed(&mut self, changes: &[SetChange], _: Timestamp) -> Verdicts {
        let why = SetChange::names(changes);
        let added = SetChange::filters(changes, &self.config.scope());
        added.into_iter().map(|flows| sweep().on(flows).because("set-changed", why.clone())).collect()
    }

    fn tick(&mut self, now: Timestamp) -> Verdicts {
        let mut verdicts = self.expire(now);
        verdicts.extend(self.block_remembered(now));
        verdicts
    }

    fn message(&mut self, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
        let mut verdicts = self.expire(now);
        let commands = command::read(text)?;
        if commands.len() > NETWORKS {
            return Err(format!("{} networks in one message; send at most {NETWORKS}", commands.len()).into());
        }
        // A message is carried out as a whole or not at all. So all checks come first.
        for command in &commands {
            self.check(command)?;
        }
        let is_new = |named: &Named| !self.bans.contains(named.network);
        let new = commands.iter().filter(|command| matches!(command, Command::Ban(named, _) if is_new(named)));
        let (new, most) = (new.count(), usize::try_from(self.config.max_bans).unwrap_or(usize::MAX));
        if self.bans.len().saturating_add(new) > most {
            return Err(
                format!("there are {} bans of at most {most}; unban some or raise max-bans", self.bans.len()).into()
            );
        }
        let mut lines = Vec::new();
        let mut banned = Vec::new();
        for command in commands {
            match command {
                Command::Ban(named, lifetime) => {
                    lines.push(self.begin(named, lifetime, now, &mut verdicts));
                    banned.push(named.network);
                }
                Command::Unban(named) => lines.push(self.end(named, now, &mut verdicts)),
                Command::List => lines.push(self.list(now)),
            }
        }
        if let Some(first) = banned.first() {
            let flows = banned.iter().fold(self.config.scope(), |filter, network| filter.either(*network));
            let why = match banned.len() {
                1 => format!("{first} is banned"),
                many => format!("{first} and {} more are banned", many - 1),
            };
            verdicts.push(delete().on(flows).because("banned", why));
        }
        Ok(reply(lines.join("\n")).with(verdicts))
    }
}

/// A ban that applies to an address.
struct Ban {
    /// The network to block: the network that a message banned, or the address that a set lists.
    network: Prefix,
    /// Lifetime of the block; 0: until it is unblocked.
    seconds: u32,
    /// The reason, for people.
    why: String,
}

impl BanFollower {
    /// Returns the kinds of verdicts that the configuration needs. Bans from sets need an alert for a set that cannot
    /// be read, and a sweep after a change.
    fn needs(&self) -> Vec<VerdictKind> {
        let mut needs = vec![VerdictKind::Delete];
        if self.config.block_set.is_some() {
            needs.extend([VerdictKind::Block, VerdictKind::Unblock]);
        }
        if !self.config.sets.is_empty() {
            needs.extend([VerdictKind::Alert, VerdictKind::Sweep]);
        }
        needs
    }

    /// Looks up all addresses of the batch, with one call for each set.
    fn look_up(&mut self, batch: &Batch) -> Verdicts {
        self.listed.clear();
        let mut verdicts = Verdicts::none();
        if self.config.sets.is_empty() {
            return verdicts;
        }
        let unique: BTreeSet<IpAddr> = batch.flows().flat_map(|flow| flow.addresses()).collect();
        let asked: Vec<IpAddr> = unique.into_iter().filter(|address| !self.never.contains(*address)).collect();
        for set in &self.config.sets {
            match sets::lookup(set, &asked) {
                Ok(values) => {
                    for (address, value) in asked.iter().zip(values) {
                        let Some(value) = value else { continue };
                        let value = if value.is_empty() { value } else { format!(" ({value})") };
                        self.listed.entry(*address).or_insert_with(|| format!("{address} is in set {set}{value}"));
                    }
                }
                Err(refusal) => {
                    let title = format!("bans of set {set} have no effect: {}", refusal.as_str());
                    verdicts.push(alert(title).severity(Severity::Error).key(format!("set {set}")).because("set", ""));
                }
            }
        }
        verdicts
    }

    fn ban(&self, address: IpAddr, now: Timestamp) -> Option<Ban> {
        if self.never.contains(address) {
            return None;
        }
        let by_message = || {
            let (network, end) = self.bans.of(address, now)?;
            Some(Ban { network, seconds: self.seconds_of(end, now), why: format!("{network} is banned") })
        };
        let by_set = || {
            let why = self.listed.get(&address)?.clone();
            Some(Ban { network: address.into(), seconds: self.seconds_of(None, now), why })
        };
        by_message().or_else(by_set)
    }

    /// Checks whether the command may be carried out.
    fn check(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::Ban(Named { network, .. }, _) => {
                let (shortest, key) = match network.family() {
                    Family::Ipv4 => (self.config.shortest_ipv4_prefix, "shortest-ipv4-prefix"),
                    Family::Ipv6 => (self.config.shortest_ipv6_prefix, "shortest-ipv6-prefix"),
                };
                if network.length() < shortest {
                    return Err(format!("{network} is not banned: it is wider than /{shortest} ({key})").into());
                }
                match self.never.overlapping(*network) {
                    Some(never) if never == *network => Err(format!("{network} is not banned: it is in never").into()),
                    Some(never) if never.covers(*network) => {
                        Err(format!("{network} is not banned: it is in {never}, which is in never").into())
                    }
                    Some(never) => Err(format!("{network} is not banned: it holds {never}, which is in never").into()),
                    None => Ok(()),
                }
            }
            Command::Unban(Named { network, .. }) if self.bans.contains(*network) => Ok(()),
            Command::Unban(Named { network, .. }) => match self.still_banned(*network) {
                Some(why) => Err(format!("{network} is not unbanned: {why}").into()),
                None if self.config.block_set.is_none() => Err(format!("{network} is not banned").into()),
                None => Ok(()),
            },
            Command::List => Ok(()),
        }
    }

    /// Says which other ban or set still bans the network, if any.
    fn still_banned(&self, network: Prefix) -> Option<String> {
        let wider = self.bans.iter().find(|(ban, _)| *ban != network && ban.covers(network));
        match wider {
            Some((ban, _)) => Some(format!("{ban} is banned")),
            None => self.is_listed(network).map(|set| format!("it is in set {set}")),
        }
    }

    /// Returns the set that lists the network, which must be one address.
    fn is_listed(&self, network: Prefix) -> Option<&String> {
        let one = network == network.address().into();
        let listed = |set: &&String| one && sets::contains(set, network.address()).unwrap_or(false);
        self.config.sets.iter().find(listed)
    }

    fn begin(&mut self, named: Named, lifetime: Lifetime, now: Timestamp, verdicts: &mut Verdicts) -> String {
        let network = named.network;
        let end = lifetime.as_secs().map(|seconds| now + Duration::from_secs(seconds.into()));
        if self.bans.end_of(network).is_some_and(|before| lasts(before) > lasts(end)) {
            self.shortened.insert(network);
        }
        let forgotten = self.bans.insert(network, end);
        if let Some(set) = &self.config.block_set {
            let seconds = self.seconds_of(end, now);
            verdicts.push(block(set, network).seconds(seconds).because("banned", format!("{network} is banned")));
        }
        let mut line = match lifetime.as_secs() {
            Some(seconds) => format!("{named} banned for {seconds} s"),
            None => format!("{named} banned"),
        };
        if let Some(refusal) = forgotten {
            line.push_str(&format!("; the ban is lost at a restart: {}", refusal.as_str()));
        }
        line
    }

    fn end(&mut self, named: Named, now: Timestamp, verdicts: &mut Verdicts) -> String {
        let network = named.network;
        let end = self.bans.end_of(network);
        let was = self.bans.remove(network);
        let shortened = self.shortened.remove(&network);
        let still = self.still_banned(network).filter(|_| was);
        let end = if shortened { None } else { end.flatten() };
        self.take_out(network, end, ("unbanned", format!("{network} is unbanned")), now, verdicts);
        match (still, &self.config.block_set) {
            (Some(why), _) => format!("{named} unbanned, but {why}"),
            (None, Some(set)) if !was => format!("{named} was not banned; removed from {set}"),
            (None, _) => format!("{named} unbanned"),
        }
    }

    /// Removes a network from the block set, in which it was to stay until `end`, and keeps blocked what other bans
    /// hold.
    fn take_out(&mut self, network: Prefix, end: End, why: (&str, String), now: Timestamp, verdicts: &mut Verdicts) {
        let Some(set) = &self.config.block_set else { return };
        let mut others: Vec<(Prefix, End)> = self.bans.beside(network, now).collect();
        let longer = |(ban, other): &(Prefix, End)| ban.covers(network) && lasts(*other) >= lasts(end);
        let listed = self.is_listed(network).cloned();
        // Otherwise nothing has to be removed before it expires by itself.
        if !others.iter().any(longer) && listed.is_none() {
            let (code, reason) = why;
            verdicts.push(unblock(set, network).because(code, reason));
        }
        // The blocks must follow the unblock, because the unblock also removed other bans within the network. If there
        // are many, the rest follows with the next call.
        others.retain(|other| !longer(other));
        let later = others.split_off(others.len().min(RENEWED.saturating_sub(verdicts.len())));
        self.remembered.extend(later.into_iter().map(|(ban, _)| ban));
        for (ban, end) in others {
            let why = format!("{ban} is banned");
            verdicts.push(block(set, ban).seconds(self.seconds_of(end, now)).because("banned", why));
        }
        if let Some(list) = listed {
            let why = format!("{network} is in set {list}");
            verdicts.push(block(set, network).seconds(self.seconds_of(None, now)).because("banned", why));
        }
    }

    /// Removes bans that have ended. The block set drops their networks by itself, except for bans that were shortened.
    fn expire(&mut self, now: Timestamp) -> Verdicts {
        let mut verdicts = Verdicts::none();
        for network in self.bans.expire(now) {
            if self.shortened.remove(&network) {
                self.take_out(network, None, ("ended", format!("the ban of {network} has ended")), now, &mut verdicts);
            }
        }
        verdicts
    }

    /// Puts remembered bans into the block set again, at most [`RENEWED`] in one call.
    fn block_remembered(&mut self, now: Timestamp) -> Verdicts {
        let mut verdicts = Verdicts::none();
        let Some(set) = &self.config.block_set else { return verdicts };
        let from = self.remembered.len().saturating_sub(RENEWED);
        for network in self.remembered.split_off(from) {
            // The ban may have been removed or have ended in the meantime, or may now be exempt.
            let Some(end) = self.bans.end_of(network).filter(|_| self.never.overlapping(network).is_none()) else {
                continue;
            };
            let seconds = self.seconds_of(end, now);
            verdicts.push(block(set, network).seconds(seconds).because("remembered", format!("{network} is banned")));
            self.blocked.insert(network);
        }
        verdicts
    }

    /// Returns how many seconds a ban with this end stays in the block set from now on; 0: until it is unbanned.
    fn seconds_of(&self, end: End, now: Timestamp) -> u32 {
        match end {
            Some(end) => seconds_to(end, now),
            None => self.config.block_seconds.as_secs().unwrap_or_default(),
        }
    }

    fn list(&self, now: Timestamp) -> String {
        let line = |(network, end): (Prefix, Option<Timestamp>)| match end {
            Some(end) => format!("{network} for {} s", seconds_to(end, now)),
            None => network.to_string(),
        };
        let mut lines: Vec<String> = self.bans.iter().take(LISTED).map(line).collect();
        match self.bans.len().saturating_sub(LISTED) {
            0 if lines.is_empty() => "no bans".to_owned(),
            0 => lines.join("\n"),
            more => {
                lines.push(format!("and {more} more"));
                lines.join("\n")
            }
        }
    }
}

/// Returns the end as a time to compare. A ban without an end is the last.
fn lasts(end: End) -> Timestamp {
    end.unwrap_or(Timestamp(u64::MAX))
}

export!(BanFollower);
