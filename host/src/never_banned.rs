//! Addresses that are never banned, each with a name for people.
//!
//! A ban of one of these would cut the host or its operator off: addresses of this host, its default gateways, what
//! `[[protect]]` names, and addresses that stand for no single host.

use ctwarden_engine::SPECIAL_NETWORKS;
use ctwarden_model::{Filter, Prefix, PrefixSet};

use crate::config::Protected;
use crate::netlink::HostAddresses;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NeverBanned {
    named: Vec<(String, PrefixSet)>,
}

impl NeverBanned {
    pub(crate) fn new(protected: &[Protected], host: &HostAddresses) -> Self {
        let mut named: Vec<(String, PrefixSet)> = protected
            .iter()
            .enumerate()
            .map(|(index, protected)| {
                let name = match protected.comment.as_str() {
                    "" => format!("[[protect]] number {}", index + 1),
                    comment => comment.to_owned(),
                };
                let networks = Filter::listed_networks(&protected.filter).flat_map(PrefixSet::iter).collect();
                (name, networks)
            })
            .collect();
        named.push(("an address of this host".to_owned(), host.own.clone()));
        named.push(("the default gateway".to_owned(), host.gateways.clone()));
        for (address, length, name) in SPECIAL_NETWORKS {
            named.push((name.to_owned(), Prefix::new(address, length).into_iter().collect()));
        }
        Self { named }
    }

    /// Why a network is not banned, if it overlaps an address that is never banned.
    pub(crate) fn refusal(&self, network: Prefix) -> Option<String> {
        let (name, networks) = self.named.iter().find(|(_, networks)| networks.overlaps(network))?;
        let inside = networks.iter().find(|inside| network.covers(*inside) && *inside != network);
        Some(match inside {
            Some(inside) => format!("not banned: protected ({name}: {inside} is in it)"),
            None => format!("not banned: protected ({name})"),
        })
    }

    pub(crate) fn networks(&self) -> PrefixSet {
        self.named.iter().flat_map(|(_, networks)| networks.iter()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(networks: &[&str]) -> PrefixSet {
        networks.iter().map(|network| network.parse().unwrap()).collect()
    }

    #[test]
    fn the_refusal_names_what_is_protected_and_what_a_wider_network_would_hit() {
        let management = Protected {
            comment: "the management network".to_owned(),
            filter: Filter { either: networks(&["192.0.2.0/24"]), ..Filter::default() },
        };
        let unnamed = Protected {
            comment: String::new(),
            filter: Filter { original_dst: networks(&["198.51.100.1"]), ..Filter::default() },
        };
        let host = HostAddresses { own: networks(&["203.0.113.1", "2001:db8::1"]), gateways: networks(&["10.0.0.1"]) };
        let never = NeverBanned::new(&[management, unnamed], &host);
        let refusal = |network: &str| never.refusal(network.parse().unwrap()).unwrap_or_default();
        assert_eq!(refusal("192.0.2.7"), "not banned: protected (the management network)");
        assert_eq!(refusal("192.0.0.0/16"), "not banned: protected (the management network: 192.0.2.0/24 is in it)");
        assert_eq!(refusal("198.51.100.1"), "not banned: protected ([[protect]] number 2)");
        assert_eq!(refusal("2001:db8::/32"), "not banned: protected (an address of this host: 2001:db8::1 is in it)");
        assert_eq!(refusal("10.0.0.1"), "not banned: protected (the default gateway)");
        assert_eq!(refusal("127.0.0.5"), "not banned: protected (loopback)");
        assert_eq!(refusal("224.0.0.1"), "not banned: protected (multicast)");
        assert_eq!(refusal("203.0.113.2"), "");
        assert!(never.networks().overlaps("203.0.113.0/24".parse().unwrap()));
    }
}
