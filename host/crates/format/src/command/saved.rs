//! Options of saved lines beyond those of 1.4.9, which make a saved and reloaded table identical.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{Layer4, Protocol, SequenceAdjustment, SynProxy, Tuple};

use super::environment::Environment;
use super::error::{Checked, other};
use super::option::Key;
use super::template::Saved;

/// Reads the value of such an option.
pub(super) fn set(saved: &mut Saved, key: Key, text: &str, environment: &impl Environment) -> Checked<()> {
    let known = if key == Key::HelperInfo {
        keep(&mut saved.helper_info, bytes(text))
    } else if key == Key::OriginalSequence {
        keep(&mut saved.sequence.original, sequence(text))
    } else if key == Key::ReplySequence {
        keep(&mut saved.sequence.reply, sequence(text))
    } else if key == Key::SynProxy {
        keep(&mut saved.synproxy, synproxy(text))
    } else if key == Key::Master {
        keep(&mut saved.master, tuple(text, environment))
    } else {
        keep(&mut saved.helper, Some(text.to_string()))
    };
    if known { Ok(()) } else { other(format!("unexpected value '{text}' with an option of saved lines")) }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

/// Two digits per byte.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? << 4 | low?).ok()
    };
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

fn sequence(text: &str) -> Option<SequenceAdjustment> {
    let mut numbers = text.split(',');
    let correction_pos = numbers.next()?.parse().ok();
    let offset_before = numbers.next()?.parse().ok();
    let offset_after = numbers.next()?.parse().ok();
    let all = correction_pos.is_some() && offset_before.is_some() && offset_after.is_some() && numbers.next().is_none();
    all.then_some(SequenceAdjustment { correction_pos, offset_before, offset_after })
}

fn synproxy(text: &str) -> Option<SynProxy> {
    let mut numbers = text.split(',').map(|number| number.parse().ok());
    let (isn, its, tsoff) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let all = isn.is_some() && its.is_some() && tsoff.is_some() && numbers.next().is_none();
    all.then_some(SynProxy { isn, its, tsoff })
}

/// Protocol, both addresses, and what the protocol adds: two ports or keys, or ICMP's type, code and identifier.
fn tuple(text: &str, environment: &impl Environment) -> Option<Tuple> {
    let mut parts = text.split(',');
    let name = parts.next()?;
    let protocol = Protocol::parse(name).or_else(|| environment.protocol_named(name))?;
    let src: IpAddr = parts.next()?.parse().ok()?;
    let dst: IpAddr = parts.next()?.parse().ok()?;
    let numbers: Vec<u16> = parts.map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let layer4 = match (protocol, numbers.as_slice()) {
        (Protocol::ICMP | Protocol::ICMPV6, [kind, code, id]) => {
            Layer4::Icmp { id: *id, kind: u8::try_from(*kind).ok()?, code: u8::try_from(*code).ok()? }
        }
        (Protocol::GRE, [src, dst]) => Layer4::Keys { src: *src, dst: *dst },
        (protocol, [src, dst]) if protocol.has_ports() => Layer4::Ports { src: *src, dst: *dst },
        (_, []) => Layer4::None,
        _ => return None,
    };
    (src.is_ipv4() == dst.is_ipv4()).then_some(Tuple { src, dst, protocol, layer4 })
}
