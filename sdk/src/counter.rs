//! Counters that the host keeps: for each key a sum, or the number of distinct values, of the last seconds.
//!
//! A rate rule is one call and one comparison. The host forgets what is older than the window, bounds the memory, and
//! keeps the counters over faults and reloads.
//!
//! ```
//! use ctwarden_sdk::prelude::*;
//! use std::time::Duration;
//!
//! /// Connections that each source began in the last minute.
//! const BEGUN: Counter<Sum> = Counter::sum("begun", Duration::from_secs(60));
//!
//! struct Rate;
//! impl Policy for Rate {
//!     type Config = Nothing;
//!     const WANTS: &[VerdictKind] = &[VerdictKind::Alert];
//!     fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> { Ok(Self) }
//!     fn subscription(&self) -> Subscription { Subscription::to(&[Kind::New]).counter(&BEGUN) }
//!     fn judge(&mut self, flow: &Flow) -> Verdicts {
//!         if BEGUN.add(flow.src(), 1) != Ok(101) { return Verdicts::none(); }
//!         let source = flow.src().to_string();
//!         alert(format!("{source} begins many connections")).key(source).because("rate", "").into()
//!     }
//! }
//! export!(Rate);
//! ```

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::Duration;

use crate::bindings::ctwarden::conntrack::counters as wit;
use crate::bindings::exports::ctwarden::conntrack::policy as wit_policy;
use crate::{Prefix, Protocol, Refusal, host};

/// The kind of a counter of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {}

/// The kind of a counter of distinct values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinct {}

/// A counter that the host keeps over a sliding window. Name it in the subscription with
/// [`Subscription::counter`](crate::Subscription::counter); it exists once `configure` has returned.
///
/// A value has everything of the last window, and up to a sixteenth of the window more. The operator limits the memory
/// (`counters` in `[plugin.limits]`). If it is used up, the host evicts small keys, and an evicted key begins again
/// with 0.
///
/// Count [`Kind::New`](crate::Kind::New) events: a sweep delivers flows that were counted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter<K> {
    name: Cow<'static, str>,
    window: Duration,
    kind: PhantomData<K>,
}

impl Counter<Sum> {
    /// Returns a counter of sums. The name has 1 to 64 letters, digits or `-`. The window is rounded up to whole
    /// seconds and is at most a day.
    #[must_use]
    pub const fn sum(name: &'static str, window: Duration) -> Self {
        Self { name: Cow::Borrowed(name), window, kind: PhantomData }
    }

    /// Adds an amount to a key. Returns the sum of the window, the amount included.
    ///
    /// # Errors
    /// The subscription does not have the counter, or the text of the key is longer than 256 bytes.
    pub fn add(&self, key: impl Into<CounterKey>, amount: u64) -> Result<u64, Refusal> {
        host::counters::add(&self.name, &key.into().0, amount).map_err(Refusal::from)
    }

    /// Does the same for many keys, in their order. Returns a sum for each. One call is cheaper than many.
    ///
    /// # Errors
    /// As [`add`](Self::add). Then nothing was added.
    pub fn add_all(&self, additions: impl IntoIterator<Item = (CounterKey, u64)>) -> Result<Vec<u64>, Refusal> {
        let additions: Vec<_> = additions.into_iter().map(|(key, amount)| (key.0, amount)).collect();
        host::counters::add_all(&self.name, &additions).map_err(Refusal::from)
    }
}

impl Counter<Distinct> {
    /// Returns a counter of distinct values. Name and window are as in [`Counter::sum`].
    #[must_use]
    pub const fn distinct(name: &'static str, window: Duration) -> Self {
        Self { name: Cow::Borrowed(name), window, kind: PhantomData }
    }

    /// Notes a value of a key. Returns the number of distinct values of the window, this one included. The number is
    /// exact up to 1,024; a key with 1,024 has that many values or more.
    ///
    /// # Errors
    /// The subscription does not have the counter, or the text of the key or value is longer than 256 bytes.
    pub fn add(&self, key: impl Into<CounterKey>, value: impl Into<CounterKey>) -> Result<u64, Refusal> {
        host::counters::add_distinct(&self.name, &key.into().0, &value.into().0).map_err(Refusal::from)
    }

    /// Does the same for many pairs of a key and a value, in their order. Returns a number for each.
    ///
    /// # Errors
    /// As [`add`](Self::add). Then nothing was noted.
    pub fn add_all(&self, additions: impl IntoIterator<Item = (CounterKey, CounterKey)>) -> Result<Vec<u64>, Refusal> {
        let additions: Vec<_> = additions.into_iter().map(|(key, value)| (key.0, value.0)).collect();
        host::counters::add_all_distinct(&self.name, &additions).map_err(Refusal::from)
    }
}

