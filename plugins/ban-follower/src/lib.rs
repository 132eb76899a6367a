//! Ends the flows of banned addresses: flows that exist when the ban begins, and flows that begin during the ban.
//!
//! A ban stops new connections, and established connections may go on. This policy ends them. The bans themselves belong
//! to the host: it keeps them in address sets, with their ends, and puts them into the packet filter.

mod command;
mod config;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ctwarden_sdk::prelude::*;

use crate::command::{Command, Named};
pub use crate::config::{Action, Config};

/// Maximum number of networks in one message. Each may become a verdict, and the verdicts of one answer are limited.
const NETWORKS: usize = 1000;

/// The policy. Its only state is the configuration.
#[derive(Debug)]
pub struct BanFollower {
    config: Config,
    never: PrefixSet,
    /// Addresses of the current batch that are in a set, with the reason for people.
    listed: BTreeMap<IpAddr, String>,
}

impl Policy for BanFollower {
    type Config = Config;
    const WANTS: &'static [VerdictKind] = &[
        VerdictKind::Delete,
        VerdictKind::Kill,
        VerdictKind::Block,
        VerdictKind::Unblock,
        VerdictKind::Alert,
        VerdictKind::Sweep,
    ];
    const CODES: &'static [ReasonCode] = &[
        ReasonCode::new("banned", "An address of the flow, or the network, is banned."),
        ReasonCode::new("unbanned", "A message ended the ban of the network."),
        ReasonCode::new("asked", "A message asked for the end of the flows."),
        ReasonCode::new("set-changed", "A set changed, and flows of its addresses are looked for."),
        ReasonCode::new("set", "A set cannot be looked up, so the flows of its addresses are not ended."),
    ];

    fn configure(config: Config, _: Timestamp) -> Result<Self, Refusal> {
        if !config.ports.is_empty() && config.protocols.iter().any(|protocol| !protocol.has_ports()) {
            return Err("ports: one of the given protocols has no ports; remove one of the two".into());
        }
        Ok(Self { never: config.never.iter().copied().collect(), listed: BTreeMap::new(), config })
    }

    fn subscription(&self) -> Subscription {
        let scope = self.config.scope();
        let all = Subscription::default();
        let narrowed = if scope == Filter::new() { all } else { all.only(scope) };
        let named = self.config.sets.iter().fold(narrowed, Subscription::set);
        self.config.block_set.iter().fold(named, Subscription::blocks_in).needs(self.needs()).selects()
    }

    fn batch(&mut self, batch: &Batch) -> Verdicts {
        let mut verdicts = self.look_up(batch);
        verdicts.extend(batch.each(|flow| self.judge(flow)));
        verdicts
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let why = flow.addresses().into_iter().find_map(|address| self.listed.get(&address));
        why.map_or_else(Verdicts::none, |why| self.end().because("banned", why.clone()).into())
    }

    /// Asks only for flows with an added address, because no other flow needs a verdict.
    fn sets_changed(&mut self, changes: &[SetChange], _: Timestamp) -> Verdicts {
        let why = SetChange::names(changes);
        let added = SetChange::filters(changes, &self.config.scope());
        added.into_iter().map(|flows| sweep().on(flows).because("set-changed", why.clone())).collect()
    }

    fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
        let commands = command::read(text)?;
        if commands.len() > NETWORKS {
            return Err(format!("{} networks in one message; send at most {NETWORKS}", commands.len()).into());
        }
        // A message is carried out as a whole or not at all. So all checks come first.
        for command in &commands {
            self.check(command)?;
        }
        let mut lines = Vec::new();
        let mut verdicts = Verdicts::none();
        let (mut banned, mut ended) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Ban(named, lifetime) => {
                    lines.push(self.ban(named, lifetime, &mut verdicts));
                    banned.push(named.network);
                }
                Command::Unban(named) => lines.push(self.unban(named, &mut verdicts)),
                Command::End(named) => {
                    lines.push(format!("flows of {named} ended"));
                    ended.push(named.network);
                }
            }
        }
        verdicts.extend(self.end_flows(&banned, "banned", "banned"));
        verdicts.extend(self.end_flows(&ended, "asked", "to lose its flows"));
        Ok(reply(lines.join("\n")).with(verdicts))
    }
}

