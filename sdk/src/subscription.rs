//! What a policy wants delivered; the narrower, the less it costs, for the host filters as early as it can.

use std::time::Duration;

use crate::bindings::exports::ctwarden::policy::policy as wit;
use crate::{Entry, Filter, Flow, Kind};

/// What the host is to deliver. The default: new flows and rows of sweeps, which is what a policy needs to judge every flow
/// once.
///
/// ```
/// use ctwarden_sdk::{Filter, Kind, Subscription};
/// use std::time::Duration;
///
/// let ssh = Subscription::to(&[Kind::New, Kind::Destroy])
///     .only(Filter::new().tcp().dst_port(22))
///     .tick_every(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Subscription {
    kinds: Vec<Kind>,
    filters: Vec<Filter>,
    sweep_every: Duration,
    tick_every: Duration,
    own_changes: bool,
    sets: Vec<String>,
}

impl Default for Subscription {
    fn default() -> Self {
        Self::to(&[Kind::New, Kind::Row])
    }
}

impl Subscription {
    /// Entries of these kinds.
    pub fn to(kinds: &[Kind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            filters: Vec::new(),
            sweep_every: Duration::ZERO,
            tick_every: Duration::ZERO,
            own_changes: false,
            sets: Vec::new(),
        }
    }

    /// Only flows that this filter holds, or another that was given. Without any: every flow.
    pub fn only(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// A sweep of the table so often, in whole seconds. The host sweeps anyway at start and after events were lost, and
    /// when a [`sweep`](crate::sweep()) is asked for.
    pub fn sweep_every(self, period: Duration) -> Self {
        Self { sweep_every: period, ..self }
    }

    /// A call of [`tick`](crate::Policy::tick) so often, in milliseconds, at least 10.
    pub fn tick_every(self, period: Duration) -> Self {
        Self { tick_every: period, ..self }
    }

    /// Also the events that this host's own verdicts caused. A policy that counts flows needs the ends of those that it
    /// deleted itself.
    pub fn own_changes(self) -> Self {
        Self { own_changes: true, ..self }
    }

    /// Word when this operator-named set changes: [`set_changed`](crate::Policy::set_changed).
    pub fn set(mut self, name: impl Into<String>) -> Self {
        self.sets.push(name.into());
        self
    }

    /// Whether the host would deliver the flow.
    #[must_use]
    pub fn holds(&self, flow: &Flow<'_>) -> bool {
        self.kinds.contains(&Entry::kind(flow))
            && (self.own_changes || !flow.by_us())
            && (self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(flow)))
    }

    /// Names of the sets.
    #[must_use]
    pub fn sets(&self) -> &[String] {
        &self.sets
    }
}

impl From<Subscription> for wit::Subscription {
    fn from(subscription: Subscription) -> Self {
        let kind = |kind: &Kind| match kind {
            Kind::Row => wit::Kinds::ROW,
            Kind::New => wit::Kinds::NEW,
            Kind::Update => wit::Kinds::UPDATE,
            Kind::Destroy => wit::Kinds::DESTROY,
        };
        // A period that was asked for does not become "never" by rounding.
        let at_least = |least: u128, number: u128| match number {
            0 => 0,
            number => u32::try_from(number.max(least)).unwrap_or(u32::MAX),
        };
        Self {
            kinds: subscription.kinds.iter().map(kind).fold(wit::Kinds::empty(), |all, kind| all | kind),
            filters: subscription.filters.into_iter().map(Into::into).collect(),
            sweep_every: at_least(1, subscription.sweep_every.as_millis().div_ceil(1000)),
            tick_every: at_least(10, subscription.tick_every.as_micros().div_ceil(1000)),
            own_changes: subscription.own_changes,
            sets: subscription.sets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_never_becomes_never() {
        let times = |sweep, tick| {
            let wanted = Subscription::default().sweep_every(sweep).tick_every(tick);
            let wanted = wit::Subscription::from(wanted);
            (wanted.sweep_every, wanted.tick_every)
        };
        assert_eq!(times(Duration::ZERO, Duration::ZERO), (0, 0));
        assert_eq!(times(Duration::from_millis(1), Duration::from_micros(1)), (1, 10));
        assert_eq!(times(Duration::from_secs(60), Duration::from_millis(250)), (60, 250));
        assert_eq!(times(Duration::MAX, Duration::MAX), (u32::MAX, u32::MAX));
    }
}
