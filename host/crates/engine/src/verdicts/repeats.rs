//! Flows that come back after each delete, and senders that open new flows as fast as they are deleted.
//!
//! Deleting an entry does not stop packets. If no rule drops them, the next packet creates the entry again. One such
//! host would use up the whole budget, and hosts banned later would keep their connections. Therefore one tuple is
//! deleted only a few times a minute. One sender may use at most half of the share for flows that an event reported.

use core::net::IpAddr;
use core::time::Duration;

use ctwarden_model::{FlowKey, Steady, Tuple, Zone};
use hashbrown::HashMap;

/// How long deletes are remembered. They count for the share of the table as long.
const WINDOW: Duration = Duration::from_secs(61);

/// Maximum number of deletes of one tuple within [`WINDOW`]. This suffices to end a flow that a packet in flight
/// creates again. If a flow came back ten times, another delete does not stop it.
const TIMES: u32 = 10;

/// Maximum number of remembered tuples, and of remembered senders. A flow that comes back does so within milliseconds,
/// so few suffice.
const REMEMBERED: usize = 8_192;

/// Number of deletes since a point in time.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Steady,
    times: u32,
}

/// Whether a further delete is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The delete is allowed.
    Fine,
    /// The delete is allowed, and is the last one of the flow in this minute: the flow has come back again and again.
    Last,
    /// The flow or its sender has used up its deletes of this minute.
    TooMany,
}

/// Deletes of one plugin in the last minute, by tuple and by sender address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats {
    tuples: HashMap<(Zone, Tuple), Count>,
    senders: HashMap<IpAddr, Count>,
    /// When a notice last reported that flows come back.
    told: Option<Steady>,
}

impl Repeats {
    /// Maximum number of deletes of one tuple in a minute.
    pub(crate) const TIMES: u32 = TIMES;

    /// Whether a notice that flows come back is due. It is due once a minute.
    pub(crate) fn is_to_be_told(&mut self, now: Steady) -> bool {
        let is_due = self.told.is_none_or(|told| now.since(told) >= WINDOW);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }

    /// Counts one more delete of the flow, if it is allowed. `share` is the number of flows that the plugin may delete
    /// in a minute.
    pub(crate) fn next(&mut self, key: &FlowKey, share: u64, now: Steady) -> Repeat {
        let tuple = (key.zone, either_direction(key.original));
        let of_tuple = times(&self.tuples, &tuple, now);
        let of_sender = times(&self.senders, &key.original.src, now);
        // Without a budget, these deletes take nothing from other deletes.
        if share != u64::MAX && (of_tuple >= TIMES || u64::from(of_sender) >= share.div_ceil(2)) {
            return Repeat::TooMany;
        }
        count(&mut self.tuples, tuple, now);
        count(&mut self.senders, key.original.src, now);
        if of_tuple + 1 == TIMES { Repeat::Last } else { Repeat::Fine }
    }
}

/// The same tuple for both directions of a flow.
fn either_direction(tuple: Tuple) -> Tuple {
    tuple.min(tuple.reversed())
}

fn times<K: Eq + core::hash::Hash>(counts: &HashMap<K, Count>, key: &K, now: Steady) -> u32 {
    counts.get(key).filter(|count| now.since(count.since) < WINDOW).map_or(0, |count| count.times)
}

fn count<K: Eq + core::hash::Hash>(counts: &mut HashMap<K, Count>, key: K, now: Steady) {
    if counts.len() >= REMEMBERED && !counts.contains_key(&key) {
        counts.retain(|_, count| count.times > 1 && now.since(count.since) < WINDOW);
        if counts.len() >= REMEMBERED / 2 {
            counts.clear();
        }
    }
    let fresh = Count { since: now, times: 0 };
    let count = counts.entry(key).or_insert(fresh);
    if now.since(count.since) >= WINDOW {
        *count = fresh;
    }
    count.times = count.times.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv4Addr;

    use ctwarden_model::{FlowId, Layer4, Protocol};

    use super::*;

    const START: Steady = Steady(7_000_000_000);

    fn key(id: u32, host: u32, port: u16) -> FlowKey {
        let original = Tuple {
            src: Ipv4Addr::from_bits(0x0a00_0000 + host).into(),
            dst: Ipv4Addr::from_bits(0xc000_0201).into(),
            protocol: Protocol::TCP,
            layer4: Layer4::Ports { src: port, dst: 80 },
        };
        FlowKey { id: FlowId(id), zone: Zone(0), original }
    }

    #[test]
    fn a_tuple_has_its_times_whatever_its_id_and_direction() {
        let mut repeats = Repeats::default();
        let mut next = |id, now| {
            let mut key = key(id, 1, 9);
            if id % 2 == 0 {
                key.original = key.original.reversed();
            }
            repeats.next(&key, 1_000, now)
        };
        let first: Vec<Repeat> = (0..12).map(|id| next(id, START)).collect();
        assert_eq!(first.iter().filter(|repeat| **repeat == Repeat::Fine).count(), 9);
        assert_eq!(first.get(9..), Some([Repeat::Last, Repeat::TooMany, Repeat::TooMany].as_slice()));
        assert_eq!(next(20, START.plus(WINDOW)), Repeat::Fine);
    }

    #[test]
    fn a_sender_has_half_of_the_share_and_leaves_the_rest_to_others() {
        let mut repeats = Repeats::default();
        let of = |repeats: &mut Repeats, host, flows: u16| {
            (0..flows).filter(|port| repeats.next(&key(1, host, *port), 100, START) != Repeat::TooMany).count()
        };
        assert_eq!(of(&mut repeats, 1, 500), 50);
        assert_eq!(of(&mut repeats, 2, 30), 30);
        let one = Repeats::default().next(&key(1, 1, 1), 1, START);
        assert_eq!(one, Repeat::Fine, "half of one is one");
    }

    #[test]
    fn what_is_remembered_has_its_bound() {
        let mut repeats = Repeats::default();
        for host in 0..100_000 {
            repeats.next(&key(1, host, 1), 1_000_000, START);
            repeats.next(&key(1, 0, 1), 1_000_000, START);
            assert!(repeats.tuples.len() <= REMEMBERED && repeats.senders.len() <= REMEMBERED);
        }
        assert_eq!(repeats.next(&key(1, 0, 1), 1_000_000, START), Repeat::TooMany, "who comes back stays remembered");
    }
}
