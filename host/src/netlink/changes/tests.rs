//! Possible messages of the kernel, as bytes, and the outcomes that follow from them.

use ctwarden_model::{Flow, FlowId, Layer4, Masked, PerDirection, Protocol, Tuple, Update, Zone};
use ctwarden_wire::{Flags, Messages};

use super::*;

const OURS: u32 = 4711;
const FIRST: u32 = 1000;
const ENOENT: i32 = 2;
const ENOSPC: i32 = 28;

impl Changes {
    /// Number of entries that were looked up again.
    pub(in crate::netlink) fn asked_again(&self) -> usize {
        self.doubts.len()
    }
}

fn flow(port: u16, id: u32) -> Flow {
    let original = Tuple {
        src: [192, 0, 2, 1].into(),
        dst: [192, 0, 2, 2].into(),
        protocol: Protocol::UDP,
        layer4: Layer4::Ports { src: port, dst: 53 },
    };
    Flow { id: Some(FlowId(id)), ..Flow::new(PerDirection { original, reply: original.reversed() }) }
}

fn mark(flow: &Flow) -> Effect {
    Effect::Update(Update { key: flow.key(), mark: Some(Masked::all(5)), labels: None, timeout: None })
}

/// Writes the effects for one send. Effect `n` has the number `n`.
fn asked(effects: &[Effect]) -> Changes {
    let mut changes = Changes::default();
    changes.begin();
    let mut buffer = Vec::new();
    for (number, effect) in (0..).zip(effects) {
        let last = u32::try_from(effects.len()) == Ok(number + 1);
        changes.write(&mut buffer, FIRST + number, EffectId(number), effect, last);
    }
    let flags: Vec<_> = Messages::new(&buffer).map(|message| message.unwrap().header.flags).collect();
    let acked: Vec<_> = flags.iter().map(|flags| flags.contains(Flags::ACK)).collect();
    let last_only: Vec<_> = (1..=effects.len()).map(|n| n == effects.len()).collect();
    assert_eq!(acked, last_only);
    changes
}

/// A message about the flow, in the form in which the kernel sends it.
fn entry(flow: &Flow, sequence: u32, port: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    request::create(&mut bytes, sequence, flow);
    // CTA_ID
    bytes.extend([8, 0, 12, 0]);
    bytes.extend(flow.id.unwrap().0.to_be_bytes());
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[12..16].copy_from_slice(&port.to_ne_bytes());
    bytes
}

fn echo(flow: &Flow) -> Vec<u8> {
    entry(flow, 0, OURS)
}

/// An acknowledgement or refusal of request number `n`.
fn answer(n: u32, errno: i32) -> Vec<u8> {
    answer_to(FIRST + n, errno)
}