impl BanFollower {
    /// Returns the kinds of verdicts that the configuration needs. Bans from sets need an alert for a set that cannot
    /// be read, and a sweep after a change.
    fn needs(&self) -> Vec<VerdictKind> {
        let mut needs = vec![match self.config.action {
            Action::Delete => VerdictKind::Delete,
            Action::Kill => VerdictKind::Kill,
        }];
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
                    let title = format!("flows of set {set} are not ended: {}", refusal.as_str());
                    verdicts.push(alert(title).severity(Severity::Error).key(format!("set {set}")).because("set", ""));
                }
            }
        }
        verdicts
    }

    /// Returns the verdict that ends a flow.
    fn end(&self) -> Verdict {
        match self.config.action {
            Action::Delete => delete(),
            Action::Kill => kill(),
        }
    }

    /// Ends every flow of these networks with one verdict.
    fn end_flows(&self, networks: &[Prefix], code: &str, what: &str) -> Option<Verdict> {
        let first = networks.first()?;
        let flows = networks.iter().fold(self.config.scope(), |filter, network| filter.either(*network));
        let why = match networks.len() {
            1 => format!("{first} is {what}"),
            many => format!("{first} and {} more are {what}", many - 1),
        };
        Some(self.end().on(flows).because(code, why))
    }

    /// Checks whether the command may be carried out.
    fn check(&self, command: &Command) -> Result<(), Refusal> {
        let without_set = |network: Prefix, done: &str, instead: &str| {
            Err(format!("{network} is not {done}, because there is no block-set; set it in the configuration{instead}"))
        };
        let checked = match command {
            Command::Ban(Named { network, .. }, _) if self.config.block_set.is_none() => {
                without_set(*network, "banned", &format!(", or write end {network} to end its flows once"))
            }
            Command::Unban(Named { network, .. }) if self.config.block_set.is_none() => {
                without_set(*network, "unbanned", "")
            }
            Command::Ban(Named { network, .. }, _) => self.may_end(*network, "is not banned"),
            Command::End(Named { network, .. }) => self.may_end(*network, "keeps its flows"),
            Command::Unban(_) => Ok(()),
        };
        checked.map_err(Refusal::from)
    }

    /// Checks whether a message may end all flows of a network. `but` says what follows if not.
    fn may_end(&self, network: Prefix, but: &str) -> Result<(), String> {
        let (shortest, key) = match network.family() {
            Family::Ipv4 => (self.config.shortest_ipv4_prefix, "shortest-ipv4-prefix"),
            Family::Ipv6 => (self.config.shortest_ipv6_prefix, "shortest-ipv6-prefix"),
        };
        if network.length() < shortest {
            return Err(format!("{network} {but}: it is wider than /{shortest} ({key})"));
        }
        match self.never.overlapping(network) {
            Some(never) if never == network => Err(format!("{network} {but}: it is in never")),
            Some(never) if never.covers(network) => {
                Err(format!("{network} {but}: it is in {never}, which is in never"))
            }
            Some(never) => Err(format!("{network} {but}: it holds {never}, which is in never")),
            None => Ok(()),
        }
    }

    /// Puts a network into the block set. A claim of this policy that lasts longer stays.
    fn ban(&self, named: Named, lifetime: Lifetime, verdicts: &mut Verdicts) -> String {
        let network = named.network;
        let seconds = lifetime.as_secs();
        let block = |set| block(set, network).seconds(seconds.unwrap_or_default());
        let because = |block: Block| block.because("banned", format!("{network} is banned"));
        verdicts.extend(self.config.block_set.iter().map(block).map(because));
        match seconds {
            Some(seconds) => format!("{named} banned for at least {seconds} s"),
            None => format!("{named} banned"),
        }
    }

    /// Ends the ban by message. The network stays in the set if somebody else has put it there.
    fn unban(&self, named: Named, verdicts: &mut Verdicts) -> String {
        let network = named.network;
        let because = |set| unblock(set, network).because("unbanned", format!("{network} is unbanned"));
        verdicts.extend(self.config.block_set.iter().map(because));
        match self.is_listed(network) {
            Some(set) => format!("{named} unbanned, but it is in set {set}"),
            None => format!("{named} unbanned"),
        }
    }

    /// Returns the other set that lists the network, which must be one address.
    fn is_listed(&self, network: Prefix) -> Option<&String> {
        let one = network == network.address().into();
        let others = self.config.sets.iter().filter(|set| self.config.block_set.as_ref() != Some(*set));
        others.filter(|_| one).find(|set| sets::contains(set, network.address()).unwrap_or(false))
    }
}

export!(BanFollower);
