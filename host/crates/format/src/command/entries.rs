//! Which entries a command line selects: the filter of `-L`, `-D`, `-U`, `-E`, and of the answer to `-G`.
//!
//! Not every given option counts. 1.4.9 compares some options only in combination with others, and some never. Scripts rely
//! on what it shows and deletes, so this module does the same, with a comment on each such case.

use core::net::IpAddr;

use ctwarden_model::{
    Filter, IcmpFilter, Masked, MaskedAddress, NatFilter, PortRange, Prefix, PrefixSet, Protocol, SecondsRange,
};

use super::address;
use super::error::{Checked, other, parameter};
use super::option::Key;
use super::template::Template;
use super::value::Table;
use super::verb::Verb;

/// Options that make 1.4.9 compare an entry with all given options. Without one of them `-t` has no effect on `-D`.
const COMPARED: &[Key] = &[
    Key::Protocol,
    Key::OriginalSrc,
    Key::OriginalDst,
    Key::ReplySrc,
    Key::ReplyDst,
    Key::Mark,
    Key::Secmark,
    Key::Status,
    Key::Id,
    Key::Zone,
    Key::Label,
    Key::OriginalZone,
    Key::ReplyZone,
];

/// Whether an option was given that makes entries be compared.
pub(super) fn compares(template: &Template) -> bool {
    template.used_any(COMPARED)
}

/// The filter. `labels` are the bits of `-l`.
pub(super) fn filter(template: &Template, verb: Verb, labels: u128) -> Checked<Filter> {
    let mut filter = Filter { family: template.family, labels, ..Filter::default() };
    if let Some(nat) = nat(template) {
        filter.rare_mut().nat = Some(nat);
    }
    networks(template, &mut filter)?;
    if verb == Verb::Update {
        // The other options are changes.
        tuples(template, &mut filter);
        if let Some(id) = template.id {
            filter.rare_mut().id = Some(id);
        }
        return Ok(filter);
    }
    if let Some((value, mask)) = template.mark {
        match Masked::new(value, mask) {
            Ok(mark) => filter.mark = Some(mark),
            // No mark under the mask has a bit outside the mask.
            Err(_) => filter.rare_mut().nothing = true,
        }
    }
    if compares(template) {
        tuples(template, &mut filter);
        metadata(template, verb, &mut filter)?;
    }
    Ok(filter)
}

fn metadata(template: &Template, verb: Verb, filter: &mut Filter) -> Checked<()> {
    if let Some(id) = template.id {
        filter.rare_mut().id = Some(id);
    }
    if let Some(zone) = template.zone {
        filter.rare_mut().shared_zone = Some(zone);
        // The other zone condition implies this one, and the kernel can filter by it.
        if zone.0 != 0 {
            filter.zones = [zone].into();
        }
    }
    if template.zones.original.is_some() || template.zones.reply.is_some() {
        filter.rare_mut().zones = template.zones;
    }
    if let Some(seconds) = template.timeout {
        filter.timeout = Some(SecondsRange { first: seconds, last: seconds });
    }
    filter.states = template.states.given().map(|(_, state)| state).collect();
    for (protocol, _) in template.states.given() {
        // No entry has the state of one protocol and the name of another.
        if template.protocol != Some(protocol) {
            filter.rare_mut().nothing = true;
        }
    }
    if template.used(Key::Status) {
        status(template, verb, filter)?;
    }
    Ok(())
}

/// All named bits must be set, and all negated bits must be clear. 1.4.9 checks clear bits only in `-L` of the main table:
/// its `-D -u UNREPLIED` deletes every flow, and a combination of set and clear bits finds nothing.
///
/// The kernel refuses an empty mask, which `-u UNSET` would produce.
fn status(template: &Template, verb: Verb, filter: &mut Filter) -> Checked<()> {
    let (bits, mask) = (template.status, template.status | template.status_mask);
    let listed = verb == Verb::List && template.table == Table::Conntrack && template.from.is_none();
    if listed && mask == 0 {
        return other("Operation failed: invalid parameters");
    }
    filter.status = Some(Masked::new(bits, mask).unwrap_or(Masked::all(bits)));
    Ok(())
}

/// Addresses under the given masks.
fn networks(template: &Template, filter: &mut Filter) -> Checked<()> {
    let ends = &template.original;
    for (key, address, mask, what) in
        [(Key::MaskSrc, ends.src, template.mask.src, "src"), (Key::MaskDst, ends.dst, template.mask.dst, "dst")]
    {
        if !template.used(key) {
            continue;
        }
        let (Some(address), Some(mask)) = (address, mask) else {
            return parameter(alloc::format!("Can't use --mask-{what} without --{what}"));
        };
        let prefix = address::length_of(mask).and_then(|length| Prefix::new(address, length).ok());
        match (prefix, key == Key::MaskSrc) {
            (Some(prefix), true) => filter.original_src = only(prefix),
            (Some(prefix), false) => filter.original_dst = only(prefix),
            (None, true) => filter.rare_mut().original_src = Some(MaskedAddress { address, mask }),
            (None, false) => filter.rare_mut().original_dst = Some(MaskedAddress { address, mask }),
        }
    }
    Ok(())
}

fn only(prefix: Prefix) -> PrefixSet {
    core::iter::once(prefix).collect()
}

fn host(address: Option<IpAddr>) -> PrefixSet {
    address.map(Prefix::host).into_iter().collect()
}

/// The given parts of both tuples. No command compares GRE keys, verification tags and roles.
fn tuples(template: &Template, filter: &mut Filter) {
    if !template.used(Key::MaskSrc) {
        filter.original_src = host(template.original.src);
    }
    if !template.used(Key::MaskDst) {
        filter.original_dst = host(template.original.dst);
    }
    filter.reply_src = host(template.reply.src);
    filter.reply_dst = host(template.reply.dst);
    let Some(protocol) = template.protocol else { return };
    filter.protocols = [protocol].into();
    if protocol.has_ports() {
        filter.src_ports = template.original.src_port.map(PortRange::from).into_iter().collect();
        filter.dst_ports = template.original.dst_port.map(PortRange::from).into_iter().collect();
    }
    if matches!(protocol, Protocol::ICMP | Protocol::ICMPV6) && template.icmp != IcmpFilter::default() {
        filter.rare_mut().icmp = template.icmp;
    }
    let Some(of_reply) = template.reply_protocol else { return };
    // Both directions have one protocol.
    if of_reply != protocol {
        filter.rare_mut().nothing = true;
    } else if of_reply.has_ports() {
        let (src, dst) = (template.reply.src_port, template.reply.dst_port);
        if src.is_some() || dst.is_some() {
            let rare = filter.rare_mut();
            rare.reply_src_ports = src.map(PortRange::from).into_iter().collect();
            rare.reply_dst_ports = dst.map(PortRange::from).into_iter().collect();
        }
    }
}

fn nat(template: &Template) -> Option<NatFilter> {
    let (source, destination) = (template.source, template.destination);
    if template.used(Key::AnyNat) {
        return Some(NatFilter::Either(source));
    }
    match (template.used(Key::SrcNat), template.used(Key::DstNat)) {
        (true, true) => Some(NatFilter::Both { source, destination }),
        (true, false) => Some(NatFilter::Source(source)),
        (false, true) => Some(NatFilter::Destination(destination)),
        (false, false) => None,
    }
}