fn answer_to(sequence: u32, errno: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    // `struct nlmsghdr` of NLMSG_ERROR with NLM_F_CAPPED, the error, and the header of the request.
    for word in [36, 2 | 0x100 << 16, sequence, OURS] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend((-errno).to_ne_bytes());
    for word in [20, 0x100, sequence, OURS] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

fn hear(changes: &mut Changes, messages: &[Vec<u8>]) {
    hear_from(FIRST, changes, messages);
}

/// Passes the messages to `changes` as answers to a send whose first request has the sequence number `first`.
fn hear_from(first: u32, changes: &mut Changes, messages: &[Vec<u8>]) {
    for bytes in messages {
        for message in Messages::new(bytes) {
            let message = message.unwrap();
            let place = message.header.sequence.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            changes.hear(place.filter(|place| *place < changes.asked.len()), &message, OURS);
        }
    }
}

/// Looks up the doubtful entries, whose number must be that of `answers`. A doubt with `None` gets no answer.
fn ask_again(changes: &mut Changes, answers: &[Option<Vec<u8>>]) {
    assert_eq!(changes.doubts().count(), answers.len());
    for (place, bytes) in answers.iter().enumerate() {
        if let Some(bytes) = bytes {
            changes.hear_of_doubt(place, &Messages::new(bytes).next().unwrap().unwrap().content());
        }
    }
}

/// The entry that the kernel returns for doubt number `n`.
fn found(n: u32, flow: &Flow) -> Option<Vec<u8>> {
    Some(entry(flow, FIRST + 500 + n, OURS))
}

fn acks(changes: &Changes) -> Vec<Ack> {
    let (ids, acks): (Vec<_>, Vec<_>) = changes.outcomes().unzip();
    assert_eq!(ids, (0..).map(EffectId).take(acks.len()).collect::<Vec<_>>());
    acks
}

#[test]
fn echoes_tell_everything() {
    let (a, b, c) = (flow(1, 10), flow(2, 20), flow(3, 30));
    let mut changes = asked(&[mark(&a), mark(&b), mark(&c)]);
    hear(&mut changes, &[echo(&a), echo(&b)]);
    assert!(!changes.is_over());
    hear(&mut changes, &[echo(&c), answer(2, 0)]);
    assert!(changes.is_over());
    ask_again(&mut changes, &[]);
    assert_eq!(acks(&changes), [Ack::Done; 3]);
}

#[test]
fn refusals_come_by_number_between_echoes() {
    let (a, b, c) = (flow(1, 10), flow(2, 20), flow(3, 30));
    let mut changes = asked(&[mark(&a), mark(&b), mark(&c)]);
    hear(&mut changes, &[answer(0, ENOENT), echo(&b), answer(2, ENOSPC)]);
    assert!(changes.is_over());
    ask_again(&mut changes, &[]);
    assert_eq!(acks(&changes), [Ack::Gone, Ack::Done, Ack::Refused(ENOSPC)]);
}

#[test]
fn without_an_echo_the_entry_tells_who_was_hit() {
    let flows = [flow(1, 10), flow(2, 20), flow(3, 30), flow(4, 40), flow(5, 50)];
    let mut changes = asked(&flows.each_ref().map(mark));
    // Only the third has an echo.
    hear(&mut changes, &[echo(&flows[2]), answer(4, 0)]);
    let gone = answer_to(FIRST + 502, ENOENT);
    ask_again(&mut changes, &[found(0, &flows[0]), found(1, &flow(2, 21)), Some(gone), None]);
    assert_eq!(acks(&changes), [Ack::Done, Ack::Replaced, Ack::Done, Ack::Done, Ack::NoAnswer]);
}

#[test]
fn a_successor_that_was_hit_is_noticed_even_if_it_is_gone_again() {
    let (a, b) = (flow(1, 10), flow(2, 20));
    let mut changes = asked(&[mark(&a), mark(&b)]);
    hear(&mut changes, &[echo(&flow(1, 11)), echo(&flow(2, 21)), answer(1, 0)]);
    ask_again(&mut changes, &[found(0, &flow(1, 11)), Some(answer_to(FIRST + 501, ENOENT))]);
    assert_eq!(acks(&changes), [Ack::Replaced; 2]);
}

#[test]
fn a_flow_of_the_other_direction_that_was_hit_is_noticed() {
    let a = flow(1, 10);
    let mut opposite = flow(1, 11);
    opposite.tuples = PerDirection { original: opposite.tuples.reply, reply: opposite.tuples.original };
    let mut changes = asked(&[mark(&a)]);
    hear(&mut changes, &[echo(&opposite), answer(0, 0)]);
    ask_again(&mut changes, &[found(0, &opposite)]);
    assert_eq!(acks(&changes), [Ack::Replaced]);
}

#[test]
fn the_place_is_the_tuple_and_the_zone() {
    let a = flow(1, 10);
    let elsewhere = Flow { zone: Zone(7), id: Some(FlowId(11)), ..a.clone() };
    let mut changes = asked(&[mark(&a), mark(&elsewhere)]);
    hear(&mut changes, &[echo(&elsewhere), answer(1, 0)]);
    ask_again(&mut changes, &[found(0, &a)]);
    assert_eq!(acks(&changes), [Ack::Done; 2]);
}

#[test]
fn what_is_no_echo_of_ours_tells_nothing() {
    let (a, b) = (flow(1, 10), flow(2, 20));
    let mut changes = asked(&[mark(&a), mark(&b)]);
    // An event of another socket's change, an entry that answers a request, a late answer to an earlier send, an answer
    // without a request, and (below) an echo of an unknown flow and an echo without a tuple.
    let foreign = [entry(&a, 0, OURS + 1), entry(&a, FIRST, OURS), answer_to(FIRST - 1, ENOENT), answer(2, 0)];
    hear(&mut changes, &foreign);
    hear(&mut changes, &[echo(&flow(3, 30)), vec![20, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x67, 0x12, 0, 0, 2, 0, 0, 0]]);
    assert!(!changes.is_over());
    assert_eq!(acks(&changes), [Ack::NoAnswer; 2]);
}

#[test]
fn echoes_out_of_order_are_asked_for() {
    let (a, b) = (flow(1, 10), flow(2, 20));
    let mut changes = asked(&[mark(&a), mark(&b)]);
    hear(&mut changes, &[echo(&b), echo(&a), answer(1, 0)]);
    ask_again(&mut changes, &[found(0, &a)]);
    assert_eq!(acks(&changes), [Ack::Done; 2]);
}

#[test]
fn two_changes_of_one_flow_are_told_apart() {
    let a = flow(1, 10);
    let mut changes = asked(&[mark(&a), mark(&a)]);
    hear(&mut changes, &[echo(&a), echo(&a), answer(1, 0)]);
    ask_again(&mut changes, &[]);
    assert_eq!(acks(&changes), [Ack::Done; 2]);
    // The flow is replaced between the two changes, and only the successor has an echo.
    let mut changes = asked(&[mark(&a), mark(&a)]);
    hear(&mut changes, &[answer(0, ENOENT), echo(&flow(1, 11)), answer(1, 0)]);
    ask_again(&mut changes, &[found(0, &flow(1, 11))]);
    assert_eq!(acks(&changes), [Ack::Gone, Ack::Replaced]);
}

#[test]
fn deletes_are_done_where_nothing_was_said_and_the_end_was_reached() {
    let (a, b) = (flow(1, 10), flow(2, 20));
    let effects = [Effect::Delete(a.key()), Effect::Delete(b.key()), mark(&a)];
    let mut changes = asked(&effects);
    hear(&mut changes, &[answer(1, ENOENT), answer(2, ENOENT)]);
    assert_eq!(acks(&changes), [Ack::Done, Ack::Gone, Ack::Gone]);
    // Messages after the last one received may be lost.
    let mut changes = asked(&effects);
    hear(&mut changes, &[answer(1, ENOENT)]);
    assert_eq!(acks(&changes), [Ack::NoAnswer, Ack::Gone, Ack::NoAnswer]);
}

#[test]
fn it_is_used_again() {
    let (a, b) = (flow(1, 10), flow(2, 20));
    let mut changes = asked(&[mark(&a), mark(&b)]);
    hear(&mut changes, &[answer(1, 0)]);
    ask_again(&mut changes, &[found(0, &a), None]);
    changes.begin();
    changes.write(&mut Vec::new(), FIRST + 10, EffectId(0), &Effect::Delete(a.key()), true);
    hear_from(FIRST + 10, &mut changes, &[answer(1, 0)]);
    assert!(!changes.is_over());
    hear_from(FIRST + 10, &mut changes, &[answer(10, 0)]);
    ask_again(&mut changes, &[]);
    assert_eq!(acks(&changes), [Ack::Done]);
}
