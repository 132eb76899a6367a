//! Compiled conditions: a tree of typed comparisons, which costs a few nanoseconds for each node.
//!
//! The answer has three values, because an event does not carry every field: `None` is unknown. `false && unknown` is
//! false, and `true || unknown` is true, as in CEL. A rule applies only if its condition is true.
#![allow(clippy::wildcard_enum_match_arm, reason = "a condition that cannot be simplified stays as it is")]

use std::net::IpAddr;

use ctwarden_net::{Prefix, PrefixSet};

use crate::field::{Address, Field};
use crate::flow::{Flow, Listed, Source};

/// A condition on a flow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Predicate {
    Constant(bool),
    /// The field is between two numbers, both included.
    Within(Field, i64, i64),
    /// The field is in one of these ranges, which are sorted.
    Among(Field, Box<[(i64, i64)]>),
    /// The bits of the field under a mask have this value.
    Bits {
        field: Field,
        mask: i64,
        value: i64,
    },
    Compare(Order, Box<(Number, Number)>),
    Network4 {
        address: Address,
        network: u32,
        mask: u32,
    },
    Network6 {
        address: Address,
        network: u128,
        mask: u128,
    },
    Networks(Address, Box<PrefixSet>),
    Same(Address, Address),
    /// The address of this lookup is in its set.
    Listed(usize),
    /// The value that the set has for the address is one of these.
    ListedAs(usize, Box<[String]>),
    Helper(Box<[String]>),
    HasHelper,
    Label(u8),
    Labels(u128),
    HasLabels,
    /// The flow carries the field.
    Has(Field),
    Not(Box<Predicate>),
    All(Box<[Predicate]>),
    Any(Box<[Predicate]>),
    If(Box<[Predicate; 3]>),
}

/// An order of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
}

/// A computed number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    Constant(i64),
    Field(Field),
    Computed(Arithmetic, Box<(Number, Number)>),
    Clock(ClockPart, i64, Box<Number>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitAnd,
    BitOr,
    BitXor,
}

/// A part of a time, as CEL's functions of the same name return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockPart {
    Hours,
    Minutes,
    Seconds,
    /// 0 is Sunday.
    DayOfWeek,
}

const SECOND: i64 = 1_000_000_000;

impl Number {
    /// Returns the value. `None` if a field is absent, or the result does not fit or is undefined.
    pub(crate) fn of(&self, flow: &Flow) -> Option<i64> {
        match self {
            Self::Constant(number) => Some(*number),
            Self::Field(field) => field.of(flow),
            Self::Computed(arithmetic, pair) => arithmetic.of(pair.0.of(flow)?, pair.1.of(flow)?),
            Self::Clock(part, offset, time) => Some(part.of(time.of(flow)?.checked_add(*offset)?)),
        }
    }

    /// Whether the number changes while a flow exists without an event that says so.
    fn passes(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Field(field) => field.passes(),
            Self::Computed(_, pair) => pair.0.passes() || pair.1.passes(),
            Self::Clock(_, _, time) => time.passes(),
        }
    }

    pub(crate) fn constant(&self) -> Option<i64> {
        match self {
            Self::Constant(number) => Some(*number),
            Self::Field(_) => None,
            Self::Computed(arithmetic, pair) => arithmetic.of(pair.0.constant()?, pair.1.constant()?),
            Self::Clock(part, offset, time) => Some(part.of(time.constant()?.checked_add(*offset)?)),
        }
    }
}

impl Arithmetic {
    pub(crate) const fn of(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
            Self::BitAnd => Some(left & right),
            Self::BitOr => Some(left | right),
            Self::BitXor => Some(left ^ right),
        }
    }
}

impl ClockPart {
    const fn of(self, nanoseconds: i64) -> i64 {
        let seconds = nanoseconds.div_euclid(SECOND);
        match self {
            Self::Hours => seconds.div_euclid(3600).rem_euclid(24),
            Self::Minutes => seconds.div_euclid(60).rem_euclid(60),
            Self::Seconds => seconds.rem_euclid(60),
            // 1 January 1970 was a Thursday.
            Self::DayOfWeek => (seconds.div_euclid(86_400) + 4).rem_euclid(7),
        }
    }
}

