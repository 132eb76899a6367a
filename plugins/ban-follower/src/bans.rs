//! Bans by message: their networks and ends, and a copy of them in the memory that outlives the plugin.

use std::net::IpAddr;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

/// Prefix of the keys in memory. The network follows. The value is the end in seconds since the Unix epoch, or empty.
const KEY: &str = "ban/";

/// When a ban ends. `None` means that the ban lasts until it is removed by message.
pub(crate) type End = Option<Timestamp>;

/// The networks that messages have banned.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    networks: PrefixMap<End>,
    remember: bool,
}

impl Bans {
    /// Reads the remembered bans from memory, if `remember` is set.
    pub(crate) fn new(remember: bool) -> Self {
        let mut networks = PrefixMap::new();
        if remember {
            for key in memory::keys(KEY) {
                if let Some((network, end)) = recall(&key) {
                    networks.insert(network, end);
                    // An earlier version may have written the network in another form. A later removal would not find
                    // that key.
                    let known_as = self::key(network);
                    if key != known_as && memory::set(&known_as, value_of(end).as_bytes()).is_ok() {
                        memory::remove(&key);
                    }
                } else {
                    eprintln!("the value remembered as \"{key}\" is not a ban; forgotten");
                    memory::remove(&key);
                }
            }
        }
        Self { networks, remember }
    }

    /// Returns the end of the ban of exactly this network. The outer `None` means that there is no such ban.
    pub(crate) fn end_of(&self, network: Prefix) -> Option<End> {
        self.networks.get(network).copied()
    }

    /// Returns the other bans that share addresses with the network.
    pub(crate) fn beside(&self, network: Prefix, now: Timestamp) -> impl Iterator<Item = (Prefix, End)> {
        let others =
            self.iter().filter(move |(ban, _)| *ban != network && (ban.covers(network) || network.covers(*ban)));
        others.filter(move |(_, end)| holds(*end, now))
    }

    /// Bans a network, or changes the end of its ban. If the ban cannot be remembered, returns the reason; the ban
    /// holds all the same.
    pub(crate) fn insert(&mut self, network: Prefix, end: End) -> Option<Refusal> {
        self.networks.insert(network, end);
        if self.remember { memory::set(&key(network), value_of(end).as_bytes()).err() } else { None }
    }

    /// Ends the ban of exactly this network. Returns whether there was one.
    pub(crate) fn remove(&mut self, network: Prefix) -> bool {
        let was = self.networks.remove(network).is_some();
        if was && self.remember {
            memory::remove(&key(network));
        }
        was
    }

    /// Removes the bans that have ended and returns their networks.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Prefix> {
        let ended = |(network, end): (Prefix, &End)| (!holds(*end, now)).then_some(network);
        let ended: Vec<Prefix> = self.networks.iter().filter_map(ended).collect();
        for network in &ended {
            self.remove(*network);
        }
        ended
    }

    /// Returns the ban with the longest prefix that holds for the address now.
    pub(crate) fn of(&self, address: IpAddr, now: Timestamp) -> Option<(Prefix, End)> {
        self.networks.holding(address).map(|(network, end)| (network, *end)).find(|(_, end)| holds(*end, now))
    }

    pub(crate) fn contains(&self, network: Prefix) -> bool {
        self.networks.get(network).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.networks.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Prefix, End)> {
        self.networks.iter().map(|(network, end)| (network, *end))
    }
}

/// Returns the seconds from now to the end, rounded up and at least 1.
pub(crate) fn seconds_to(end: Timestamp, now: Timestamp) -> u32 {
    let left = end.since(now).as_millis().div_ceil(Duration::from_secs(1).as_millis());
    u32::try_from(left).unwrap_or(u32::MAX).max(1)
}

fn holds(end: End, now: Timestamp) -> bool {
    end.is_none_or(|end| now < end)
}

fn key(network: Prefix) -> String {
    format!("{KEY}{network}")
}

fn value_of(end: End) -> String {
    end.map_or(String::new(), |end| end.as_secs().to_string())
}

fn recall(key: &str) -> Option<(Prefix, End)> {
    let network = key.strip_prefix(KEY)?.parse().ok()?;
    let value = String::from_utf8(memory::get(key)?).ok()?;
    let end = if value.is_empty() { None } else { Some(Timestamp::from_secs(value.parse().ok()?)) };
    Some((network, end))
}
