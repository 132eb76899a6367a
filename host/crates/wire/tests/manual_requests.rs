//! Requests of an operator, read back through the view. They have exactly the given content.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use ctwarden_model::{
    Flow, FlowId, FlowKey, LabelChange, Labels, Layer4, Mark, PerDirection, Protocol, Status, Tuple, Zone,
};
use ctwarden_wire::request::manual_request::{self, Change, Creation, WhereItIs};
use ctwarden_wire::{ConntrackMessage, Content, Flags, Messages, NatRange};

fn original() -> Tuple {
    Tuple {
        src: [192, 0, 2, 1].into(),
        dst: [192, 0, 2, 2].into(),
        protocol: Protocol::UDP,
        layer4: Layer4::Ports { src: 1000, dst: 53 },
    }
}

fn message(bytes: &[u8]) -> ConntrackMessage<'_> {
    let message = Messages::new(bytes).next().unwrap().unwrap();
    let Content::Conntrack(entry) = message.content() else { panic!("{message:?}") };
    entry
}

#[test]
fn a_reply_tuple_goes_as_it_is_and_a_translation_beside_it() {
    let mut reply = original().reversed();
    reply.src = [198, 51, 100, 1].into();
    let mut flow = Flow::new(PerDirection { original: original(), reply });
    flow.zone = Zone(7);
    flow.timeout = Some(60);
    flow.status = Some(Status::ASSURED);
    let range = NatRange { addresses: (Some([203, 0, 113, 1].into()), None), ports: (Some(4000), Some(4000)) };
    let creation = Creation { flow: &flow, source_nat: Some(range), destination_nat: None };
    let mut bytes = Vec::new();
    manual_request::create(&mut bytes, 1, false, WhereItIs::Refuse, &creation);
    let entry = message(&bytes);
    assert_eq!(entry.header.flags, Flags::REQUEST.with(Flags::CREATE).with(Flags::EXCLUSIVE));
    assert_eq!((entry.flow.reply(), entry.flow.zone()), (Some(reply), Some(Zone(7))));
    assert_eq!((entry.flow.source_nat(), entry.flow.destination_nat()), (Some(range), None));
    assert_eq!(entry.flow.status(), Some(Status::ASSURED | Status::CONFIRMED));
    assert_eq!((entry.flow.timeout(), entry.flow.mark()), (Some(60), None));
}

#[test]
fn where_an_entry_may_be_there_already_it_is_not_exclusive() {
    let flow = Flow::new(PerDirection { original: original(), reply: original().reversed() });
    let creation = Creation { flow: &flow, source_nat: None, destination_nat: None };
    let mut bytes = Vec::new();
    manual_request::create(&mut bytes, 1, true, WhereItIs::Change, &creation);
    assert_eq!(message(&bytes).header.flags, Flags::REQUEST.with(Flags::CREATE).with(Flags::ACK));
}

#[test]
fn a_mark_may_flip_bits_outside_its_mask() {
    let key = FlowKey { id: FlowId(9), zone: Zone(0), original: original() };
    let labels = Some(LabelChange { set: 1, clear: 2 });
    let change = Change { mark: Some((3, 1)), labels, ..Change::default() };
    let mut bytes = Vec::new();
    manual_request::change(&mut bytes, 1, false, &key, &change);
    let entry = message(&bytes);
    assert_eq!(entry.header.flags, Flags::REQUEST);
    assert_eq!((entry.flow.mark(), entry.flow.mark_mask()), (Some(Mark(3)), Some(1)));
    assert_eq!((entry.flow.labels(), entry.flow.labels_mask()), (Some(Labels(1)), Some(Labels(3))));
    assert_eq!((entry.flow.id(), entry.flow.original()), (Some(FlowId(9)), Ok(original())));
    assert_eq!((entry.flow.status(), entry.flow.timeout(), entry.flow.protocol_info()), (None, None, None));
}
