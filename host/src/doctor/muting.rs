//! Whether rules prevent entries from sending events of their begin or end.
//!
//! `nf_conntrack_events` alone does not decide: a rule can give an entry a mask of the events that it sends. The kernel
//! sends no other events of that entry. Policies then miss flows, and so does the replica.

use super::finding::Finding;
use super::tracking::Rules;

/// `rules` is `None` if the rules cannot be read.
pub(super) fn judge(rules: Option<&Rules>) -> Finding {
    let name = "event_rules";
    match rules.map(|rules| rules.muting) {
        None => Finding::note(name, "unknown", "cannot determine whether a rule prevents entries from sending events"),
        Some(0) => Finding::good(name, "no rule mutes entries", "nf_conntrack_events applies to every entry"),
        Some(count) => Finding::note(
            name,
            if count == 1 { "1 rule mutes entries".to_owned() } else { format!("{count} rules mute entries") },
            "a rule with `ct event set`, or -j CT --ctevents in iptables, omits new, related or destroy: these flows \
             begin or end without an event, so policies and the replica see them only in sweeps; name all three in the \
             rule",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn rules_that_mute_are_to_be_known() {
        let judged = |muting| judge(Some(&Rules { muting, ..Rules::default() }));
        assert_eq!(judged(0).verdict, Verdict::Good);
        assert_eq!((judged(1).verdict, judged(1).value.as_str()), (Verdict::Note, "1 rule mutes entries"));
        assert_eq!(judged(3).value, "3 rules mute entries");
        assert!(judged(1).follows.contains("name all three"));
        assert_eq!((judge(None).verdict, judge(None).value.as_str()), (Verdict::Note, "unknown"));
    }
}