impl Predicate {
    /// Whether the answer changes while a flow exists without an event that says so: with time, or with traffic.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Within(field, ..) | Self::Among(field, _) | Self::Bits { field, .. } | Self::Has(field) => {
                field.passes()
            }
            Self::Compare(_, pair) => pair.0.passes() || pair.1.passes(),
            Self::Not(inner) => inner.passes(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::passes),
            Self::If(parts) => parts.iter().any(Self::passes),
            Self::Constant(_)
            | Self::Network4 { .. }
            | Self::Network6 { .. }
            | Self::Networks(..)
            | Self::Same(..)
            | Self::Listed(_)
            | Self::ListedAs(..)
            | Self::Helper(_)
            | Self::HasHelper
            | Self::Label(_)
            | Self::Labels(_)
            | Self::HasLabels => false,
        }
    }

    /// Whether the condition holds for the flow. `None`: unknown, because the flow lacks a field.
    pub(crate) fn holds(&self, flow: &Flow, source: &mut impl Source) -> Option<bool> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Within(field, first, last) => field.of(flow).map(|value| *first <= value && value <= *last),
            Self::Among(field, ranges) => {
                field.of(flow).map(|value| ranges.iter().any(|(first, last)| *first <= value && value <= *last))
            }
            Self::Bits { field, mask, value } => field.of(flow).map(|bits| bits & mask == *value),
            Self::Compare(order, pair) => {
                let (left, right) = (pair.0.of(flow)?, pair.1.of(flow)?);
                Some(match order {
                    Order::Equal => left == right,
                    Order::Less => left < right,
                    Order::LessOrEqual => left <= right,
                })
            }
            Self::Network4 { address, network, mask } => Some(match address.of(flow) {
                IpAddr::V4(address) => address.to_bits() & mask == *network,
                IpAddr::V6(_) => false,
            }),
            Self::Network6 { address, network, mask } => Some(match address.of(flow) {
                IpAddr::V4(_) => false,
                IpAddr::V6(address) => address.to_bits() & mask == *network,
            }),
            Self::Networks(address, networks) => Some(networks.contains(address.of(flow))),
            Self::Same(left, right) => Some(left.of(flow) == right.of(flow)),
            Self::Listed(lookup) => match source.look_up(*lookup) {
                Listed::Unknown => None,
                Listed::No => Some(false),
                Listed::With(_) => Some(true),
            },
            Self::ListedAs(lookup, values) => match source.look_up(*lookup) {
                Listed::Unknown => None,
                Listed::No => Some(false),
                Listed::With(value) => Some(values.iter().any(|wanted| wanted == value)),
            },
            Self::Helper(names) => source.helper().map(|helper| names.contains(&helper)),
            Self::HasHelper => Some(source.helper().is_some()),
            Self::Label(bit) => source.labels().map(|labels| labels.checked_shr((*bit).into()).unwrap_or(0) & 1 == 1),
            Self::Labels(bits) => source.labels().map(|labels| labels & bits == *bits),
            Self::HasLabels => Some(source.labels().is_some()),
            Self::Has(field) => Some(field.of(flow).is_some()),
            Self::Not(inner) => inner.holds(flow, source).map(|value| !value),
            Self::All(parts) => Self::join(parts, false, flow, source),
            Self::Any(parts) => Self::join(parts, true, flow, source),
            Self::If(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.holds(flow, source)? { yes.holds(flow, source) } else { no.holds(flow, source) }
            }
        }
    }

    /// The value of several parts together. A part with the value `decides` decides alone: false for "all", true for
    /// "any".
    fn join(parts: &[Self], decides: bool, flow: &Flow, source: &mut impl Source) -> Option<bool> {
        let mut unknown = false;
        for part in parts {
            match part.holds(flow, source) {
                Some(value) if value == decides => return Some(decides),
                Some(_) => {}
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(!decides) }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Returns the condition that holds if all parts hold.
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Constant(true) => {}
                Self::Constant(false) => return Self::Constant(false),
                Self::All(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        match all.len() {
            0 => Self::Constant(true),
            1 => all.pop().unwrap_or(Self::Constant(true)),
            _ => Self::All(all.into()),
        }
    }

    /// Returns the condition that holds if any part holds.
    pub(crate) fn any(parts: Vec<Self>) -> Self {
        let mut any = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Constant(false) => {}
                Self::Constant(true) => return Self::Constant(true),
                Self::Any(inner) => any.extend(inner),
                other => any.push(other),
            }
        }
        match any.len() {
            0 => Self::Constant(false),
            1 => any.pop().unwrap_or(Self::Constant(false)),
            _ => Self::Any(any.into()),
        }
    }

    /// Returns the condition that the address is in one of the networks.
    pub(crate) fn in_networks(address: Address, networks: impl IntoIterator<Item = Prefix>) -> Self {
        let set: PrefixSet = networks.into_iter().collect();
        let mut each = set.iter();
        match (each.next(), each.next()) {
            (Some(network), None) => Self::in_network(address, network),
            (Some(_), Some(_)) => {
                drop(each);
                Self::Networks(address, Box::new(set))
            }
            (None, _) => Self::Constant(false),
        }
    }

    fn in_network(address: Address, network: Prefix) -> Self {
        match network.address() {
            IpAddr::V4(first) => {
                let mask = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(network.length()))).unwrap_or(0);
                Self::Network4 { address, network: first.to_bits(), mask }
            }
            IpAddr::V6(first) => {
                let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(network.length()))).unwrap_or(0);
                Self::Network6 { address, network: first.to_bits(), mask }
            }
        }
    }

    /// Returns the condition that a field has a value of these ranges, as far as the field can have it.
    pub(crate) fn among(field: Field, ranges: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let ranges = crate::ranges::within(ranges, field.bounds());
        match ranges.as_slice() {
            [] => Self::Constant(false),
            [(first, last)] => Self::Within(field, *first, *last),
            _ => Self::Among(field, ranges.into()),
        }
    }
}
