//! What the records say about a change: one record for each source, reason and end.

use std::collections::BTreeMap;

use ctwarden_model::{ClaimsChange, ClaimsChangeKind, Member, SetName, Timestamp};
use ctwarden_sets::{Claim, Source};

type Key = (SetName, Source, ClaimsChangeKind, String, Option<Timestamp>);

/// Changed claims, gathered for the records.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Key, (Vec<Member>, u64)>);

impl Told {
    /// Notes that a claim has changed.
    pub(super) fn note(
        &mut self,
        set: &SetName,
        source: &Source,
        what: ClaimsChangeKind,
        member: Member,
        claim: &Claim,
    ) {
        let until = match what {
            ClaimsChangeKind::Added => claim.until,
            ClaimsChangeKind::Removed | ClaimsChangeKind::Ended | ClaimsChangeKind::Evicted => None,
        };
        let key = (set.clone(), source.clone(), what, claim.note.reason.clone(), until);
        let (members, count) = self.0.entry(key).or_default();
        *count = count.saturating_add(1);
        if members.len() < ClaimsChange::SHOWN {
            members.push(member);
        }
    }

    /// Takes what concerns one set.
    pub(crate) fn take(&mut self, set: &SetName) -> Self {
        Self(self.0.extract_if(.., |(name, ..), _| name == set).collect())
    }

    /// The changes, as the records have them.
    pub(crate) fn into_changes(self) -> impl Iterator<Item = ClaimsChange> {
        self.0.into_iter().map(|((set, source, what, reason, until), (members, count))| ClaimsChange {
            set,
            source: source.to_string(),
            what,
            members: members.into_boxed_slice(),
            count,
            until,
            reason,
        })
    }
}
