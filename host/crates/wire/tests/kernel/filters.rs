//! The kernel never passes fewer entries than a filter matches, and a bulk delete never removes more.
//!
//! The tests check every filter that combines at most two of the parts below, and some likely larger ones.

use std::collections::BTreeSet;

use ctwarden_model::{Family, Filter, Flow, FlowId, Masked, PortRange, Protocol, SecondsRange, Zone};
use ctwarden_wire::{ExactFilter, KernelFilter, request};

use crate::namespace::{Kernel, in_namespace};
use crate::population::population;

/// One part of a filter, with a name for failure messages.
type Part = (&'static str, fn(&mut Filter));

const fn one(port: u16) -> PortRange {
    PortRange { first: port, last: port }
}

fn network(text: &str) -> ctwarden_model::PrefixSet {
    text.split(' ').map(|network| network.parse::<ctwarden_model::Prefix>().unwrap()).collect()
}

fn masked(value: u32, mask: u32) -> Option<Masked> {
    Some(Masked::new(value, mask).unwrap())
}

const PARTS: [Part; 34] = [
    ("IPv4", |f| f.family = Some(Family::Ipv4)),
    ("IPv6", |f| f.family = Some(Family::Ipv6)),
    ("TCP", |f| f.protocols = [Protocol::TCP].into()),
    ("UDP", |f| f.protocols = [Protocol::UDP].into()),
    ("SCTP", |f| f.protocols = [Protocol::SCTP].into()),
    ("ICMP", |f| f.protocols = [Protocol::ICMP].into()),
    ("ICMPv6", |f| f.protocols = [Protocol::ICMPV6].into()),
    ("GRE", |f| f.protocols = [Protocol::GRE].into()),
    ("no tracker", |f| f.protocols = [Protocol(253)].into()),
    ("TCP or UDP", |f| f.protocols = [Protocol::TCP, Protocol::UDP].into()),
    ("zone 0", |f| f.zones = [Zone(0)].into()),
    ("zone 5", |f| f.zones = [Zone(5)].into()),
    ("zones 5, 6", |f| f.zones = [Zone(5), Zone(6)].into()),
    ("zone of nobody", |f| f.zones = [Zone(77)].into()),
    ("src host", |f| f.original_src = network("192.0.2.1")),
    ("src network", |f| f.original_src = network("192.0.2.0/24")),
    ("src of both families", |f| f.original_src = network("192.0.2.1 2001:db8::1")),
    ("src IPv6 host", |f| f.original_src = network("2001:db8::1")),
    ("dst host", |f| f.original_dst = network("192.0.2.2")),
    ("dst IPv6 host", |f| f.original_dst = network("2001:db8::2")),
    ("reply src host", |f| f.reply_src = network("192.0.2.99")),
    ("reply dst host", |f| f.reply_dst = network("192.0.2.98")),
    ("either host", |f| f.either = network("198.51.100.9")),
    ("src port", |f| f.src_ports = [one(1000)].into()),
    ("dst port", |f| f.dst_ports = [one(80)].into()),
    ("dst ports", |f| f.dst_ports = [PortRange { first: 53, last: 443 }].into()),
    ("mark", |f| f.mark = masked(0x11, u32::MAX)),
    ("mark bits", |f| f.mark = masked(0x10, 0xf0)),
    ("mark 0", |f| f.mark = masked(0, u32::MAX)),
    ("any mark", |f| f.mark = masked(0, 0)),
    ("assured", |f| f.status = masked(0x4, 0x4)),
    ("not seen reply", |f| f.status = masked(0, 0x2)),
    ("state", |f| f.states = [3].into()),
    ("seconds", |f| f.timeout = Some(SecondsRange { first: 0, last: 2000 })),
];

/// Every filter of at most two parts, and some likely filters of three or more parts.
pub(crate) fn filters() -> Vec<(String, Filter)> {
    let mut picks: Vec<Vec<&Part>> = vec![vec![]];
    for (index, one) in PARTS.iter().enumerate() {
        picks.push(vec![one]);
        picks.extend(PARTS[index + 1..].iter().map(|other| vec![one, other]));
    }
    let named = |names: &[&str]| PARTS.iter().filter(|part| names.contains(&part.0)).collect::<Vec<_>>();
    picks.push(named(&["IPv4", "TCP", "dst port"]));
    picks.push(named(&["IPv4", "UDP", "src port", "dst port"]));
    picks.push(named(&["IPv4", "SCTP", "dst port"]));
    picks.push(named(&["IPv4", "GRE", "dst port"]));
    picks.push(named(&["IPv6", "TCP", "dst port"]));
    picks.push(named(&["TCP", "src host", "dst port", "mark"]));
    picks.push(named(&["TCP", "src host", "dst host", "reply src host", "src port"]));
    picks.push(named(&["src host", "dst host", "zone 5", "mark bits"]));
    picks.push(named(&["reply src host", "reply dst host", "src host"]));
    picks.push(named(&["assured", "mark", "IPv6", "zone 0"]));
    picks
        .into_iter()
        .map(|parts| {
            let mut filter = Filter::default();
            parts.iter().for_each(|part| part.1(&mut filter));
            (parts.iter().map(|part| part.0).collect::<Vec<_>>().join(" + "), filter)
        })
        .collect()
}

fn ids<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> BTreeSet<FlowId> {
    flows.into_iter().map(|flow| flow.id.unwrap()).collect()
}

fn filled(kernel: &mut Kernel) -> Vec<Flow> {
    population().iter().for_each(|flow| drop(kernel.create(flow)));
    kernel.rows(&KernelFilter::EVERYTHING)
}

#[test]
fn the_kernel_lets_through_what_the_filter_matches_and_more() {
    in_namespace(|kernel| {
        let all = filled(kernel);
        let (mut asked, mut exact) = (0, 0);
        for (name, filter) in filters() {
            let pushed = KernelFilter::of(&filter);
            let wanted = ids(all.iter().filter(|flow| filter.matches(flow)));
            let passed = ids(&kernel.rows(&pushed));
            assert!(passed.is_superset(&wanted), "{name}: the kernel left out {:?}", wanted.difference(&passed));
            asked += usize::from(!pushed.is_everything());
            exact += usize::from(passed == wanted && !pushed.is_everything());
        }
        // The requests are useful: most filters reduce the answer, and many reduce it exactly.
        assert!(asked > 400 && exact > 150, "{asked} of {}, {exact} exact", filters().len());
    });
}

#[test]
fn of_several_filters_the_kernel_lets_through_what_any_matches() {
    in_namespace(|kernel| {
        let all = filled(kernel);
        let filters = filters();
        // Neighbours share parts, so their union still has conditions.
        for window in filters.windows(2).chain(filters.windows(3)).step_by(7) {
            let group: Vec<_> = window.iter().map(|(_, filter)| filter.clone()).collect();
            let wanted = ids(all.iter().filter(|flow| group.iter().any(|filter| filter.matches(flow))));
            let passed = ids(&kernel.rows(&KernelFilter::union_of(&group)));
            let names: Vec<_> = window.iter().map(|(name, _)| name).collect();
            assert!(passed.is_superset(&wanted), "{names:?}: the kernel left out {:?}", wanted.difference(&passed));
        }
    });
}

#[test]
fn a_bulk_delete_takes_what_matches_and_nothing_else() {
    in_namespace(|kernel| {
        let mut deletes = 0;
        for (name, filter) in filters() {
            let Some(exact) = ExactFilter::of(&filter) else { continue };
            let all = filled(kernel);
            let reply = kernel.ask(|buffer, sequence| request::delete_matching(buffer, sequence, &exact));
            assert_eq!(reply.errno, Some(0), "{name}");
            let left = kernel.rows(&KernelFilter::EVERYTHING);
            assert_eq!(ids(&left), ids(all.iter().filter(|flow| !filter.matches(flow))), "{name}");
            deletes += 1;
            // The next filter starts with a full table again.
            let everything = ExactFilter::everything(None);
            assert_eq!(kernel.ask(|b, s| request::delete_matching(b, s, &everything)).errno, Some(0));
            assert_eq!(kernel.rows(&KernelFilter::EVERYTHING), []);
        }
        assert!(deletes > 30, "{deletes}");
    });
}

#[test]
fn a_flush_of_one_family_leaves_the_other() {
    in_namespace(|kernel| {
        let all = filled(kernel);
        let six = ExactFilter::everything(Some(Family::Ipv6));
        assert_eq!(kernel.ask(|b, s| request::delete_matching(b, s, &six)).errno, Some(0));
        let left = ids(&kernel.rows(&KernelFilter::EVERYTHING));
        assert_eq!(left, ids(all.iter().filter(|flow| flow.family() == Family::Ipv4)));
    });
}
