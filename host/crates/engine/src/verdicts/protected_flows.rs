//! Flows that no plugin may change or end: the `protect` filters of the configuration.
//!
//! The engine often knows less of a flow than a filter needs: a key has one tuple, and an event lacks the fields that
//! did not change. So the answer has three values, and "unknown" never counts as "not protected".

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{Filter, Known, Prefix, PrefixSet, Truth};

/// Networks that nobody may block, in addition to this host's own addresses, with their names. They stand for this host (RFC 1122,
/// section 3.2.1.3; RFC 4291, sections 2.5.2 and 2.5.3), for every host on a link, or for a multicast group.
pub const SPECIAL_NETWORKS: [(IpAddr, u8, &str); 7] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8, "this network"),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8, "loopback"),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4, "multicast"),
    (IpAddr::V4(Ipv4Addr::BROADCAST), 32, "broadcast"),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128, "no address"),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128, "loopback"),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8, "multicast"),
];

/// [`SPECIAL_NETWORKS`] and this host's own addresses.
pub(crate) fn never_blocked(own: &PrefixSet) -> PrefixSet {
    let special = SPECIAL_NETWORKS.into_iter();
    let special = special.filter_map(|(address, length, _)| Prefix::new(address, length).ok());
    own.iter().chain(special).collect()
}

/// The `protect` filters of the configuration.
#[derive(Debug, Default)]
pub(crate) struct ProtectedFlows {
    filters: Vec<Filter>,
    networks: PrefixSet,
}

impl ProtectedFlows {
    pub(crate) fn new(filters: Vec<Filter>) -> Self {
        let networks = filters.iter().flat_map(Filter::listed_networks).flat_map(PrefixSet::iter).collect();
        Self { filters, networks }
    }

    /// Whether the flow is protected.
    pub(crate) fn holds(&self, known: Known<'_>) -> Truth {
        self.filters.iter().fold(Truth::No, |held, filter| held.or(|| filter.evaluate(&known)))
    }