impl<K> Counter<K> {
    /// Returns a counter whose name the configuration gives, such as that of an operator's rule. Name and window are as
    /// in [`Counter::sum`].
    #[must_use]
    pub fn named(name: impl Into<String>, window: Duration) -> Self {
        Self { name: Cow::Owned(name.into()), window, kind: PhantomData }
    }

    /// Returns the value of a key; 0 if the key has none.
    ///
    /// # Errors
    /// The subscription does not have the counter, or the text of the key is longer than 256 bytes.
    pub fn value(&self, key: impl Into<CounterKey>) -> Result<u64, Refusal> {
        host::counters::value(&self.name, &key.into().0).map_err(Refusal::from)
    }

    /// Returns the keys with the largest values, largest first: at most `most`, and at most 1,000. The host looks at
    /// every key, so call this in `tick` or `message`.
    ///
    /// # Errors
    /// The subscription does not have the counter.
    pub fn largest(&self, most: u32) -> Result<Vec<(CounterKey, u64)>, Refusal> {
        let keys = host::counters::largest(&self.name, most).map_err(Refusal::from)?;
        Ok(keys.into_iter().map(|(key, value)| (CounterKey(key), value)).collect())
    }

    /// Sets the value of a key back to 0.
    ///
    /// # Errors
    /// The subscription does not have the counter, or the text of the key is longer than 256 bytes.
    pub fn reset(&self, key: impl Into<CounterKey>) -> Result<(), Refusal> {
        host::counters::reset(&self.name, &key.into().0).map_err(Refusal::from)
    }
}

/// A kind of counter: [`Sum`] or [`Distinct`].
pub trait Counting {
    #[doc(hidden)]
    const KIND: wit_policy::CounterKind;
}

impl Counting for Sum {
    const KIND: wit_policy::CounterKind = wit_policy::CounterKind::Sum;
}

impl Counting for Distinct {
    const KIND: wit_policy::CounterKind = wit_policy::CounterKind::Distinct;
}

/// A counter as the subscription names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    name: Cow<'static, str>,
    kind: wit_policy::CounterKind,
    seconds: u32,
}

impl<K: Counting> Counter<K> {
    pub(crate) fn declared(&self) -> Declared {
        // A window never becomes shorter than it was asked for, and none becomes the shortest.
        let seconds = self.window.as_nanos().div_ceil(1_000_000_000).max(1);
        Declared { name: self.name.clone(), kind: K::KIND, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

impl From<Declared> for wit_policy::Counter {
    fn from(counter: Declared) -> Self {
        Self { name: counter.name.into_owned(), kind: counter.kind, window: counter.seconds }
    }
}

/// A key of a counter, or a value of a counter of distinct values. It is made from an address, a [`Prefix`], a pair of
/// addresses, an address with protocol and port, a number or a text. Keys of different kinds are never the same.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterKey(pub(crate) wit::Key);

impl From<IpAddr> for CounterKey {
    fn from(address: IpAddr) -> Self {
        Self(wit::Key::Address(address.into()))
    }
}

impl From<(IpAddr, IpAddr)> for CounterKey {
    fn from((one, other): (IpAddr, IpAddr)) -> Self {
        Self(wit::Key::Pair((one.into(), other.into())))
    }
}

impl From<(IpAddr, Protocol, u16)> for CounterKey {
    fn from((address, protocol, port): (IpAddr, Protocol, u16)) -> Self {
        Self(wit::Key::Service((address.into(), protocol.0, port)))
    }
}

impl From<Prefix> for CounterKey {
    fn from(network: Prefix) -> Self {
        Self(wit::Key::Network(network.into()))
    }
}

impl From<u64> for CounterKey {
    fn from(number: u64) -> Self {
        Self(wit::Key::Number(number))
    }
}

impl From<&str> for CounterKey {
    fn from(text: &str) -> Self {
        Self(wit::Key::Text(text.to_owned()))
    }
}

impl From<String> for CounterKey {
    fn from(text: String) -> Self {
        Self(wit::Key::Text(text))
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            wit::Key::Text(text) => f.write_str(text),
            wit::Key::Number(number) => number.fmt(f),
            wit::Key::Address(address) => IpAddr::from(*address).fmt(f),
            wit::Key::Pair((one, other)) => write!(f, "{} {}", IpAddr::from(*one), IpAddr::from(*other)),
            wit::Key::Service((address, protocol, port)) => match IpAddr::from(*address) {
                IpAddr::V4(address) => write!(f, "{} {address}:{port}", Protocol(*protocol)),
                IpAddr::V6(address) => write!(f, "{} [{address}]:{port}", Protocol(*protocol)),
            },
            wit::Key::Network(network) => {
                write!(f, "{}", Prefix::around(IpAddr::from(network.address), network.length))
            }
        }
    }
}
