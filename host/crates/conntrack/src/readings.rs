//! Reads the table again after an interrupted dump, and passes on each flow once.
//!
//! Printed output cannot be withdrawn, and a changed flow must not be changed again. So the fingerprints of passed
//! flows are kept, and the next reading passes on only the others: immediately, and without a gap in the output.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::mem::take;
use std::net::IpAddr;

use ctwarden_model::{Flow, Layer4};
use ctwarden_netlink::Reading;

use super::failure::Failure;
use super::output::say;

/// Maximum number of readings. If the table is resized so often that ten readings are incomplete, an eleventh will not
/// help.
const READINGS: u32 = 10;

/// The message if no reading was complete.
pub(super) fn interrupted() -> String {
    format!(
        "the hash table was resized during each of {READINGS} readings, so entries may be missing; try again while no \
         program writes net.netfilter.nf_conntrack_buckets"
    )
}

/// Receives each flow of a reading, and whether the reading is still reliable.
pub(super) type Hand<'h> = dyn FnMut(&Flow, Reading) -> Result<(), Failure> + 'h;

/// Reads until a reading is complete, at most [`READINGS`] times. Passes on each flow once; flows for which `again`
/// holds are passed on every time.
pub(super) fn repeat(
    mut read: impl FnMut(&mut Hand<'_>) -> Result<Reading, Failure>,
    mut each: impl FnMut(&Flow) -> Result<(), Failure>,
    again: impl Fn(&Flow) -> bool,
) -> Result<Reading, Failure> {
    let (mut known, state) = (SeenFlows::Kept(Vec::new()), RandomState::new());
    for number in 1..=READINGS {
        let reading = read(&mut |flow, reading| {
            if reading == Reading::Interrupted {
                known.look_up();
            }
            if known.is_new(fingerprint(&state, flow)) || again(flow) { each(flow) } else { Ok(()) }
        })?;
        if reading == Reading::Whole {
            return Ok(reading);
        }
        known.look_up();
        if number == 1 {
            say("The hash table was resized while it was read (net.netfilter.nf_conntrack_buckets). Reading it again \
                 for missing entries.");
        }
    }
    Ok(Reading::Interrupted)
}

/// Flows that were passed on, by a fingerprint of id, zone and tuple: eight bytes each, for a table of millions.
enum SeenFlows {
    /// No interruption yet, so no flow comes twice: fingerprints are only stored.
    Kept(Vec<u64>),
    /// Each flow is looked up.
    LookedUp(HashSet<u64>),
}

impl SeenFlows {
    /// From now on a flow may come a second time.
    fn look_up(&mut self) {
        if let Self::Kept(kept) = self {
            *self = Self::LookedUp(take(kept).into_iter().collect());
        }
    }

    /// Whether the flow is new. Also marks the flow as known.
    fn is_new(&mut self, fingerprint: u64) -> bool {
        match self {
            Self::Kept(kept) => {
                kept.push(fingerprint);
                true
            }
            Self::LookedUp(known) => known.insert(fingerprint),
        }
    }
}

/// A keyed hash, so an attacker cannot choose flows whose fingerprints collide.
fn fingerprint(state: &RandomState, flow: &Flow) -> u64 {
    let tuple = &flow.tuples.original;
    let address = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let (ports, kind) = match tuple.layer4 {
        Layer4::None => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (u32::from(src) << 16 | u32::from(dst), 0),
        Layer4::Icmp { id, kind, code } => (u32::from(id), u16::from_be_bytes([kind, code])),
    };
    let rest = u128::from(flow.id.unwrap_or_default().0) << 96
        | u128::from(ports) << 64
        | u128::from(kind) << 48
        | u128::from(flow.zone.0) << 32
        | u128::from(tuple.protocol.0) << 8
        | u128::from(tuple.src.is_ipv6());
    // Hashed as one array: hashing each part separately takes three times as long.
    state.hash_one([address(tuple.src), address(tuple.dst), rest])
}

#[cfg(test)]
mod tests {
    use ctwarden_model::{FlowId, PerDirection, Protocol, Tuple, Zone};
    use proptest::prelude::*;

    use super::*;

    fn flow(number: u16) -> Flow {
        let original = Tuple {
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
            protocol: Protocol::UDP,
            layer4: Layer4::Ports { src: number, dst: 53 },
        };
        let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
        flow.id = Some(FlowId(number.into()));
        flow
    }

    /// Runs `repeat` on these readings, each with its flows before and after a resize. Returns the outcome, the flows
    /// that were passed on, and the number of readings.
    fn handed(readings: &[(&[u16], &[u16])], again: &[u16]) -> (Result<Reading, Failure>, Vec<u16>, usize) {
        let (mut handed, mut count) = (Vec::new(), 0);
        let port = |flow: &Flow| flow.tuples.original.ports().unwrap().0;
        let outcome = repeat(
            |hand| {
                let (before, behind) = readings[count.min(readings.len() - 1)];
                count += 1;
                before.iter().try_for_each(|number| hand(&flow(*number), Reading::Whole))?;
                behind.iter().try_for_each(|number| hand(&flow(*number), Reading::Interrupted))?;
                Ok(if behind.is_empty() { Reading::Whole } else { Reading::Interrupted })
            },
            |flow| {
                handed.push(port(flow));
                Ok(())
            },
            |flow| again.contains(&port(flow)),
        );
        (outcome, handed, count)
    }

    #[test]
    fn a_whole_reading_is_the_only_one() {
        let (outcome, flows, count) = handed(&[(&[1, 2, 3], &[])], &[]);
        assert_eq!((outcome.unwrap(), flows, count), (Reading::Whole, vec![1, 2, 3], 1));
    }

    #[test]
    fn another_reading_hands_over_what_was_passed_over_and_nothing_twice() {
        let (outcome, flows, count) =
            handed(&[(&[1, 2], &[2, 5]), (&[1, 3], &[1, 4]), (&[1, 2, 3, 4, 5, 6], &[])], &[]);
        assert_eq!((outcome.unwrap(), flows, count), (Reading::Whole, vec![1, 2, 5, 3, 4, 6], 3));
    }

    #[test]
    fn what_has_to_come_again_comes_again() {
        let (_, flows, _) = handed(&[(&[1, 2], &[3]), (&[1, 2, 3], &[])], &[2]);
        assert_eq!(flows, [1, 2, 3, 2]);
    }

    #[test]
    fn readings_have_an_end() {
        let (outcome, flows, count) = handed(&[(&[1], &[2])], &[]);
        assert_eq!((outcome.unwrap(), flows, count), (Reading::Interrupted, vec![1, 2], READINGS as usize));
    }

    #[test]
    fn a_failure_ends_it() {
        let failing = |_: &mut Hand<'_>| Err(Failure::other("no"));
        assert!(repeat(failing, |_| Ok(()), |_| false).is_err());
        let refused = repeat(
            |hand| hand(&flow(1), Reading::Whole).map(|()| Reading::Whole),
            |_| Err(Failure::other("no")),
            |_| false,
        );
        assert!(refused.is_err());
    }

    proptest! {
        #[test]
        fn every_part_of_a_name_counts(one: [u16; 4], other: [u16; 4], v6: [bool; 2]) {
            let named = |[id, zone, src, dst]: [u16; 4], v6: bool| {
                let mut flow = flow(src);
                flow.id = Some(FlowId(id.into()));
                flow.zone = Zone(zone % 4);
                flow.tuples.original.layer4 = Layer4::Ports { src: src % 8, dst: dst % 8 };
                if v6 {
                    flow.tuples.original.src = std::net::Ipv6Addr::from_bits(0xc000_0201).into();
                    flow.tuples.original.dst = std::net::Ipv6Addr::from_bits(0xc000_0202).into();
                }
                flow
            };
            let (one, other) = (named(one, v6[0]), named(other, v6[1]));
            let state = RandomState::new();
            prop_assert_eq!(one.key() == other.key(), fingerprint(&state, &one) == fingerprint(&state, &other));
        }
    }
}
