//! A saved line creates the same entry again, or the entry has no line.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[allow(dead_code, reason = "shared with another test")]
mod flows;

use ctwarden_format::command::{self, Environment};
use ctwarden_format::{EventContext, LabelMap, Userspace, save};
use ctwarden_model::{
    EventKind, Flow, Layer4, PerDirection, Protocol, ProtocolInfo, Rare, SequenceAdjustment, Status, SynProxy,
    TcpFlags, Tuple,
};
use proptest::option::of;
use proptest::prelude::*;

use flows::{every_label, full_flow, full_info, kind, printed, protocol, tuple};

/// Entries: most can be saved, and some cannot, for various reasons.
fn saveable_flow() -> impl Strategy<Value = Flow> {
    let tuples = (any::<bool>(), protocol()).prop_flat_map(|(v4, protocol)| {
        (tuple(v4, protocol), tuple(v4, protocol), full_info(protocol), any::<[bool; 4]>())
    });
    let rare = (of("[a-z.-]{1,12}|[ -~]{0,4}"), any::<bool>());
    (full_flow(), tuples, any::<u32>(), rare, of(0..20_u8)).prop_map(
        |(mut flow, (original, reply, info, [plain, odd, is_reversed, state]), timeout, (helper, few), scale)| {
            // The decoder gives an entry of the kernel the zone of its original tuple.
            flow.zone = flow.rare.as_ref().and_then(|rare| rare.zones.original).unwrap_or(flow.zone);
            if odd {
                return flow;
            }
            flow.tuples = PerDirection { original, reply: if plain { original.reversed() } else { reply } };
            if let (Layer4::Icmp { kind, code, .. }, Layer4::Icmp { id, .. }, true) =
                (original.reversed().layer4, flow.tuples.reply.layer4, is_reversed)
            {
                flow.tuples.reply.layer4 = Layer4::Icmp { id, kind, code };
            }
            flow.info = info;
            if let Some(ProtocolInfo::Tcp { window_scale, .. }) = &mut flow.info {
                *window_scale = PerDirection { original: scale.map(|scale| scale.min(14)), reply: scale };
            }
            flow.timeout = flow.timeout.or(state.then_some(timeout));
            if few {
                flow.rare = None;
            } else if let Some(rare) = &mut flow.rare {
                rare.helper = helper;
                rare.master = rare.master.filter(|_| state);
            }
            flow
        },
    )
}

/// The part of an entry that its saved line contains.
fn saved_flow(flow: &Flow, kind: EventKind) -> Flow {
    const TOLD: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 10 | 1 << 13;
    let of_row = matches!(kind, EventKind::Row | EventKind::New);
    let of_change = kind != EventKind::Destroy;
    let mut told = Flow::new(flow.tuples);
    if let (Layer4::Icmp { id, .. }, false) = (flow.tuples.original.layer4, of_change)
        && let Layer4::Icmp { id: translated, .. } = &mut told.tuples.reply.layer4
    {
        // A delete does not need the ICMP identifier of the reply, so the line does not have it.
        *translated = id;
    }
    told.timeout = flow.timeout;
    told.status = flow.status.map(|status| Status(status.0 & TOLD) | translations(flow));
    told.zone = flow.zone;
    told.mark = flow.mark.filter(|mark| of_change && mark.0 != 0);
    told.labels = flow.labels.filter(|labels| of_change && labels.0 != 0);
    told.info = flow.info.and_then(|info| saved_info(info, kind));
    let Some(rare) = &flow.rare else { return told };
    let sequence = |adjustment: Option<SequenceAdjustment>| {
        adjustment.filter(|_| of_change).map(|adjustment| SequenceAdjustment {
            correction_pos: Some(adjustment.correction_pos.unwrap_or_default()),
            offset_before: Some(adjustment.offset_before.unwrap_or_default()),
            offset_after: Some(adjustment.offset_after.unwrap_or_default()),
        })
    };
    let proxy = |proxy: SynProxy| SynProxy {
        isn: Some(proxy.isn.unwrap_or_default()),
        its: Some(proxy.its.unwrap_or_default()),
        tsoff: Some(proxy.tsoff.unwrap_or_default()),
    };
    let zeros = SynProxy { isn: Some(0), its: Some(0), tsoff: Some(0) };
    let kept = Rare {
        helper: rare.helper.clone().filter(|_| of_change),
        helper_info: rare.helper_info.clone().filter(|info| of_change && !info.is_empty()),
        sequence: PerDirection { original: sequence(rare.sequence.original), reply: sequence(rare.sequence.reply) },
        synproxy: rare.synproxy.map(proxy).filter(|proxy| of_change && *proxy != zeros),
        master: rare.master.filter(|_| of_row),
        zones: rare.zones,
        ..Rare::default()
    };
    if kept != Rare::default() {
        *told.rare_mut() = kept;
    }
    told
}

