//! The JSON output of `check`: the same facts as the text, under stable names.

use std::collections::BTreeSet;

use ctwarden_model::{SetName, VerdictKind, VerdictKinds};
use serde_json::{Value, json};

use super::Rights;
use super::pushdown::Pushdown;
use crate::plugins::LoadedPlugin;

/// A plugin, with the kernel filters for this plugin alone.
pub(super) fn plugin(loaded: &LoadedPlugin, pushdown: &Pushdown) -> Value {
    let (spec, policy) = (&loaded.spec, &loaded.described);
    let Rights { asks, needs, granted, missing, in_vain } = Rights::of(spec);
    let subscription = &spec.subscription;
    let kinds = subscription.kinds;
    let events = [("new", kinds.new), ("update", kinds.update), ("destroy", kinds.destroy)];
    let events: Vec<_> = events.into_iter().filter_map(|(name, wanted)| wanted.then_some(name)).collect();
    let (reach, grants) = (&subscription.reach, &spec.grants);
    json!({
        "name": spec.name.to_string(),
        "mode": spec.mode.name(),
        "component": loaded.origin.to_string(),
        "policy": { "name": policy.name, "version": policy.version, "summary": policy.summary },
        "asks": names(asks),
        "needs": names(needs),
        "reaches": bits_and_sets(reach.mark_bits, reach.label_bits, &reach.block_sets, &subscription.read_sets()),
        "granted": names(granted),
        "missing": names(missing),
        "granted-in-vain": names(in_vain),
        "bounds": bits_and_sets(grants.mark_mask, grants.label_mask, &grants.block_sets, &grants.read_sets),
        "listens": {
            "events": events,
            "expectations": subscription.expectations,
            "outcomes": subscription.outcomes,
            "sweeps": kinds.row,
            "sweep-every-seconds": subscription.sweep_every.map(|every| every.as_secs_f64()),
            "tick-every-seconds": subscription.tick_every.map(|every| every.as_secs_f64()),
            "filters": subscription.filters.len(),
        },
        "kernel": pushdown.to_json(),
        "warnings": loaded.warnings,
    })
}

fn bits_and_sets(marks: u32, labels: u128, block_sets: &BTreeSet<SetName>, read_sets: &BTreeSet<SetName>) -> Value {
    let names = |sets: &BTreeSet<SetName>| sets.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "mark-bits": format!("{marks:#x}"),
        "label-bits": (0..128_u8).filter(|bit| labels >> bit & 1 == 1).collect::<Vec<_>>(),
        "block-sets": names(block_sets),
        "address-sets": names(read_sets),
    })
}

fn names(kinds: VerdictKinds) -> Vec<&'static str> {
    kinds.iter().map(VerdictKind::name).collect()
}
