//! Changes in the real kernel, with and without events that echo them.

use std::fs;

use ctwarden_model::{
    Effect, FlowId, LabelChange, Layer4, Mark, Masked, PerDirection, Protocol, Status, Tuple, Update, Zone,
};

use super::*;
use crate::witness::in_own_namespace;

/// Sets whether new entries get the data that events need (`nf_conntrack_ecache`).
fn with_events(events: bool) {
    let value = if events { "1" } else { "0" };
    fs::write("/proc/sys/net/netfilter/nf_conntrack_events", value).unwrap();
}

fn udp(number: u16) -> Flow {
    let original = Tuple {
        src: [192, 0, 2, 1].into(),
        dst: [192, 0, 2, 2].into(),
        protocol: Protocol::UDP,
        layer4: Layer4::Ports { src: 1000 + number, dst: 53 },
    };
    Flow {
        timeout: Some(1000),
        status: Some(Status::CONFIRMED),
        zone: Zone(number % 3),
        ..Flow::new(PerDirection { original, reply: original.reversed() })
    }
}

/// Creates the entries from number `from` to before `to`, and returns their keys.
fn make(requests: &mut Requests, from: u16, to: u16) -> Vec<FlowKey> {
    let made = |number| {
        requests.create(&udp(number)).unwrap();
        requests.get(&udp(number).key()).unwrap().unwrap().key()
    };
    (from..to).map(made).collect()
}

fn mark(key: &FlowKey) -> Effect {
    Effect::Update(Update { key: *key, mark: Some(Masked::all(5)), labels: None, timeout: None })
}

fn marked(requests: &mut Requests, key: &FlowKey) -> bool {
    requests.get(key).unwrap().unwrap().mark == Some(Mark(5))
}

fn apply(requests: &mut Requests, effects: &[Effect]) -> Vec<Ack> {
    let numbered = (0..).map(EffectId).zip(effects);
    let (ids, acks): (Vec<_>, Vec<_>) = requests.apply(numbered).into_iter().unzip();
    assert_eq!(ids, (0..).map(EffectId).take(effects.len()).collect::<Vec<_>>());
    acks
}

#[test]
fn marks_are_echoed_where_there_are_events_and_asked_for_where_there_are_none() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        for (events, from) in [(true, 0), (false, 100)] {
            with_events(events);
            let keys = make(&mut requests, from, from + 100);
            assert_eq!(apply(&mut requests, &keys.iter().map(mark).collect::<Vec<_>>()), [Ack::Done; 100]);
            assert_eq!(requests.changes.asked_again(), if events { 0 } else { 100 });
            assert!(keys.iter().all(|key| marked(&mut requests, key)));
        }
    });
}

#[test]
fn each_outcome_is_that_of_its_flow_with_events_and_without() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        for (events, from) in [(true, 0), (false, 1000)] {
            with_events(events);
            // Enough keys for several sends, the last of them not full.
            let keys = make(&mut requests, from, from + 700);
            let gone: Vec<_> = keys.iter().step_by(7).map(|key| Effect::Delete(*key)).collect();
            assert_eq!(apply(&mut requests, &gone), [Ack::Done; 100]);
            assert_eq!(apply(&mut requests, &gone), [Ack::Gone; 100]);
            let change = |(index, key): (usize, &FlowKey)| match index % 7 {
                // The change is for another flow, which had the tuple and zone before.
                1 => mark(&FlowKey { id: FlowId(key.id.0 ^ 1), ..*key }),
                // No rule here uses labels.
                2 => Effect::Update(Update {
                    key: *key,
                    mark: None,
                    labels: Some(LabelChange { set: 1, clear: 0 }),
                    timeout: None,
                }),
                3 => Effect::Delete(FlowKey { id: FlowId(key.id.0 ^ 1), ..*key }),
                4 => Effect::Delete(*key),
                _ => mark(key),
            };
            let effects: Vec<_> = keys.iter().enumerate().map(change).collect();
            let expected = |index| match index % 7 {
                0 | 3 => Ack::Gone,
                1 => Ack::Replaced,
                2 => Ack::Refused(Errno::NOSPC.raw_os_error()),
                _ => Ack::Done,
            };
            assert_eq!(apply(&mut requests, &effects), (0..700).map(expected).collect::<Vec<_>>());
            for (index, key) in keys.iter().enumerate() {
                match index % 7 {
                    0 | 4 => assert_eq!(requests.get(key).unwrap(), None),
                    2 | 3 => assert!(!marked(&mut requests, key)),
                    _ => assert!(marked(&mut requests, key)),
                }
            }
        }
    });
}

