//! Compares the needs of a configured plugin with its requests and its grants.

use std::collections::BTreeSet;

use ctwarden_model::{Grants, Mode, SetName, Subscription, VerdictKind, VerdictKinds};

/// Names of sections that grants refer to.
pub(super) struct Declared<'a> {
    /// Names of `[sets.NAME]` sections.
    pub(super) sets: BTreeSet<&'a SetName>,
    /// Names of the sets that are mirrored in the packet filter.
    pub(super) block_sets: BTreeSet<&'a SetName>,
}

/// Compares the needs of the configured plugin with its requests and its grants. Returns one line for each missing
/// grant. A plugin that enforces without a needed grant would seem to do its work, so it is refused. A plugin that
/// observes changes nothing, so its operator is warned.
///
/// # Errors
/// The reasons why the plugin must not start.
pub(super) fn check_needs(
    mode: Mode,
    grants: &Grants,
    wants: VerdictKinds,
    subscription: &Subscription,
    declared: &Declared<'_>,
) -> Result<Vec<String>, Vec<String>> {
    let foreign = subscription.needs.without(wants);
    if !foreign.is_empty() {
        let foreign = names(foreign);
        return Err(vec![format!(
            "its subscription needs {foreign}, which its descriptor does not list; tell the plugin's author"
        )]);
    }
    let mut missing: Vec<String> = missing_kinds(grants, subscription).into_iter().collect();
    let reach = &subscription.reach;
    let bits = reach.mark_bits & !grants.mark_mask;
    if bits != 0 {
        let all = grants.mark_mask | reach.mark_bits;
        missing.push(format!(
            "its configuration changes the mark bits {bits:#x}, which are not granted; write mark-mask = {all:#x} in its \
             [[plugin]], or change them in its [plugin.config]"
        ));
    }
    let bits = reach.label_bits & !grants.label_mask;
    if bits != 0 {
        let (lacking, all) = (numbers(bits), numbers(grants.label_mask | reach.label_bits));
        missing.push(format!(
            "its configuration changes the label bits {lacking}, which are not granted; write label-bits = [{all}] in its \
             [[plugin]], or change them in its [plugin.config]"
        ));
    }
    let of_blocks = NamedSets {
        verb: "blocks in",
        key: "block-sets",
        with: " with firewall = true",
        declared: &declared.block_sets,
    };
    missing.extend(of_blocks.missing(&reach.block_sets, &grants.block_sets));
    let of_reads = NamedSets { verb: "reads", key: "read-sets", with: "", declared: &declared.sets };
    missing.extend(of_reads.missing(&subscription.read_sets(), &grants.read_sets));
    match mode {
        Mode::Enforce if !missing.is_empty() => Err(missing),
        Mode::Enforce | Mode::Observe => Ok(missing),
    }
}

fn missing_kinds(grants: &Grants, subscription: &Subscription) -> Option<String> {
    let missing = subscription.needs.without(grants.kinds);
    if missing.is_empty() {
        return None;
    }
    let verb = if missing.iter().count() == 1 { "is" } else { "are" };
    let granted = VerdictKind::ALL.into_iter().filter(|kind| grants.kinds.contains(*kind) || missing.contains(*kind));
    let allow: Vec<&str> = granted.map(VerdictKind::name).collect();
    let blocks = missing.contains(VerdictKind::Block) || missing.contains(VerdictKind::Unblock);
    let bounds: Vec<&str> = [
        ("mark-mask", missing.contains(VerdictKind::Mark)),
        ("label-bits", missing.contains(VerdictKind::Labels)),
        ("block-sets", blocks && grants.block_sets.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, needed)| needed.then_some(key))
    .collect();
    let bounds = if bounds.is_empty() { String::new() } else { format!(" with {}", bounds.join(" and ")) };
    let missing = names(missing);
    Some(format!(
        "its configuration needs {missing}, which {verb} not granted; write allow = {allow:?}{bounds} in its [[plugin]]"
    ))
}

