//! What `check` says, for programs: the same facts under stable names.

use ctwarden_model::{VerdictKind, VerdictKinds};
use serde_json::{Value, json};

use super::Rights;
use super::pushdown::Pushdown;
use crate::plugins::Ready;

/// A plugin, with what is asked of the kernel for it alone.
pub(super) fn plugin(ready: &Ready, pushdown: &Pushdown) -> Value {
    let (spec, descriptor) = (&ready.spec, &ready.descriptor);
    let Rights { asks, needs, granted, missing, in_vain } = Rights::of(spec);
    let subscription = &spec.subscription;
    let kinds = subscription.kinds;
    let events = [("new", kinds.new), ("update", kinds.update), ("destroy", kinds.destroy)];
    let events: Vec<_> = events.into_iter().filter_map(|(name, wanted)| wanted.then_some(name)).collect();
    let label_bits: Vec<u8> = (0..128).filter(|bit| spec.grants.label_mask >> bit & 1 == 1).collect();
    json!({
        "name": spec.name.to_string(),
        "mode": spec.mode.name(),
        "component": ready.path.display().to_string(),
        "policy": { "name": descriptor.name, "version": descriptor.version, "summary": descriptor.summary },
        "asks": names(asks),
        "needs": names(needs),
        "granted": names(granted),
        "missing": names(missing),
        "granted-in-vain": names(in_vain),
        "bounds": {
            "mark-bits": format!("{:#x}", spec.grants.mark_mask),
            "label-bits": label_bits,
            "block-sets": spec.grants.block_sets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "address-sets": spec.grants.read_sets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "listens": {
            "events": events,
            "expectations": subscription.expectations,
            "sweeps": kinds.row,
            "sweep-every-seconds": subscription.sweep_every.map(|every| every.as_secs_f64()),
            "tick-every-seconds": subscription.tick_every.map(|every| every.as_secs_f64()),
            "filters": subscription.filters.len(),
        },
        "kernel": pushdown.to_json(),
        "warning": ready.warning,
    })
}

fn names(kinds: VerdictKinds) -> Vec<&'static str> {
    kinds.iter().map(VerdictKind::name).collect()
}
