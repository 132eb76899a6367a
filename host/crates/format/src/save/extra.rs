//! Options at the end of a line, for attributes that a save line of 1.4.9 loses.
//!
//! This file is separate because ctwarden defines most of these options. conntrack-tools defines the options before
//! them.

use alloc::vec::Vec;

use ctwarden_model::{
    EventKind, Flow, Labels, Layer4, ProtocolInfo, SequenceAdjustment, SynProxy, TcpFlags, TcpState, Tuple,
};

use crate::LabelMap;
use crate::append::Append;

use super::option::option;

/// TCP flags of an entry that is created with a state and without flags: `IP_CT_TCP_FLAG_SACK_PERM` and
/// `IP_CT_TCP_FLAG_BE_LIBERAL`. 1.4.9 has no other way to create an entry whose TCP window is not known.
const IMPLIED_FLAGS: u8 = 0x0a;

/// `IP_CT_TCP_FLAG_CLOSE_INIT`. `--state` adds it for the states from `TIME_WAIT` on, so that the same ports can
/// connect again.
const CLOSE_INITIATED: u8 = 0x04;

/// The flags that `--state` gives an entry.
fn implied_flags(state: TcpState) -> u8 {
    if state.0 >= TcpState::TIME_WAIT.0 { IMPLIED_FLAGS | CLOSE_INITIATED } else { IMPLIED_FLAGS }
}

/// Appends an option for each of these attributes that the entry has.
pub(super) fn write(out: &mut Vec<u8>, flow: &Flow, labels: Option<&LabelMap>, kind: EventKind) {
    if let Some(mark) = flow.mark.filter(|mark| mark.0 != 0) {
        option(out, "-m", mark.0);
    }
    if let Some(bits) = flow.labels.filter(|labels| labels.0 != 0) {
        write_labels(out, bits, labels);
    }
    write_icmp(out, flow);
    if let Some(info) = &flow.info {
        write_info(out, info);
    }
    let Some(rare) = flow.rare.as_deref() else { return };
    if let Some(helper) = rare.helper.as_deref().filter(|helper| is_word(helper)) {
        out.text("--helper ");
        out.text(helper);
        out.push(b' ');
    }
    if let Some(info) = rare.helper_info.as_deref().filter(|info| !info.is_empty()) {
        out.text("--helper-info ");
        out.hex_bytes(info);
        out.push(b' ');
    }
    let adjustments = [("--orig-seqadj ", rare.sequence.original), ("--reply-seqadj ", rare.sequence.reply)];
    for (name, adjustment) in adjustments {
        if let Some(adjustment) = adjustment {
            write_adjustment(out, name, adjustment);
        }
    }
    if let Some(SynProxy { isn, its, tsoff }) = rare.synproxy {
        let numbers = [isn, its, tsoff].map(Option::unwrap_or_default);
        // Every entry that was created by request has this attribute, with three zeros.
        if numbers != [0; 3] {
            out.text("--synproxy");
            write_list(out, numbers);
        }
    }
    if let Some(master) = rare.master.as_ref().filter(|_| kind != EventKind::Update) {
        write_master(out, master);
    }
}

/// Whether a line can contain the word: it has no blanks, control characters, quotes or backslashes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\'))
}

/// Writes a bit as its name, if it has a name that is valid in a list, or else as `#` and its number. `#` begins a
/// comment in a `connlabel.conf`, so no name looks like a number.
fn write_labels(out: &mut Vec<u8>, labels: Labels, map: Option<&LabelMap>) {
    out.text("--label-add");
    let mut sign = b' ';
    for bit in (0..128_u8).filter(|bit| labels.0 >> bit & 1 == 1) {
        out.push(sign);
        sign = b',';
        match map.and_then(|map| map.name(bit)).filter(|name| is_word(name) && !name.contains(',')) {
            Some(name) => out.text(name),
            None => {
                out.push(b'#');
                out.decimal(bit);
            }
        }
    }
    out.push(b' ');
}

/// Writes the identifier of the reply, because the ICMP options of 1.4.9 are about the original direction only.
fn write_icmp(out: &mut Vec<u8>, flow: &Flow) {
    if let (Layer4::Icmp { id: original, .. }, Layer4::Icmp { id: reply, .. }) =
        (flow.tuples.original.layer4, flow.tuples.reply.layer4)
        && original != reply
    {
        option(out, "--reply-icmp-id", reply);
    }
}

fn write_info(out: &mut Vec<u8>, info: &ProtocolInfo) {
    match info {
        ProtocolInfo::Tcp { state, window_scale, flags } => {
            let implied = state.map_or(0, implied_flags);
            for (name, scale) in [("--orig-wscale", window_scale.original), ("--reply-wscale", window_scale.reply)] {
                if let Some(scale) = scale.filter(|scale| *scale != 0) {
                    option(out, name, scale);
                }
            }
            for (name, flags) in [("--orig-tcp-flags", flags.original), ("--reply-tcp-flags", flags.reply)] {
                if let Some(TcpFlags { flags, .. }) = flags.filter(|flags| flags.flags != implied) {
                    option(out, name, flags);
                }
            }
        }
        ProtocolInfo::Dccp { handshake_seq, .. } => {
            if let Some(number) = handshake_seq.filter(|number| *number != 0) {
                option(out, "--handshake-seq", number);
            }
        }
        ProtocolInfo::Sctp { .. } => {}
    }
}

fn write_adjustment(out: &mut Vec<u8>, name: &str, adjustment: SequenceAdjustment) {
    let SequenceAdjustment { correction_pos, offset_before, offset_after } = adjustment;
    out.text(name);
    out.decimal(correction_pos.unwrap_or_default());
    for offset in [offset_before, offset_after] {
        let offset = offset.unwrap_or_default();
        out.text(if offset < 0 { ",-" } else { "," });
        out.decimal(offset.unsigned_abs());
    }
    out.push(b' ');
}

fn write_list(out: &mut Vec<u8>, numbers: [u32; 3]) {
    let mut sign = b' ';
    for number in numbers {
        out.push(sign);
        sign = b',';
        out.decimal(number);
    }
    out.push(b' ');
}

fn write_master(out: &mut Vec<u8>, master: &Tuple) {
    out.text("--master ");
    match master.protocol.name() {
        Some(name) => out.text(name),
        None => out.decimal(master.protocol.0),
    }
    for address in [master.src, master.dst] {
        out.push(b',');
        out.address(address);
    }
    let parts = match master.layer4 {
        Layer4::None => [None; 3],
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => [Some(src), Some(dst), None],
        Layer4::Icmp { id, kind, code } => [Some(u16::from(kind)), Some(u16::from(code)), Some(id)],
    };
    for part in parts.into_iter().flatten() {
        out.push(b',');
        out.decimal(part);
    }
    out.push(b' ');
}
