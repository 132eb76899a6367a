//! The networks of a set at one time: those of its file, and those that have vanished from the file and stay for a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ctwarden_feeds::{Format, List};
use ctwarden_model::{ListCounts, Prefix, PrefixMap, SetChange, Timestamp};

use super::Networks;
use crate::clock;

/// Reasons of skipped lines in a record or in the log: enough to see a pattern.
const REASONS: usize = 3;

/// The networks of a set at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    networks: Networks,
    /// The ends of the networks that end.
    ends: BTreeMap<Prefix, Instant>,
    /// The first of those ends.
    first_end: Option<Instant>,
    /// Networks that are not in the file any more.
    vanished: BTreeSet<Prefix>,
    results: Results,
}

/// A network that is not in the file any more, and stays for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vanished {
    pub(crate) network: Prefix,
    pub(crate) value: Arc<str>,
    pub(crate) until: Timestamp,
}

/// What the file had in it when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) format: Format,
    pub(crate) counts: ListCounts,
    /// Why the first skipped lines are bad, each with file, line and column.
    pub(crate) skipped: Vec<String>,
    /// When the file was read.
    pub(crate) read: Timestamp,
}

impl Results {
    /// Whether the same lines were skipped.
    pub(crate) fn skipped_as(&self, other: &Self) -> bool {
        self.counts.bad == other.counts.bad && self.skipped == other.skipped
    }

    /// Why lines were skipped: the first reasons, and how many lines more there are. `None` if none was skipped.
    pub(crate) fn skipped_in_words(&self) -> Option<String> {
        let shown = self.skipped.get(..REASONS).unwrap_or(&self.skipped);
        let more = usize::try_from(self.counts.bad).unwrap_or(usize::MAX).saturating_sub(shown.len());
        let more = if more > 0 { format!("\nand {more} more lines") } else { String::new() };
        (!shown.is_empty()).then(|| format!("{}{more}", shown.join("\n")))
    }
}

impl Version {
    /// The version of a list that was read at this time. The lifetimes in the list begin now.
    pub(super) fn of(list: List, path: &Path, now: Instant) -> Self {
        let results = Results {
            format: list.format(),
            counts: list.counts(),
            skipped: list.skipped().iter().map(|finding| format!("{}:{finding}", path.display())).collect(),
            read: clock::now().wall,
        };
        let (networks, ends) = list.into_parts();
        // An end that no clock reaches is none.
        let ends = ends.into_iter().filter_map(|(network, left)| Some((network, now.checked_add(left)?))).collect();
        Self { networks: Arc::new(networks), ends, first_end: None, vanished: BTreeSet::new(), results }
            .with_first_end()
    }

    /// A version with nothing but networks that have vanished from a list before this process began, to precede the
    /// version that was read. Networks whose time is over are left out.
    pub(crate) fn of_vanished(rows: Vec<Vanished>, read: &Self) -> Self {
        let (now, wall) = (Instant::now(), clock::now().wall);
        let mut before = Self {
            networks: Arc::default(),
            ends: BTreeMap::new(),
            first_end: None,
            vanished: BTreeSet::new(),
            results: read.results.clone(),
        };
        let mut networks = PrefixMap::new();
        for Vanished { network, value, until } in rows {
            let left = Duration::from_nanos(until.0.saturating_sub(wall.0));
            if let Some(end) = now.checked_add(left).filter(|end| *end > now) {
                networks.insert(network, value);
                before.ends.insert(network, end);
                before.vanished.insert(network);
            }
        }
        before.networks = Arc::new(networks);
        before.with_first_end()
    }

    /// The networks that are not in the file any more.
    pub(crate) fn vanished(&self) -> Vec<Vanished> {
        let (now, wall) = (Instant::now(), clock::now().wall);
        let row = |network: &Prefix| {
            let left = self.ends.get(network)?.saturating_duration_since(now);
            let until = Timestamp(wall.0.saturating_add(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)));
            Some(Vanished { network: *network, value: self.networks.get(*network)?.clone(), until })
        };
        self.vanished.iter().filter_map(row).collect()
    }

    /// Whether the same networks have vanished.
    pub(crate) fn vanished_as(&self, other: &Self) -> bool {
        self.vanished == other.vanished
    }

    fn with_first_end(mut self) -> Self {
        self.first_end = self.ends.values().min().copied();
        self
    }

    pub(crate) const fn networks(&self) -> &Networks {
        &self.networks
    }

    pub(crate) const fn results(&self) -> &Results {
        &self.results
    }

    /// How many networks are in the file.
    pub(super) fn listed(&self) -> usize {
        self.networks.len().saturating_sub(self.vanished.len())
    }

    /// When the next network ends.
    pub(super) const fn first_end(&self) -> Option<Instant> {
        self.first_end
    }

    /// Keeps networks of the version before that are not in this one, until so long after they vanished. A network with
    /// an end of its own does not outlive that end.
    pub(super) fn keep_vanished(mut self, before: &Self, lifetime: Duration, now: Instant) -> Self {
        let Some(until) = now.checked_add(lifetime) else { return self };
        let mut networks = Arc::unwrap_or_clone(self.networks);
        for (network, value) in before.networks.iter() {
            let end = match before.ends.get(&network) {
                Some(end) if before.vanished.contains(&network) => *end,
                Some(end) => until.min(*end),
                None => until,
            };
            if end > now && networks.get(network).is_none() {
                networks.insert(network, value.clone());
                self.ends.insert(network, end);
                self.vanished.insert(network);
            }
        }
        self.networks = Arc::new(networks);
        self.with_first_end()
    }

    /// Shares the networks of the version before if they are the same. Then no change is reported.
    pub(super) fn share_networks(mut self, before: &Self) -> Self {
        if self.networks == before.networks {
            self.networks = Arc::clone(&before.networks);
        }
        self
    }

    /// The networks that are new in this version or have a new value. `None` if they are too many to report.
    pub(super) fn added_to(&self, before: &Self) -> Option<Vec<Prefix>> {
        if Arc::ptr_eq(&self.networks, &before.networks) {
            return Some(Vec::new());
        }
        let new = self.networks.iter().filter(|(network, value)| before.networks.get(*network) != Some(value));
        let added: Vec<Prefix> = new.map(|(network, _)| network).take(SetChange::ADDED + 1).collect();
        (added.len() <= SetChange::ADDED).then_some(added)
    }

    /// This version without the networks that have ended.
    pub(super) fn without_ended(&self, now: Instant) -> Self {
        let mut later = self.clone();
        let mut networks = PrefixMap::clone(&self.networks);
        for (network, _) in self.ends.iter().filter(|(_, end)| **end <= now) {
            networks.remove(*network);
            later.ends.remove(network);
            later.vanished.remove(network);
        }
        later.networks = Arc::new(networks);
        later.with_first_end()
    }
}
