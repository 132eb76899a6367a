//! The grants that rules need, as the keys of a `[[plugin]]`.

use std::collections::BTreeSet;

use ctwarden_model::VerdictKind;
use ctwarden_rules::Needs;

/// The keys of a `[[plugin]]` that grant these needs, each on a line.
pub(crate) fn grant_keys(needs: &Needs) -> Vec<String> {
    let mut keys = vec![format!("allow = {:?}", needed_kinds(needs))];
    if needs.mark_mask != 0 {
        keys.push(format!("mark-mask = \"{:#x}\"", needs.mark_mask));
    }
    if needs.label_bits != 0 {
        keys.push(format!("label-bits = {:?}", needed_labels(needs)));
    }
    let quoted = |sets: &BTreeSet<String>| sets.iter().map(|set| quoted(set)).collect::<Vec<_>>().join(", ");
    for (key, sets) in [("block-sets", &needs.block_sets), ("read-sets", &needs.read_sets)] {
        if !sets.is_empty() {
            keys.push(format!("{key} = [{}]", quoted(sets)));
        }
    }
    keys
}

/// The kinds of verdicts, in the order of the interface.
pub(crate) fn needed_kinds(needs: &Needs) -> Vec<&'static str> {
    VerdictKind::ALL.map(VerdictKind::name).into_iter().filter(|name| needs.kinds.contains(name)).collect()
}

/// The label bits, by number.
pub(crate) fn needed_labels(needs: &Needs) -> Vec<u8> {
    (0..128_u8).filter(|bit| needs.label_bits >> bit & 1 == 1).collect()
}

/// The text as a string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
