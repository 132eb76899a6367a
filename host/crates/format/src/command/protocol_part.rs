//! The options of single protocols: what each one sets.

use alloc::format;

use ctwarden_model::{DccpState, Protocol, SctpState, TcpState};

use super::error::{Checked, other, parameter};
use super::number;
use super::protocol::{Part, ProtocolDefinition};
use super::template::Template;

/// Number of states that the command knows of each protocol. 1.4.9 does not know the later states of SCTP; saved lines
/// use them.
const STATES: u8 = 10;

/// Sets the value of the option with that code for the protocol that was named last. An unknown code does nothing.
pub(super) fn set(template: &mut Template, code: u8, text: &str) -> Checked<()> {
    let Some(definition) = template.definition else { return Ok(()) };
    let Some(part) = part_of(definition, code) else { return Ok(()) };
    let protocol = definition.protocol;
    let port = || {
        Some(match protocol {
            // Keys are often written in hexadecimal.
            Protocol::GRE => number::low16(low_bits_any_base(text)),
            Protocol(_) => number::low16(number::low_bits(text)),
        })
    };
    let byte = || Some(number::low8(number::low_bits(text)));
    match part {
        Part::OriginalSrc => template.original.src_port = port(),
        Part::OriginalDst => template.original.dst_port = port(),
        Part::ReplySrc | Part::ReplyDst => {
            let place =
                if part == Part::ReplySrc { &mut template.reply.src_port } else { &mut template.reply.dst_port };
            *place = port();
            template.reply_protocol = Some(protocol);
        }
        Part::MaskSrc => template.mask.src_port = port(),
        Part::MaskDst => template.mask.dst_port = port(),
        Part::TupleSrc => template.expected.src_port = port(),
        Part::TupleDst => template.expected.dst_port = port(),
        Part::State => state(template, protocol, text)?,
        // The command has always sent tags to the kernel in the machine's own byte order.
        Part::OriginalVtag => template.vtag.original = Some(number::low_bits(text).to_be()),
        Part::ReplyVtag => template.vtag.reply = Some(number::low_bits(text).to_be()),
        Part::Role => template.role = Some(role(text)?),
        Part::IcmpType => template.icmp.kind = byte(),
        Part::IcmpCode => template.icmp.code = byte(),
        Part::IcmpId => template.icmp.id = Some(number::low16(number::low_bits(text))),
        Part::ReplyIcmpId => template.saved.reply_icmp_id = Some(number::low16(saved(text, u16::MAX.into())?)),
        Part::OriginalScale => template.saved.scale.original = Some(number::low8(saved(text, 14)?)),
        Part::ReplyScale => template.saved.scale.reply = Some(number::low8(saved(text, 14)?)),
        Part::OriginalFlags => template.saved.flags.original = Some(number::low8(saved(text, 255)?)),
        Part::ReplyFlags => template.saved.flags.reply = Some(number::low8(saved(text, 255)?)),
        Part::HandshakeSequence => match number::any_base(text) {
            Some(read) if read.rest.is_empty() => template.saved.handshake_seq = Some(read.value),
            Some(_) | None => return other(format!("unexpected value '{text}' with --handshake-seq option")),
        },
    }
    let icmp = matches!(part, Part::IcmpType | Part::IcmpCode | Part::IcmpId);
    if icmp && (template.reply.src.is_some() || template.reply.dst.is_some()) {
        template.reply_protocol = Some(protocol);
    }
    template.uses_part(definition, part);
    Ok(())
}

/// The protocol's option with this code.
fn part_of(definition: &ProtocolDefinition, code: u8) -> Option<Part> {
    definition.options.iter().find(|option| option.code == code).map(|option| option.part)
}

/// The low bits of strtoul(3); 0 if there is no number.
fn low_bits_any_base(text: &str) -> u32 {
    let [a, b, c, d, ..] = number::any_base(text).map_or(0, |read| read.value).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A number in a saved line.
fn saved(text: &str, most: u32) -> Checked<u32> {
    match number::whole(text, most) {
        Some(value) => Ok(value),
        None => other(format!("unexpected value '{text}', a number up to {most} is required")),
    }
}

fn state(template: &mut Template, protocol: Protocol, text: &str) -> Checked<()> {
    type Name = fn(u8) -> Option<&'static str>;
    let (name, place, unknown): (Name, _, _) = match protocol {
        Protocol::TCP => (|n| TcpState(n).name(), &mut template.states.tcp, "unknown TCP state"),
        Protocol::SCTP => (|n| SctpState(n).name(), &mut template.states.sctp, "unknown SCTP state"),
        Protocol(_) => (|n| DccpState(n).name(), &mut template.states.dccp, "Unknown DCCP state"),
    };
    let named = (0..STATES).find(|n| name(*n) == Some(text));
    // Before Linux 2.6.31 the state SYN_SENT2 was called LISTEN.
    let former = (protocol == Protocol::TCP && text == "LISTEN").then_some(TcpState::SYN_SENT2.0);
    // Saved lines give a state without a name by its number.
    let numbered = || {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|state| digits && *state >= STATES)
    };
    match named.or(former).or_else(numbered) {
        Some(state) => *place = Some(state),
        None => return parameter(format!("{unknown} `{text}'")),
    }
    Ok(())
}

/// `CT_DCCP_ROLE_*`, by a name that may be abbreviated, in any case.
fn role(text: &str) -> Checked<u8> {
    let begins =
        |name: &str| name.as_bytes().get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text.as_bytes()));
    match ["client", "server"].into_iter().zip(0..).find(|(name, _)| begins(name)) {
        Some((_, role)) => Ok(role),
        None => parameter(format!("Unknown DCCP role `{text}'")),
    }
}