    /// Whether blocking the network would cut off an address that a filter names. The other parts of the filter do not
    /// count: a block stops all traffic of its network, the protected part included.
    pub(crate) fn covers(&self, network: Prefix) -> bool {
        self.networks.overlaps(network)
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;

    use ctwarden_model::{
        AnyOf, Flow, FlowId, KnownFrom, Labels, Layer4, Mark, Masked, NamedSet, NatFilter, NatTo, PerDirection,
        PortRange, Protocol, ProtocolInfo, RareFilter, SecondsRange, SetName, Status, TcpState, Tuple,
    };
    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = IpAddr> {
        (0_u8..3, 0_u8..3).prop_map(|(a, b)| Ipv4Addr::new(10, a, 0, b).into())
    }

    fn whole() -> impl Strategy<Value = Flow> {
        let tuple = || {
            (address(), address(), 0_u16..4).prop_map(|(src, dst, port)| Tuple {
                src,
                dst,
                protocol: Protocol::TCP,
                layer4: Layer4::Ports { src: port, dst: 80 },
            })
        };
        let fields = (0_u32..4, 0_u32..4, 0_u32..4, 0_u8..4, proptest::option::of(0_u128..4));
        (tuple(), tuple(), fields).prop_map(|(original, reply, (mark, status, timeout, state, labels))| {
            let mut flow = Flow::new(PerDirection { original, reply });
            flow.id = Some(FlowId(7));
            flow.mark = Some(Mark(mark));
            flow.status = Some(Status(status));
            flow.timeout = Some(timeout);
            flow.labels = labels.map(Labels);
            flow.info = Some(ProtocolInfo::Tcp {
                state: Some(TcpState(state)),
                window_scale: PerDirection::default(),
                flags: PerDirection::default(),
            });
            flow
        })
    }

    fn any_filter() -> impl Strategy<Value = Filter> {
        let networks = || {
            let network = (address(), prop_oneof![Just(8_u8), Just(16), Just(32)])
                .prop_map(|(address, length)| Prefix::new(address, length).unwrap());
            prop_oneof![2 => Just(PrefixSet::new()), 1 => prop::collection::vec(network, 1..3)
                .prop_map(|list| list.into_iter().collect())]
        };
        let masked = || proptest::option::of((0_u32..4, 0_u32..4).prop_map(|(v, m)| Masked::new(v & m, m).unwrap()));
        let ports = proptest::option::of((0_u16..4).prop_map(|last| PortRange { first: 0, last }));
        let seconds = proptest::option::of((0_u32..4).prop_map(|last| SecondsRange { first: 0, last }));
        let states = proptest::option::of(0_u8..4);
        let addresses = [networks(), networks(), networks(), networks(), networks()];
        let rare = (networks(), proptest::option::of(0_u16..4), 0..8_u8).prop_map(|(networks, port, odd)| {
            let sets = (!networks.is_empty()).then(|| NamedSet {
                name: SetName("feed".into()),
                networks: Arc::new(networks.iter().map(|network| (network, Arc::default())).collect()),
            });
            Box::new(RareFilter {
                reply_src_ports: port.map(|last| PortRange { first: 0, last }).into_iter().collect(),
                sets: sets.into_iter().collect(),
                nat: (odd == 0).then(|| NatFilter::Source(NatTo::default())),
                ..RareFilter::default()
            })
        });
        let rare = proptest::option::weighted(0.3, rare);
        (addresses, masked(), masked(), ports, seconds, states, 0_u128..3, rare).prop_map(
            |(
                [original_src, original_dst, reply_src, reply_dst, either],
                mark,
                status,
                port,
                timeout,
                state,
                labels,
                rare,
            )| {
                Filter {
                    original_src,
                    original_dst,
                    reply_src,
                    reply_dst,
                    either,
                    mark,
                    status,
                    timeout,
                    labels,
                    src_ports: port.into_iter().collect(),
                    states: state.into_iter().collect(),
                    rare,
                    ..Filter::default()
                }
            },
        )
    }

    /// The flow as an event may report it.
    fn thin(flow: &Flow, left_out: [bool; 5]) -> Flow {
        let [mark, status, timeout, labels, info] = left_out;
        let mut thin = flow.clone();
        if mark {
            thin.mark = None;
        }
        if status {
            thin.status = None;
        }
        if timeout {
            thin.timeout = None;
        }
        if labels {
            thin.labels = None;
        }
        if info {
            thin.info = None;
        }
        thin
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn of_a_whole_entry_all_is_known(filter in any_filter(), flow in whole()) {
            prop_assert_eq!(filter.evaluate(&Known::Whole(&flow)), Truth::from(filter.matches(&flow)));
        }

        #[test]
        fn who_knows_less_is_unsure_but_never_wrong(
            filter in any_filter(),
            flow in whole(),
            left_out in any::<[bool; 5]>(),
        ) {
            // An event does not report labels that the entry does not have.
            let truth = Truth::from(filter.matches(&flow));
            let key = flow.key();
            for known in [Known::Event(&thin(&flow, left_out)), Known::Key(&key)] {
                let told = filter.evaluate(&known);
                prop_assert!(told == truth || told == Truth::Unknown, "{told:?} of {truth:?}");
            }
        }

        #[test]
        fn a_filter_about_tuples_is_sure_by_an_event(filter in any_filter(), flow in whole()) {
            let rare = filter.with_parts(|part| part.known_from() <= KnownFrom::Event).rare;
            let constant = Filter {
                mark: None,
                status: None,
                timeout: None,
                labels: 0,
                states: AnyOf::NONE,
                rare,
                ..filter
            };
            let thin = thin(&flow, [true; 5]);
            prop_assert_eq!(constant.evaluate(&Known::Event(&thin)), Truth::from(constant.matches(&flow)));
        }

        #[test]
        fn a_filter_without_hidden_parts_is_sure_by_the_key(filter in any_filter(), flow in whole()) {
            let visible = Filter {
                reply_src: PrefixSet::new(),
                reply_dst: PrefixSet::new(),
                either: PrefixSet::new(),
                mark: None,
                status: None,
                timeout: None,
                labels: 0,
                states: AnyOf::NONE,
                rare: None,
                ..filter
            };
            prop_assert_eq!(visible.evaluate(&Known::Key(&flow.key())), Truth::from(visible.matches(&flow)));
        }
    }
}
