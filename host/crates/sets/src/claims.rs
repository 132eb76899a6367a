//! All claims on one network: nearly always one, so that one takes no allocation.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ctwarden_model::Timestamp;

use crate::second::Second;
use crate::sources::SourceId;
use crate::{Claim, Note, Service};

/// A claim as the set stores it, in 32 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) source: SourceId,
    pub(crate) service: Option<Service>,
    pub(crate) since: Second,
    pub(crate) until: Second,
    pub(crate) note: Arc<Note>,
}

impl Stored {
    pub(crate) fn new(source: SourceId, service: Option<Service>, claim: Claim) -> Self {
        let (since, until) = (Second::floor(claim.since), Second::end(claim.until));
        Self { source, service, since, until, note: claim.note }
    }

    pub(crate) fn claim(&self) -> Claim {
        Claim { since: self.since.begin(), until: self.until.moment(), note: Arc::clone(&self.note) }
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_over(now)
    }

    fn is(&self, source: SourceId, service: Option<Service>) -> bool {
        self.source == source && self.service == service
    }
}

/// The claims on one network. Each source has at most one for each service and one for all traffic.
#[derive(Clone, Debug)]
pub(crate) enum Claims {
    One(Stored),
    /// Never empty.
    Several(Vec<Stored>),
}

impl Claims {
    pub(crate) fn all(&self) -> &[Stored] {
        match self {
            Self::One(claim) => core::slice::from_ref(claim),
            Self::Several(claims) => claims,
        }
    }

    pub(crate) fn get_mut(&mut self, source: SourceId, service: Option<Service>) -> Option<&mut Stored> {
        let claims = match self {
            Self::One(claim) => core::slice::from_mut(claim),
            Self::Several(claims) => claims,
        };
        claims.iter_mut().find(|claim| claim.is(source, service))
    }

    pub(crate) fn push(&mut self, claim: Stored) {
        match self {
            Self::One(first) => *self = Self::Several(vec![first.clone(), claim]),
            Self::Several(claims) => claims.push(claim),
        }
    }

    /// Splits the claims: those for which `keep` holds, if any, and the others.
    pub(crate) fn split(&self, mut keep: impl FnMut(&Stored) -> bool) -> (Option<Self>, Vec<Stored>) {
        let (mut kept, dropped): (Vec<_>, Vec<_>) = self.all().iter().cloned().partition(|claim| keep(claim));
        let kept = match kept.len() {
            0 => None,
            1 => kept.pop().map(Self::One),
            _ => Some(Self::Several(kept)),
        };
        (kept, dropped)
    }
}