#[test]
fn a_successor_that_was_hit_is_reported() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        for (events, from) in [(true, 0), (false, 100)] {
            with_events(events);
            let keys = make(&mut requests, from, from + 20);
            let deletes: Vec<_> = keys.iter().map(|key| Effect::Delete(*key)).collect();
            assert_eq!(apply(&mut requests, &deletes), [Ack::Done; 20]);
            let successors = make(&mut requests, from, from + 20);
            // A successor may get the memory of its predecessor, and with the memory the same id.
            let expected: Vec<_> =
                keys.iter().zip(&successors).map(|(a, b)| if a == b { Ack::Done } else { Ack::Replaced }).collect();
            assert!(expected.contains(&Ack::Replaced));
            assert_eq!(apply(&mut requests, &keys.iter().map(mark).collect::<Vec<_>>()), expected);
            // The change hits the successor, which then ends in the same send.
            let gone = successors
                .iter()
                .flat_map(|key| [mark(&FlowKey { id: FlowId(key.id.0 ^ 1), ..*key }), Effect::Delete(*key)]);
            let acks = apply(&mut requests, &gone.collect::<Vec<_>>());
            // Without events the hit flow is unknown after its end. The change was carried out.
            let hit = if events { Ack::Replaced } else { Ack::Done };
            assert_eq!(acks, [hit, Ack::Done].repeat(20));
        }
    });
}

#[test]
fn two_changes_of_one_flow_in_one_send_are_both_done() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        for (events, from) in [(true, 0), (false, 1)] {
            with_events(events);
            let keys = make(&mut requests, from, from + 1);
            let twice: Vec<_> = keys.iter().chain(&keys).map(mark).collect();
            assert_eq!(apply(&mut requests, &twice), [Ack::Done; 2]);
        }
    });
}

#[test]
fn an_entry_is_found_by_either_tuple_and_told_as_it_is() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        let keys = make(&mut requests, 0, 200);
        let gone = keys[7];
        assert_eq!(apply(&mut requests, &[Effect::Delete(gone)]), [Ack::Done]);
        // More lookups than fit into one send. The kernel refuses one in the middle.
        let mut asked: Vec<FlowKey> =
            keys.iter().map(|key| FlowKey { original: key.original.reversed(), ..*key }).collect();
        asked[100].original.protocol = Protocol::ICMP;
        asked[100].original.layer4 = Layer4::Icmp { id: 1, kind: 250, code: 0 };
        let lookups = (0..).map(LookupId).zip(asked).map(|(id, key)| Lookup { id, key }).collect::<Vec<_>>();
        let found = requests.look_up(&lookups);
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (0..200).map(LookupId).collect::<Vec<_>>());
        for (place, (_, looked)) in found.into_iter().enumerate() {
            match (place, looked) {
                (7, Looked::Gone) => {}
                (100, Looked::Refused(errno)) => assert_eq!(errno, Errno::INVAL.raw_os_error()),
                (_, Looked::Found(flow)) => assert_eq!(flow.key(), keys[place]),
                (_, other) => panic!("{place}: {other:?}"),
            }
        }
    });
}

#[test]
fn who_is_not_there_is_known_before_anything_is_sent() {
    in_own_namespace(|| {
        let mut requests = Requests::open().unwrap();
        let keys = make(&mut requests, 0, 3);
        assert_eq!(apply(&mut requests, &[Effect::Delete(keys[0])]), [Ack::Done]);
        let turned = FlowKey { original: keys[2].original.reversed(), ..keys[2] };
        let other = FlowKey { id: FlowId(keys[2].id.0 ^ 1), ..keys[2] };
        let asked: Vec<_> = (0..).map(EffectId).zip([keys[0], keys[1], turned, other]).collect();
        let expected = [(0, Ack::Gone), (2, Ack::Replaced), (3, Ack::Replaced)].map(|(id, ack)| (EffectId(id), ack));
        assert_eq!(requests.absent(&asked), expected);
        assert_eq!(requests.absent(&[]), []);
    });
}