/// Status bits of the translations that the words `-n` and `-g` express.
fn translations(flow: &Flow) -> Status {
    let ends = |tuple: &Tuple| match tuple.layer4 {
        Layer4::None => (None, None),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (Some(src), Some(dst)),
        Layer4::Icmp { id, .. } => (None, Some(id)),
    };
    let status = flow.status.unwrap_or_default();
    let (plain, reply) = (flow.tuples.original.reversed(), &flow.tuples.reply);
    let is_told = |bit, done, address: bool, port: bool| {
        if address { status.contains(done) } else { port && status.contains(bit) }
    };
    let mut bits = Status::default();
    if is_told(Status::SRC_NAT, Status::SRC_NAT_DONE, plain.dst != reply.dst, ends(&plain).1 != ends(reply).1) {
        bits = bits | Status::SRC_NAT | Status::SRC_NAT_DONE;
    }
    if is_told(Status::DST_NAT, Status::DST_NAT_DONE, plain.src != reply.src, ends(&plain).0 != ends(reply).0) {
        bits = bits | Status::DST_NAT | Status::DST_NAT_DONE;
    }
    bits
}

fn saved_info(info: ProtocolInfo, kind: EventKind) -> Option<ProtocolInfo> {
    let of_row = matches!(kind, EventKind::Row | EventKind::New);
    let of_change = kind != EventKind::Destroy;
    match info {
        ProtocolInfo::Tcp { state, window_scale, flags } => {
            // The flags liberal and SACK permitted, and close begun from `TIME_WAIT` on.
            let usual = if state.is_some_and(|state| state.0 >= 7) { 14 } else { 10 };
            let implied = if state.is_some() { usual } else { 0 };
            let scale = |scale: Option<u8>| scale.filter(|scale| of_change && *scale != 0);
            let own =
                |flags: Option<TcpFlags>| flags.map(|flags| flags.flags).filter(|own| of_change && *own != implied);
            let scales = [scale(window_scale.original), scale(window_scale.reply)];
            let owns = [own(flags.original), own(flags.reply)];
            let flags = |own: Option<u8>| {
                Some(own.map_or(TcpFlags { flags: usual, mask: usual }, |flags| TcpFlags { flags, mask: 0xff }))
            };
            let nothing = state.is_none() && scales == [None; 2] && owns == [None; 2];
            (!nothing).then_some(ProtocolInfo::Tcp {
                state,
                window_scale: PerDirection { original: scales[0], reply: scales[1] },
                flags: PerDirection { original: flags(owns[0]), reply: flags(owns[1]) },
            })
        }
        ProtocolInfo::Sctp { state, vtag } => {
            let vtag = if of_change { vtag } else { PerDirection::default() };
            (state.is_some() || vtag != PerDirection::default()).then_some(ProtocolInfo::Sctp { state, vtag })
        }
        ProtocolInfo::Dccp { state, role, handshake_seq } => {
            let role = role.filter(|role| of_row && *role < 2);
            let handshake_seq = handshake_seq.filter(|number| of_change && *number != 0);
            let nothing = state.is_none() && role.is_none() && handshake_seq.is_none();
            (!nothing).then_some(ProtocolInfo::Dccp { state, role, handshake_seq })
        }
    }
}

/// An environment in which every label has a name.
struct Names;

impl Environment for Names {
    fn protocol_named(&self, _: &str) -> Option<Protocol> {
        None
    }

    fn name_of_protocol(&self, _: Protocol) -> Option<String> {
        None
    }

    fn label_map(&self, _: Option<&str>) -> Result<LabelMap, String> {
        Ok(every_label())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_saved_line_is_read_back_or_there_is_none(flow in saveable_flow(), kind in kind(), program: Option<String>) {
        let userspace = program.as_deref().map(|program| Userspace { portid: 7, program: Some(program) });
        let map = every_label();
        let line = printed(|out| save::flow(out, &flow, &EventContext { kind, userspace }, Some(&map)));
        let read = command::saved_entry("conntrack", &line, &Names);
        let lack = save::lack(&flow, kind);
        let expected = saved_flow(&flow, kind);
        match lack {
            None => {
                let ordered = command::line("conntrack", &line, &Names);
                prop_assert!(ordered.as_ref().is_ok_and(Option::is_some), "-R refuses it: {ordered:?}: {line}");
                prop_assert!(read.is_ok(), "{read:?}: {line}");
                let kind = if kind == EventKind::New { EventKind::Row } else { kind };
                prop_assert_eq!(read.unwrap(), Some((kind, expected)), "{}", line);
            }
            // The reader accepts some lines that the kernel would refuse, such as a master of TCP without ports.
            Some(save::Lack::Words) => {}
            Some(lack) => prop_assert_ne!(read, Ok(Some((kind, expected))), "{} was left out: {}", lack, line),
        }
    }
}
