//! The operator's grants to each plugin, and checks that no grant is empty, unbounded, or shared.

use std::collections::BTreeSet;
use std::ops::Range;

use ctwarden_model::{Grants, SetName, VerdictKind};
use toml::Spanned;

use super::problem::Findings;
use super::scalar::Scalar;
use super::word::{mark_mask, verdict_kind};
use super::{filter, written};

/// The names that a plugin can be granted, and the grants of the plugins so far.
pub(super) struct GrantReader<'w> {
    /// Names of sections, including wrong ones, so that one mistake is reported once.
    sets: BTreeSet<&'w str>,
    block_sets: BTreeSet<&'w str>,
    /// Name, mark bits and label bits of the plugins so far.
    granted: Vec<(&'w str, u32, u128)>,
}

impl<'w> GrantReader<'w> {
    pub(super) fn new(written: &'w written::Written) -> Self {
        Self {
            sets: written.sets.keys().chain(written.block.keys()).map(|name| name.get_ref().as_str()).collect(),
            block_sets: written
                .sets
                .iter()
                .filter(|(_, set)| set.as_ref().is_none_or(is_mirrored))
                .map(|(name, _)| name)
                .chain(written.block.keys())
                .map(|name| name.get_ref().as_str())
                .collect(),
            granted: Vec::new(),
        }
    }

    /// Returns the grants of the next plugin, and notes every mistake in them under `name`.
    pub(super) fn next(&mut self, name: &str, plugin: &'w written::Plugin, findings: &mut Findings<'_>) -> Grants {
        let kinds = plugin
            .allow
            .iter()
            .filter_map(|word| findings.keep(&word.span(), &format!("{name}: allow"), verdict_kind(word.get_ref())));
        let kinds = kinds.collect();
        let mut grants = Grants { kinds, ..Grants::default() };
        check_bounds(name, plugin, &grants, findings);

        if let Some(mask) = &plugin.mark_mask {
            let read = findings.keep(&mask.span(), &format!("{name}: mark-mask"), mark_mask(mask.get_ref()));
            grants.mark_mask = read.unwrap_or_default();
        }
        for bit in plugin.label_bits.iter().flat_map(Spanned::get_ref) {
            let read = findings.keep(&bit.span(), &format!("{name}: label-bits"), filter::label_bit(*bit.get_ref()));
            grants.label_mask |= read.unwrap_or_default();
        }
        let block_sets = plugin.block_sets.as_ref().map_or(&[][..], |names| names.get_ref());
        let key = format!("{name}: block-sets");
        grants.block_sets = known_sets(&key, &self.block_sets, block_sets, findings, |set| {
            if self.sets.contains(set) {
                format!("[sets.{set}] is not in the firewall; write firewall = true there")
            } else {
                format!("there is no set \"{set}\"; declare [sets.{set}] with firewall = true")
            }
        });
        let key = format!("{name}: read-sets");
        grants.read_sets = known_sets(&key, &self.sets, &plugin.read_sets, findings, |set| {
            format!("there is no set \"{set}\"; declare it as [sets.{set}]")
        });
        self.check_shared(name, plugin, &grants, findings);
        grants
    }

    /// Two plugins that change the same bits would undo each other's work.
    fn check_shared(&mut self, name: &str, plugin: &'w written::Plugin, grants: &Grants, findings: &mut Findings<'_>) {
        for (other, mask, labels) in &self.granted {
            let shared = mask & grants.mark_mask;
            if let (true, Some(written)) = (shared != 0, &plugin.mark_mask) {
                let what = "only one plugin may have a mark bit: remove them from one mark-mask";
                findings.at(
                    &written.span(),
                    format_args!("{name}: mark-mask: the bits {shared:#x} are also granted to plugin {other}; {what}"),
                );
            }
            let shared = labels & grants.label_mask;
            if let (true, Some(written)) = (shared != 0, &plugin.label_bits) {
                let bits: Vec<_> = (0..128u8).filter(|bit| shared >> bit & 1 == 1).map(|bit| bit.to_string()).collect();
                let bits = bits.join(", ");
                let what = "only one plugin may have a label bit: remove them from one label-bits";
                findings.at(
                    &written.span(),
                    format_args!("{name}: label-bits: the bits {bits} are also granted to plugin {other}; {what}"),
                );
            }
        }
        self.granted.push((plugin.name.get_ref(), grants.mark_mask, grants.label_mask));
    }
}

/// Whether a set is mirrored in the packet filter. Only such a set can block.
const fn is_mirrored(set: &written::Set) -> bool {
    set.firewall.is_some() || set.table.is_some()
}

/// Returns the names that are declared, and notes the others.
fn known_sets(
    key: &str,
    declared: &BTreeSet<&str>,
    names: &[Spanned<String>],
    findings: &mut Findings<'_>,
    wrong: impl Fn(&str) -> String,
) -> BTreeSet<SetName> {
    let mut known = BTreeSet::new();
    for name in names {
        let set = name.get_ref().as_str();
        if declared.contains(set) {
            known.insert(SetName(set.to_owned()));
        } else {
            findings.at(&name.span(), format_args!("{key}: {}", wrong(set)));
        }
    }
    known
}

/// Checks kinds of verdicts against the keys that bound them: one without the other grants nothing and is a mistake.
fn check_bounds(name: &str, plugin: &written::Plugin, grants: &Grants, findings: &mut Findings<'_>) {
    let allows = |kind| grants.kinds.contains(kind);
    let blocks = allows(VerdictKind::Block) || allows(VerdictKind::Unblock);
    let bounds = [
        GrantBound::of("mark-mask", "[\"mark\"]", allows(VerdictKind::Mark), plugin.mark_mask.as_ref()),
        GrantBound::of("label-bits", "[\"labels\"]", allows(VerdictKind::Labels), plugin.label_bits.as_ref()),
        GrantBound::of("block-sets", "[\"block\", \"unblock\"]", blocks, plugin.block_sets.as_ref()),
    ];
    for GrantBound { key, kinds, allowed, written } in bounds {
        match written {
            Some((place, _)) if !allowed => {
                let what = format_args!("{name}: {key}: allow lacks {kinds}; add it to allow or remove {key}");
                findings.at(&place, what);
            }
            Some((place, true)) => {
                findings.at(&place, format_args!("{name}: {key}: is empty and grants nothing; name what is granted"));
            }
            None if allowed => {
                let place = plugin.allow.first().map_or_else(|| plugin.name.span(), Spanned::span);
                let what = format_args!("{name}: allow: {kinds} needs {key}, which limits the grant; add {key}");
                findings.at(&place, what);
            }
            Some(_) | None => {}
        }
    }
}

/// The key that bounds a kind of verdict.
struct GrantBound {
    key: &'static str,
    /// The kinds, in the words of `allow`.
    kinds: &'static str,
    /// Whether any of the kinds is allowed.
    allowed: bool,
    /// The position of the key, and whether it grants nothing.
    written: Option<(Range<usize>, bool)>,
}

impl GrantBound {
    fn of<T: IsEmpty>(key: &'static str, kinds: &'static str, allowed: bool, written: Option<&Spanned<T>>) -> Self {
        Self { key, kinds, allowed, written: written.map(|value| (value.span(), value.get_ref().is_empty())) }
    }
}

/// Whether a bound grants nothing.
trait IsEmpty {
    fn is_empty(&self) -> bool;
}

impl<T> IsEmpty for Vec<T> {
    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

impl IsEmpty for Scalar {
    fn is_empty(&self) -> bool {
        mark_mask(self).is_ok_and(|mask| mask == 0)
    }
}
