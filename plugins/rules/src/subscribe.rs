//! What the rules need delivered: the union of their conditions, kinds, sets and actions.

use std::time::Duration;

use ctwarden_rules as rules;
use ctwarden_rules::{Measure, Needs, Rules};
use ctwarden_sdk::prelude::*;

use crate::RulesPolicy;

/// Shortest and longest time between two sweeps for rules that count bytes or packets.
const SWEEPS: (u32, u32) = (10, 300);

/// Returns the subscription of the rules.
pub(crate) fn subscription(rules: &Rules) -> Subscription {
    let mut kinds: Vec<Kind> =
        rules.rules().iter().flat_map(|rule| rule.kinds()).map(|kind| self::kind(*kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let Needs { kinds: verdicts, mark_mask, label_bits, block_sets, read_sets } = Needs::of(rules);
    let needs: Vec<VerdictKind> =
        RulesPolicy::WANTS.iter().copied().filter(|kind| verdicts.contains(kind.name())).collect();
    let mut subscription = Subscription::to(&kinds).needs(needs).sweep_every(sweep_every(rules));
    for filter in filters(rules) {
        subscription = subscription.only(filter);
    }
    for set in &read_sets {
        subscription = subscription.set(set);
    }
    for rule in rules.rules() {
        subscription = subscription.code(rule.name());
    }
    let labels = (0..128_u8).filter(|bit| label_bits.checked_shr(u32::from(*bit)).unwrap_or(0) & 1 == 1);
    subscription = subscription.changes_mark(mark_mask).changes_labels(labels);
    for set in &block_sets {
        subscription = subscription.blocks_in(set);
    }
    // After a change of a set, the host finds the flows of its addresses at once.
    let selects = rules.rules().iter().any(|rule| rule.member_of().is_some() && sweeps_for(rule));
    if selects { subscription.selects() } else { subscription }
}

/// Returns sweeps for the flows that a change of these sets may concern.
pub(crate) fn sweeps(rules: &Rules, changed: &[String]) -> Verdicts {
    let mut asked: Vec<Filter> = Vec::new();
    let concerned = rules.rules().iter().filter(|rule| sweeps_for(rule));
    for rule in concerned.filter(|rule| rule.reads().iter().any(|set| changed.contains(set))) {
        let member_of = rule.member_of().unwrap_or_default();
        let filter = member_of.iter().fold(filter(rule.filter()), Filter::in_set);
        if !asked.contains(&filter) {
            asked.push(filter);
        }
    }
    let code = || ("set-changed", changed.join(", "));
    // A sweep of all flows includes the others.
    if asked.contains(&Filter::new()) {
        let (code, reason) = code();
        return sweep().because(code, reason).into();
    }
    let sweep_of = |filter: Filter| {
        let (code, reason) = code();
        sweep().on(filter).because(code, reason)
    };
    asked.into_iter().map(sweep_of).collect()
}

/// Whether rows of sweeps may lead to verdicts of the rule.
fn sweeps_for(rule: &rules::Rule) -> bool {
    rule.kinds().contains(&rules::Kind::Row) && rule.threshold().is_none()
}

/// Returns the filters of the rules, each once. Empty: every flow is needed.
fn filters(rules: &Rules) -> Vec<Filter> {
    let mut all: Vec<Filter> = Vec::new();
    for rule in rules.rules() {
        if rule.filter().is_empty() {
            return Vec::new();
        }
        let filter = filter(rule.filter());
        if !all.contains(&filter) {
            all.push(filter);
        }
    }
    if all.len() > Subscription::FILTERS { Vec::new() } else { all }
}

fn sweep_every(rules: &Rules) -> Duration {
    let thresholds = rules.rules().iter().filter_map(rules::Rule::threshold);
    let volumes = thresholds.filter(|threshold| matches!(threshold.measure, Measure::Bytes | Measure::Packets));
    // Four sweeps in a window find a flow before it has transferred much more than the threshold.
    let of_volumes = volumes.map(|threshold| (threshold.counter.window / 4).clamp(SWEEPS.0, SWEEPS.1));
    let written = rules.rules().iter().filter_map(rules::Rule::every);
    of_volumes.chain(written).min().map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into()))
}

const fn kind(kind: rules::Kind) -> Kind {
    match kind {
        rules::Kind::Row => Kind::Row,
        rules::Kind::New => Kind::New,
        rules::Kind::Update => Kind::Update,
        rules::Kind::Destroy => Kind::Destroy,
    }
}

/// Converts the filter of a rule.
pub(crate) fn filter(written: &rules::Filter) -> Filter {
    let network = |network: &ctwarden_rules::Prefix| Prefix::around(network.address(), network.length());
    let mut filter = Filter::new();
    if let Some(family) = written.family {
        filter = filter.family(family);
    }
    filter = written.protocols.iter().fold(filter, |filter, protocol| filter.protocol(*protocol));
    filter = written.zones.iter().fold(filter, |filter, zone| filter.zone(*zone));
    filter = written.original_src.iter().map(network).fold(filter, Filter::from);
    filter = written.original_dst.iter().map(network).fold(filter, Filter::to);
    filter = written.reply_src.iter().map(network).fold(filter, Filter::reply_from);
    filter = written.reply_dst.iter().map(network).fold(filter, Filter::reply_to);
    filter = written.either.iter().map(network).fold(filter, Filter::either);
    filter = written.src_ports.iter().fold(filter, |filter, ports| filter.src_port(*ports));
    filter = written.dst_ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
    filter = written.states.iter().fold(filter, |filter, state| filter.state(*state));
    if let Some(mark) = written.mark {
        filter = filter.mark(mark);
    }
    if let Some(status) = written.status {
        let set = Status(status.value());
        filter = filter.status_bits(set, Status(status.mask() & !status.value()));
    }
    if let Some((first, last)) = written.timeout {
        filter = filter.timeout(first..=last);
    }
    (0..128_u8)
        .filter(|bit| written.labels.checked_shr(u32::from(*bit)).unwrap_or(0) & 1 == 1)
        .fold(filter, Filter::label)
}