/// Address sets or block sets, with the words for messages about them.
struct NamedSets<'a> {
    verb: &'static str,
    key: &'static str,
    /// What a declaration needs beside the name.
    with: &'static str,
    declared: &'a BTreeSet<&'a SetName>,
}

impl NamedSets<'_> {
    /// Returns a line for each needed set that is not granted.
    fn missing<'s>(
        &'s self,
        needed: &'s BTreeSet<SetName>,
        granted: &'s BTreeSet<SetName>,
    ) -> impl Iterator<Item = String> + 's {
        let Self { verb, key, with, declared } = self;
        needed.difference(granted).map(move |set| {
            if declared.contains(set) {
                let all: Vec<String> = granted.iter().chain([set]).map(ToString::to_string).collect();
                format!(
                    "its configuration {verb} the set {set}, which is not granted; write {key} = {all:?} in its [[plugin]]"
                )
            } else {
                let nearest = nearest(set, declared.iter().copied());
                let meant = nearest.map_or_else(|| ";".to_owned(), |name| format!("; did you mean {name}?"));
                format!(
                    "its configuration {verb} the set {set}, and there is no [sets.{set}]{with}{meant} correct the name in \
                     its [plugin.config], or declare [sets.{set}]{with} and add it to its {key}"
                )
            }
        })
    }
}

/// Returns the most similar name, if any is similar.
fn nearest<'a>(name: &SetName, names: impl Iterator<Item = &'a SetName>) -> Option<&'a SetName> {
    let likeness = |other: &SetName| strsim::jaro(&name.0, &other.0);
    names.filter(|other| likeness(other) > 0.8).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

fn numbers(bits: u128) -> String {
    (0..128_u8).filter(|bit| bits >> bit & 1 == 1).map(|bit| bit.to_string()).collect::<Vec<_>>().join(", ")
}

