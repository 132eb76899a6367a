//! Converts a range of addresses into the fewest networks that contain exactly these addresses.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Family, Prefix};

/// Returns the fewest networks that contain exactly the addresses from `first` to `last`, both included, as numbers of
/// one address family. Returns none if `first` is above `last`.
#[must_use]
pub fn networks_of_range(family: Family, first: u128, last: u128) -> Vec<Prefix> {
    match family {
        Family::Ipv4 => {
            let of = |bits: u128| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)));
            cover(first, last.min(u32::MAX.into()), 32, of)
        }
        Family::Ipv6 => cover(first, last, 128, |bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    }
}

/// Takes the largest network that begins at the start of the range and does not reach beyond its end, then continues
/// with the rest. The result has at most two networks for each bit.
fn cover(mut first: u128, last: u128, bits: u8, address: impl Fn(u128) -> IpAddr) -> Vec<Prefix> {
    let mut networks = Vec::new();
    while first <= last {
        let aligned = first.trailing_zeros().min(bits.into());
        // The number of addresses left, if it fits.
        let fitting = match (last - first).checked_add(1) {
            Some(left) => left.ilog2(),
            None => 128,
        };
        let size = u8::try_from(aligned.min(fitting)).unwrap_or(bits);
        networks.extend(Prefix::new(address(first), bits.saturating_sub(size)));
        match 1_u128.checked_shl(size.into()).and_then(|size| first.checked_add(size)) {
            Some(next) => first = next,
            None => break,
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use proptest::prelude::*;

    use super::*;

    fn told(networks: &[Prefix]) -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_are_covered_by_the_fewest_networks() {
        let ipv4 = |first: [u8; 4], last: [u8; 4]| {
            let number = |address| u32::from_be_bytes(address).into();
            told(&networks_of_range(Family::Ipv4, number(first), number(last)))
        };
        assert_eq!(ipv4([198, 51, 100, 0], [198, 51, 100, 255]), ["198.51.100.0/24"]);
        assert_eq!(
            ipv4([198, 51, 100, 10], [198, 51, 100, 20]),
            ["198.51.100.10/31", "198.51.100.12/30", "198.51.100.16/30", "198.51.100.20"]
        );
        assert_eq!(ipv4([0; 4], [255; 4]), ["0.0.0.0/0"]);
        assert_eq!(ipv4([255; 4], [255; 4]), ["255.255.255.255"]);
        assert_eq!(ipv4([0, 0, 0, 1], [255, 255, 255, 254]).len(), 62);
        let ipv6 = |first: &str, last: &str| {
            let number = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
            told(&networks_of_range(Family::Ipv6, number(first), number(last)))
        };
        assert_eq!(ipv6("2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff"), ["2001:db8::/48"]);
        assert_eq!(ipv6("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
        assert_eq!(ipv6("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").len(), 254);
    }

    proptest! {
        #[test]
        fn exactly_the_range_is_covered(first: u32, length in 0_u32..100_000) {
            let last = first.saturating_add(length);
            let networks = networks_of_range(Family::Ipv4, first.into(), last.into());
            let mut next = Some(first);
            for network in networks {
                let (IpAddr::V4(begin), IpAddr::V4(end)) = (network.address(), network.last()) else { unreachable!() };
                prop_assert_eq!(Some(begin.to_bits()), next);
                next = end.to_bits().checked_add(1);
            }
            prop_assert_eq!(next, last.checked_add(1));
        }
    }
}
