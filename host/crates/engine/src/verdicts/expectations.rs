//! Verdicts on expectations: each is deleted once, and not where its master or the flow that it expects is protected.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ctwarden_model::{Effect, Expectation, ExpectationKey, Flow, FlowKey, Outcome, Refusal, Tuple};

use crate::ids::GateId;
use crate::verdicts::Verdicts;
use crate::verdicts::claim::Candidate;
use crate::verdicts::guard::{Admission, Admitted, Asked, Cost, Granted, Protection, Request};
use crate::verdicts::lookup::Looked;
use crate::verdicts::protected_flows::{Held, Known};

/// An expectation to be deleted, as the kernel told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) key: ExpectationKey,
    /// Original tuple of the flow that the helper works for.
    pub(crate) master: Tuple,
    /// Whether that flow or the expected one is protected; the master's entry tells where it is not known.
    pub(crate) protected: Held,
}

impl Expected {
    /// Where the master's entry is found. An expectation does not tell the id of its master.
    pub(crate) fn master_key(&self) -> FlowKey {
        FlowKey { id: ctwarden_model::FlowId::default(), zone: self.key.zone, original: self.master }
    }
}

/// All verdicts on one expectation that are merged.
#[derive(Debug)]
pub(crate) struct ExpectationGroup {
    pub(crate) expected: Expected,
    pub(crate) claims: Vec<Candidate>,
    /// Blocks that have to be in place before the expectation is deleted.
    pub(crate) gate: GateId,
}

impl Verdicts {
    /// Whether the expectation belongs to a protected flow, as far as its tuples tell.
    pub(crate) fn expectation_protection(&self, expectation: &Expectation) -> Held {
        let key = expectation.key();
        let tells = |original| self.guard.holds(Known::Key(&FlowKey { id: key.id, zone: key.zone, original }));
        match (tells(expectation.master), tells(expectation.tuple)) {
            (Held::Yes, _) | (_, Held::Yes) => Held::Yes,
            (Held::Unknown, Held::No | Held::Unknown) => Held::Unknown,
            // A plugin protects an entry by its id, which an expectation does not tell of its master.
            (Held::No, Held::No | Held::Unknown) if self.guard.has_plugin_protections() => Held::Unknown,
            // What an expected flow will be beyond its tuple is no property of the expectation.
            (Held::No, Held::No | Held::Unknown) => Held::No,
        }
    }

    pub(crate) fn settle_expectation(&mut self, group: ExpectationGroup) {
        match group.expected.protected {
            Held::Yes => self.conclude_expectation(group, Outcome::Protected),
            Held::Unknown => self.look_up_master(group),
            Held::No => self.delete_expectation(group, None),
        }
    }

    /// The master's entry is known.
    pub(crate) fn master_looked_up(&mut self, group: ExpectationGroup, found: Looked) {
        match found {
            // An expectation ends with its master.
            Looked::Gone => self.conclude_expectation(group, Outcome::Gone),
            Looked::Refused(errno) => self.conclude_expectation(group, Outcome::Refused(Refusal::Kernel(errno))),
            Looked::Found(master) => {
                self.delete_expectation(group, Some(&master));
            }
        }
    }

    fn delete_expectation(&mut self, group: ExpectationGroup, master: Option<&Flow>) {
        let Expected { key, protected, .. } = group.expected;
        let mut ending = BTreeSet::new();
        let (mut winners, mut passed) = (Vec::new(), None);
        for claim in group.claims {
            let Candidate { verdict, plugin, allowed, .. } = claim;
            let protection = self.guard.expectation_protection(protected, master, plugin, self.clock.steady);
            let Protection::Free(unprotected) = protection else {
                self.conclude(verdict, Outcome::Protected);
                continue;
            };
            if !ending.insert(plugin) {
                self.conclude(verdict, Outcome::Superseded);
                continue;
            }
            let (what, cost) = (Admitted::DeleteExpectation(&key), Cost::Change);
            let request = Request { plugin, what, cost, asked: Asked::First, allowed, unprotected };
            match self.guard.admit(request, self.clock, &mut self.records) {
                Admission::Refuse(outcome) => self.conclude(verdict, outcome),
                Admission::Observe => self.conclude(verdict, Outcome::Observed),
                Admission::Enforce(pass) => {
                    winners.push(verdict);
                    passed = Some(pass);
                }
            }
        }
        if let Some(effect) = Granted::new(Effect::DeleteExpectation(key), passed.as_ref()) {
            self.effects.add(effect, winners, &[group.gate]);
        }
    }

    pub(crate) fn conclude_expectation(&mut self, group: ExpectationGroup, outcome: Outcome) {
        for claim in group.claims {
            self.conclude(claim.verdict, outcome);
        }
    }
}
