//! Which flows the conditions of a rule allow together. If there are none, the rule can never apply.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a condition that the domain does not know leaves it as wide as it was"
)]

use std::collections::BTreeMap;

use ctwarden_net::{Family, Prefix, PrefixSet, Protocol};

use crate::field::{Address, Field};
use crate::predicate::Predicate;
use crate::ranges;

/// The protocols whose flows have ports.
const WITH_PORTS: [i64; 5] = [
    Protocol::TCP.0 as i64,
    Protocol::UDP.0 as i64,
    Protocol::DCCP.0 as i64,
    Protocol::SCTP.0 as i64,
    Protocol::UDPLITE.0 as i64,
];

/// What is known about the flows that fulfil some conditions.
#[derive(Debug, Default)]
pub(crate) struct Domain {
    numbers: BTreeMap<Field, Vec<(i64, i64)>>,
    networks: BTreeMap<Address, Vec<PrefixSet>>,
    bits: Vec<(Field, i64, i64)>,
    seen: Vec<Predicate>,
}

impl Domain {
    /// Adds a condition that must hold as well.
    ///
    /// # Errors
    /// No flow can fulfil it together with the conditions so far.
    pub(crate) fn require(&mut self, predicate: &Predicate) -> Result<(), String> {
        if *predicate == Predicate::Constant(false) {
            return Err("this is never true; correct it, or remove the rule".to_owned());
        }
        let inverse = predicate.clone().not();
        if self.seen.contains(&inverse) {
            return Err("another condition of the rule requires the contrary; remove one of them".to_owned());
        }
        self.seen.push(predicate.clone());
        match predicate {
            Predicate::All(parts) => parts.iter().try_for_each(|part| self.require(part)),
            Predicate::Within(field, first, last) => self.number(*field, &[(*first, *last)]),
            Predicate::Among(field, ranges) => self.number(*field, ranges),
            Predicate::Bits { field, mask, value } => self.masked(*field, *mask, *value),
            Predicate::Network4 { address, network, mask } => {
                let length = u8::try_from(mask.leading_ones()).unwrap_or(32);
                let network = Prefix::around(std::net::Ipv4Addr::from_bits(*network).into(), length);
                self.network(*address, [network].into_iter().collect())
            }
            Predicate::Network6 { address, network, mask } => {
                let length = u8::try_from(mask.leading_ones()).unwrap_or(128);
                let network = Prefix::around(std::net::Ipv6Addr::from_bits(*network).into(), length);
                self.network(*address, [network].into_iter().collect())
            }
            Predicate::Networks(address, set) => self.network(*address, (**set).clone()),
            Predicate::Not(inner) => match &**inner {
                Predicate::Within(field, first, last) => {
                    self.number(*field, &ranges::without(&[(*first, *last)], field.bounds()))
                }
                Predicate::Among(field, inside) => self.number(*field, &ranges::without(inside, field.bounds())),
                Predicate::Bits { field, mask, value } if mask.count_ones() == 1 => {
                    self.masked(*field, *mask, value ^ mask)
                }
                Predicate::Any(parts) => parts.iter().try_for_each(|part| self.require(&part.clone().not())),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn number(&mut self, field: Field, allowed: &[(i64, i64)]) -> Result<(), String> {
        let known = self.numbers.entry(field).or_insert_with(|| vec![field.bounds()]);
        let rest = ranges::both(known, allowed);
        if rest.is_empty() {
            return Err(format!(
                "no flow has such a {}: the conditions of the rule exclude each other; correct one of them",
                field.name()
            ));
        }
        *known = rest;
        if field.is_port() {
            let ranges = WITH_PORTS.map(|protocol| (protocol, protocol));
            return self.number(Field::Protocol, &ranges::within(ranges, Field::Protocol.bounds())).map_err(|_| {
                format!(
                    "{} is a port, and the protocols of the rule have no ports; remove the ports, or match tcp or udp",
                    field.name()
                )
            });
        }
        Ok(())
    }

    fn masked(&mut self, field: Field, mask: i64, value: i64) -> Result<(), String> {
        let against = |(other, known_mask, known): &(Field, i64, i64)| {
            *other == field && (known ^ value) & known_mask & mask != 0
        };
        if self.bits.iter().any(against) {
            return Err(format!(
                "no flow has such a {}: the conditions of the rule exclude each other; correct one of them",
                field.name()
            ));
        }
        self.bits.push((field, mask, value));
        Ok(())
    }

    fn network(&mut self, address: Address, networks: PrefixSet) -> Result<(), String> {
        let families = [(Family::Ipv4, 4), (Family::Ipv6, 6)];
        let present = families.iter().filter(|(family, _)| networks.of_family(*family).next().is_some());
        let present: Vec<(i64, i64)> = present.map(|(_, number)| (*number, *number)).collect();
        self.number(Field::Family, &present).map_err(|_| {
            format!("{} is of the other family than the rest of the rule; correct one of them", address.name())
        })?;
        let known = self.networks.entry(address).or_default();
        if known.iter().any(|known| !networks.iter().any(|network| known.overlaps(network))) {
            return Err(format!(
                "no flow has such a {}: the networks of the rule have no address in common; correct one of them",
                address.name()
            ));
        }
        known.push(networks);
        Ok(())
    }

    /// Returns the values that a field can have, if they are few numbers: at most this many.
    pub(crate) fn values(&self, field: Field, most: i64) -> Option<Vec<i64>> {
        let ranges = self.numbers.get(&field)?;
        let count = ranges
            .iter()
            .fold(0_i64, |count, (first, last)| count.saturating_add(last.saturating_sub(*first)).saturating_add(1));
        (count <= most).then(|| ranges.iter().flat_map(|(first, last)| *first..=*last).collect())
    }

    /// Returns the ranges that a condition allows for a field, if any condition names it.
    pub(crate) fn ranges(&self, field: Field) -> Option<&[(i64, i64)]> {
        self.numbers.get(&field).map(Vec::as_slice)
    }

    /// Returns the networks of an address that the first condition names.
    pub(crate) fn networks(&self, address: Address) -> Option<&PrefixSet> {
        self.networks.get(&address).and_then(|all| all.first())
    }

    /// Returns the bits of a field that must have these values, as mask and value.
    pub(crate) fn bits(&self, field: Field) -> Option<(i64, i64)> {
        let of_field = self.bits.iter().filter(|(of, _, _)| *of == field);
        of_field.fold(None, |all, (_, mask, value)| match all {
            Some((masks, values)) => Some((masks | mask, values | value)),
            None => Some((*mask, *value)),
        })
    }
}
