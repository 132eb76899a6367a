//! The table of filter parts agrees with the requests that this crate builds.

use ctwarden_model::{
    Family, Filter, FilterPart, FlowId, IcmpFilter, InDump, Masked, MaskedAddress, NamedSet, NatFilter, NatTo,
    PerDirection, PortRange, Prefix, PrefixSet, Protocol, RareFilter, SecondsRange, SetName, Zone,
};
use ctwarden_wire::{EventFilter, KernelFilter};

/// A filter with every part. Each part has a form that the kernel supports, if the kernel supports the part at all.
fn whole() -> Filter {
    let host = || -> PrefixSet { [Prefix::host([192, 0, 2, 1].into())].into_iter().collect() };
    let port = || [PortRange::from(53)].into();
    let masked = Some(MaskedAddress { address: [192, 0, 2, 1].into(), mask: [255, 0, 255, 0].into() });
    let set = NamedSet { name: SetName("feed".into()), networks: Default::default() };
    Filter {
        family: Some(Family::Ipv4),
        protocols: [Protocol::UDP].into(),
        zones: [Zone(7)].into(),
        original_src: host(),
        original_dst: host(),
        reply_src: host(),
        reply_dst: host(),
        either: host(),
        src_ports: port(),
        dst_ports: port(),
        states: [3].into(),
        mark: Masked::new(1, 1).ok(),
        status: Masked::new(2, 2).ok(),
        timeout: Some(SecondsRange { first: 0, last: 9 }),
        labels: 1,
        rare: Some(Box::new(RareFilter {
            nothing: true,
            id: Some(FlowId(1)),
            shared_zone: Some(Zone(7)),
            zones: PerDirection { original: Some(Zone(7)), reply: Some(Zone(8)) },
            original_src: masked,
            original_dst: masked,
            reply_src_ports: port(),
            reply_dst_ports: port(),
            icmp: IcmpFilter { kind: Some(8), ..IcmpFilter::default() },
            nat: Some(NatFilter::Source(NatTo::default())),
            sets: vec![set],
        })),
    }
}

#[test]
fn the_kernel_is_asked_in_a_dump_for_the_parts_that_the_table_says() {
    let asked: Vec<FilterPart> = KernelFilter::of(&whole()).asked().into_iter().map(|(part, _)| part).collect();
    for part in FilterPart::ALL {
        assert_eq!(asked.contains(&part), part.in_dump() != InDump::Nothing, "{part:?}");
    }
}

#[test]
fn the_program_in_front_of_the_event_socket_looks_at_the_parts_that_the_table_says() {
    for part in FilterPart::ALL {
        let program = EventFilter::of(&[whole().only(part)]);
        assert_eq!(program.is_some(), part.is_in_event_filter(), "{part:?}");
    }
}
