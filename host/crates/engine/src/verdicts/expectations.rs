//! Verdicts on expectations. Each expectation is deleted once, and only if neither its master nor the expected flow is
//! protected.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ctwarden_model::{Effect, Expectation, Flow, FlowKey, Known, Outcome, Refusal, Truth};

use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Candidate, ExpectationGroup, Expected};
use crate::verdicts::guard::{Admission, Admitted, Asked, Cost, Granted, Protection, Request};
use crate::verdicts::lookup::Looked;

impl Verdicts {
    /// Whether the expectation belongs to a protected flow, as far as its tuples tell.
    pub(crate) fn expectation_protection(&self, expectation: &Expectation) -> Truth {
        let key = expectation.key();
        let tells = |original| self.guard.holds(Known::Key(&FlowKey { id: key.id, zone: key.zone, original }));
        match (tells(expectation.master), tells(expectation.tuple)) {
            (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
            (Truth::Unknown, Truth::No | Truth::Unknown) => Truth::Unknown,
            // A plugin protects an entry by its id. An expectation does not carry the id of its master.
            (Truth::No, Truth::No | Truth::Unknown) if self.guard.has_plugin_protections() => Truth::Unknown,
            // Fields of the expected flow beyond its tuple are not properties of the expectation.
            (Truth::No, Truth::No | Truth::Unknown) => Truth::No,
        }
    }

    pub(crate) fn settle_expectation(&mut self, group: ExpectationGroup) {
        match group.expected.protected {
            Truth::Yes => self.conclude_expectation(group, Outcome::Protected),
            Truth::Unknown => self.look_up_master(group),
            Truth::No => self.delete_expectation(group, None),
        }
    }

    /// Continues when the lookup of the master's entry is answered.
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