/// Joins the names of kinds for a message.
pub(crate) fn names(kinds: VerdictKinds) -> String {
    kinds.iter().map(VerdictKind::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use ctwarden_model::Reach;

    use super::*;

    fn kinds<const N: usize>(kinds: [VerdictKind; N]) -> VerdictKinds {
        kinds.into_iter().collect()
    }

    fn granted<const N: usize>(allow: [VerdictKind; N]) -> Grants {
        Grants { kinds: kinds(allow), ..Grants::default() }
    }

    fn needing<const N: usize>(needs: [VerdictKind; N]) -> Subscription {
        Subscription { needs: kinds(needs), ..Subscription::default() }
    }

    fn named<const N: usize>(names: [&str; N]) -> BTreeSet<SetName> {
        names.into_iter().map(|name| SetName(name.to_owned())).collect()
    }

    const ALL: [VerdictKind; 11] = VerdictKind::ALL;

    /// Checks with the sets `bad` and `worse` declared, both as address sets and as block sets.
    fn check(mode: Mode, grants: &Grants, subscription: &Subscription) -> Result<Vec<String>, Vec<String>> {
        let names = named(["bad", "worse"]);
        let declared = Declared { sets: names.iter().collect(), block_sets: names.iter().collect() };
        check_needs(mode, grants, kinds(ALL), subscription, &declared)
    }

    /// Returns the warnings of an observing plugin. An enforcing plugin must be refused for the same reasons.
    fn lacks(grants: &Grants, subscription: &Subscription) -> Vec<String> {
        let warned = check(Mode::Observe, grants, subscription).unwrap();
        let refused = check(Mode::Enforce, grants, subscription);
        assert_eq!(refused, if warned.is_empty() { Ok(Vec::new()) } else { Err(warned.clone()) });
        warned
    }

    #[test]
    fn what_is_granted_is_enough() {
        use VerdictKind::{Alert, Delete};
        assert!(lacks(&granted([Delete, Alert]), &needing([Alert])).is_empty());
        assert!(lacks(&granted([]), &needing([])).is_empty());
        let grants = Grants {
            mark_mask: 0xff,
            label_mask: 0b110,
            block_sets: named(["bad", "worse"]),
            read_sets: named(["bad"]),
            ..granted([])
        };
        let reach =
            Reach { mark_bits: 0x30, label_bits: 0b10, block_sets: named(["worse"]), read_sets: named(["bad"]) };
        let sets = vec![SetName("bad".to_owned())];
        assert!(lacks(&grants, &Subscription { reach, sets, ..needing([]) }).is_empty());
    }

    #[test]
    fn who_enforces_without_a_grant_is_refused_and_who_observes_warned() {
        use VerdictKind::{Alert, Block, Delete, Labels, Mark, Unblock};
        let with_sets = Grants { block_sets: named(["bad"]), ..granted([Alert, Block]) };
        for (grants, subscription, told) in [
            (
                granted([Alert]),
                needing([Alert, Delete]),
                "needs delete, which is not granted; write allow = [\"delete\", \"alert\"] in its [[plugin]]",
            ),
            (
                granted([]),
                needing([Mark, Labels]),
                "needs mark, labels, which are not granted; write allow = [\"mark\", \"labels\"] with mark-mask and \
                 label-bits in its [[plugin]]",
            ),
            (
                granted([]),
                needing([Block]),
                "needs block, which is not granted; write allow = [\"block\"] with block-sets in its [[plugin]]",
            ),
            (
                with_sets,
                needing([Block, Unblock]),
                "needs unblock, which is not granted; write allow = [\"alert\", \"block\", \"unblock\"] in its [[plugin]]",
            ),
        ] {
            assert_eq!(lacks(&grants, &subscription), [format!("its configuration {told}")]);
        }
    }

    #[test]
    fn how_far_verdicts_go_is_compared_with_how_far_they_may() {
        let grants = Grants {
            mark_mask: 0x0f,
            label_mask: 0b10,
            block_sets: named(["bad"]),
            read_sets: named(["bad"]),
            ..granted([])
        };
        let reach = Reach {
            mark_bits: 0x31,
            label_bits: 1 << 127 | 0b11,
            block_sets: named(["bad", "worse", "wors"]),
            read_sets: named(["bad"]),
        };
        let subscription =
            Subscription { reach, sets: vec![SetName("worse".into()), SetName("xyz".into())], ..needing([]) };
        let told = lacks(&grants, &subscription);
        for (line, begin, end) in [
            (0, "its configuration changes the mark bits 0x30, which are not granted", "write mark-mask = 0x3f in its"),
            (
                1,
                "its configuration changes the label bits 0, 127, which are not",
                "write label-bits = [0, 1, 127] in its",
            ),
            (
                2,
                "its configuration blocks in the set wors, and there is no [sets.wors] with firewall = true; did you mean worse?",
                "correct",
            ),
            (3, "its configuration blocks in the set worse, which is not granted", "block-sets = [\"bad\", \"worse\"]"),
            (4, "its configuration reads the set worse, which is not granted", "read-sets = [\"bad\", \"worse\"]"),
            (5, "its configuration reads the set xyz, and there is no [sets.xyz];", "declare [sets.xyz]"),
        ] {
            assert!(told[line].starts_with(begin) && told[line].contains(end), "{}", told[line]);
        }
        assert_eq!(told.len(), 6);
    }

    #[test]
    fn nobody_needs_what_he_does_not_ask_for() {
        use VerdictKind::{Alert, Delete};
        let told = "its subscription needs delete, which its descriptor does not list; tell the plugin's author";
        let declared = Declared { sets: BTreeSet::new(), block_sets: BTreeSet::new() };
        for mode in [Mode::Enforce, Mode::Observe] {
            let subscription = needing([Alert, Delete]);
            let refused = check_needs(mode, &granted(ALL), kinds([Alert]), &subscription, &declared);
            assert_eq!(refused, Err(vec![told.to_owned()]));
        }
    }
}
