//! Applies rules to batches of flows: the state between flows, and when the counters are asked.

use crate::additions::Additions;
use crate::case::{Acted, Case};
use crate::counters::Counters;
use crate::decision::Decision;
use crate::flow::{Flow, Source};
use crate::returns::Memory;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::threshold::Measure;
use crate::totals::Totals;

/// Rules at work.
///
/// The caller shows every flow of a batch to [`look`](Self::look), and then asks [`decide`](Self::decide) for the
/// decisions on the batch. So each counter is asked once for a batch.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    totals: Totals,
    /// Whether any rule counts bytes or packets.
    volumes: bool,
    acted: Acted,
    /// Flows of the batch to which a rule may apply, with their place.
    flows: Vec<(usize, Flow)>,
    /// Rules that may apply to these flows, in order.
    candidates: Vec<Candidate>,
    additions: Additions,
    /// Flows that could not be counted, and why the last of them could not.
    uncounted: (u64, String),
}

/// A rule whose condition holds for a flow.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Index in the judge's flows.
    flow: usize,
    rule: usize,
    /// Index of the flow's addition to the rule's counter.
    addition: Option<usize>,
}

/// What the judge may use: the values of a flow, counters and memory.
pub struct Tools<'t, S, C, M> {
    /// Values of the flow.
    pub source: &'t mut S,
    /// Counters.
    pub counters: &'t mut C,
    /// Memory.
    pub memory: &'t mut M,
}

impl Judge {
    /// Puts rules to work.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let volume = |rule: &Rule| {
            rule.threshold().is_some_and(|threshold| matches!(threshold.measure, Measure::Bytes | Measure::Packets))
        };
        let volumes = rules.rules().iter().any(volume);
        let additions = Additions::new(rules.counters());
        Self {
            rules,
            totals: Totals::default(),
            volumes,
            acted: Acted::new(),
            flows: Vec::new(),
            candidates: Vec::new(),
            additions,
            uncounted: (0, String::new()),
        }
    }

    /// Returns the rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Evaluates the conditions of the rules for the flow at this place of the batch.
    pub fn look(&mut self, place: usize, flow: Flow, source: &mut impl Source) {
        let volume = if self.volumes { self.totals.since_last(&flow) } else { None };
        let before = self.candidates.len();
        for (index, rule) in self.rules.rules().iter().enumerate() {
            if !rule.kinds().contains(&flow.kind) || rule.holds(&flow, source) != Some(true) {
                continue;
            }
            let addition = match rule.threshold() {
                None => None,
                Some(threshold) => match self.additions.add(rule.counter(), threshold, &flow, volume) {
                    None => continue,
                    added @ Some(_) => added,
                },
            };
            self.candidates.push(Candidate { flow: self.flows.len(), rule: index, addition });
        }
        if self.candidates.len() > before {
            self.flows.push((place, flow));
        }
    }

    /// Counts the flows that were looked at since the last call, and adds what the rules decide.
    pub fn decide<S: Source, C: Counters, M: Memory>(
        &mut self,
        tools: &mut Tools<'_, S, C, M>,
        decisions: &mut Vec<Decision>,
    ) {
        let failed = self.additions.count(tools.counters);
        if let Some((flows, why)) = failed {
            self.uncounted = (self.uncounted.0.saturating_add(flows), why);
        }
        for candidate in self.candidates.drain(..) {
            let (Some((place, flow)), Some(rule)) =
                (self.flows.get(candidate.flow), self.rules.rules().get(candidate.rule))
            else {
                continue;
            };
            let reached = match (rule.threshold(), candidate.addition) {
                (Some(threshold), Some(addition)) => {
                    let counted = self.additions.counted(rule.counter(), addition);
                    let Some(reached) = counted.filter(|(_, value)| *value >= threshold.least) else { continue };
                    Some(reached)
                }
                (Some(_), None) => continue,
                (None, _) => None,
            };
            let case = Case { place: *place, index: candidate.rule, rule, flow, reached };
            tools.source.turn_to(*place);
            case.touch_flow(tools.source, decisions);
            case.tell(&mut self.acted, tools.memory, decisions);
        }
        self.flows.clear();
        self.additions.clear();
    }

    /// A sweep of every flow begins.
    pub const fn sweep_begins(&mut self) {
        self.totals.sweep_begins();
    }

    /// A sweep of every flow ended. It was complete.
    pub fn sweep_ends(&mut self) {
        self.totals.sweep_ends();
    }

    /// Forgets what is old.
    pub fn tidy(&mut self, now: u64) {
        self.acted.retain(|_, until| *until > now);
    }

    /// Returns how many flows were not counted since the last call, and why the last of them was not.
    pub fn uncounted(&mut self) -> Option<(u64, String)> {
        let uncounted = std::mem::take(&mut self.uncounted);
        (uncounted.0 > 0).then_some(uncounted)
    }
}
