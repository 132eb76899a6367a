//! One rule: read, checked and compiled.
#![allow(clippy::wildcard_enum_match_arm, reason = "only a lookup requires membership")]

use serde_json::{Map, Value};

use crate::compile::{Compiler, Conjunct};
use crate::counters::Counter;
use crate::domain::Domain;
use crate::expression::{Expression, Fault};
use crate::filter::Filter;
use crate::flow::{Flow, Kind, Source};
use crate::lookups::Lookups;
use crate::matching::{self, Matching};
use crate::predicate::Predicate;
use crate::problem::Step;
use crate::reader::{Reader, shown};
use crate::suggest::choices;
use crate::then::{self, Then};
use crate::threshold::{self, Measure, Threshold};

const KEYS: [&str; 6] = ["name", "comment", "match", "when", "on", "every"];
/// How often the flows that exist are judged by a condition that changes with time or traffic, unless `every` says so.
const EVERY: u32 = 60;
/// The bounds of `every` in seconds.
const EVERY_BOUNDS: (u32, u32) = (10, 86_400);
const KINDS: [(&str, Kind); 4] =
    [("new", Kind::New), ("row", Kind::Row), ("update", Kind::Update), ("destroy", Kind::Destroy)];

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    name: String,
    condition: Predicate,
    filter: Filter,
    kinds: Vec<Kind>,
    every: Option<u32>,
    threshold: Option<Threshold>,
    /// Index of the threshold's counter.
    counter: usize,
    then: Then,
    reads: Vec<String>,
    /// One of these sets must have an address of the flow.
    member_of: Option<Vec<String>>,
}

impl Rule {
    /// Returns the name, which is the code of the rule's verdicts.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the condition that the host can apply before it delivers a flow.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns the kinds of entries that the rule judges.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Returns after how many seconds the flows that exist are judged again. `None`: only when something requires a sweep.
    #[must_use]
    pub const fn every(&self) -> Option<u32> {
        self.every
    }

    /// Returns how much must be counted for the rule to apply. `None`: it applies to every flow of its condition.
    #[must_use]
    pub const fn threshold(&self) -> Option<&Threshold> {
        self.threshold.as_ref()
    }

    pub(crate) const fn counter(&self) -> usize {
        self.counter
    }

    /// Returns what the rule does.
    #[must_use]
    pub const fn then(&self) -> &Then {
        &self.then
    }

    /// Returns the sets that the rule reads.
    #[must_use]
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Returns the sets of the rule, if the rule applies only to flows with an address in one of these sets.
    #[must_use]
    pub fn member_of(&self) -> Option<&[String]> {
        self.member_of.as_deref()
    }

    /// Whether the condition holds for the flow. `None` if the flow lacks a field, so that the rule does not apply.
    pub fn holds(&self, flow: &Flow, source: &mut impl Source) -> Option<bool> {
        self.condition.holds(flow, source)
    }
}

/// What the rules of one configuration share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) lookups: Lookups,
    pub(crate) counters: Vec<Counter>,
}

/// Reads a rule. `None` if it has a mistake, which the reader notes.
pub(crate) fn read(reader: &mut Reader, table: &Map<String, Value>, shared: &mut Shared) -> Option<Rule> {
    let before = reader.problems.len();
    let name = name(reader, table).unwrap_or_default();
    reader.only(table, &[KEYS.as_slice(), &threshold::KEYS, &["then"]].concat());
    reader.key(table, "comment", |reader, value| reader.text(value).map(str::to_owned));
    let matching = reader
        .key(table, "match", |reader, value| matching::read(reader, value, &mut shared.lookups))
        .unwrap_or_default();
    let threshold = threshold::read(reader, table, &name);
    let then = reader.key(table, "then", then::read);
    if !table.contains_key("then") {
        reader.note("then is missing; write for example then = \"alert\"");
    }
    let kinds = kinds(reader, table, threshold.as_ref(), then.as_ref());
    let every = every(reader, table, &kinds, threshold.is_some());
    // A `match` with a mistake would make the conditions of `when` look wrong too.
    let sound = reader.problems.len() == before;
    let mut domain = Domain::default();
    let mut parts = Vec::new();
    if sound {
        for (key, predicate) in &matching.parts {
            if let Err(what) = domain.require(predicate) {
                reader.at(Step::Key("match".to_owned()), |reader| {
                    reader.at(Step::Key((*key).to_owned()), |reader| reader.note(what));
                });
            }
        }
    }
    parts.extend(matching.parts.iter().map(|(_, predicate)| predicate.clone()));
    let when = reader.key(table, "when", |reader, value| {
        when(reader, value, &matching, &mut shared.lookups, sound.then_some(&mut domain))
    });
    parts.extend(when.into_iter().flatten());
    if reader.problems.len() > before {
        return None;
    }
    let counter = shared.counters.len();
    shared.counters.extend(threshold.as_ref().map(|threshold| threshold.counter.clone()));
    let member_of = member_of(&matching, &parts, &shared.lookups);
    let mut reads: Vec<String> = Vec::new();
    for lookup in lookups_of(&parts) {
        if let Some(lookup) = shared.lookups.0.get(lookup)
            && !reads.contains(&lookup.set)
        {
            reads.push(lookup.set.clone());
        }
    }
    let filter = Filter::of(&domain, &matching.either, matching.labels);
    let condition = Predicate::all(parts);
    let judges_rows = threshold.is_none() && kinds.contains(&Kind::Row);
    let every = every.or_else(|| (judges_rows && condition.passes()).then_some(EVERY));
    Some(Rule { name, condition, filter, kinds, every, threshold, counter, then: then?, reads, member_of })
}

fn name(reader: &mut Reader, table: &Map<String, Value>) -> Option<String> {
    if !table.contains_key("name") {
        reader.note("name is missing; write for example name = \"port-scan\"");
    }
    let name = reader.key(table, "name", |reader, value| {
        let name = reader.text(value)?;
        let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !good || !(1..=64).contains(&name.len()) {
            reader.note(format!("{} is not a name; use 1 to 64 letters, digits or -", shown(value)));
            return None;
        }
        Some(name.to_owned())
    })?;
    reader.rule = Some(name.clone());
    Some(name)
}

fn kinds(
    reader: &mut Reader,
    table: &Map<String, Value>,
    threshold: Option<&Threshold>,
    then: Option<&Then>,
) -> Vec<Kind> {
    let fixed = threshold.map(|threshold| match threshold.measure {
        Measure::Count | Measure::Distinct(_) => vec![Kind::New],
        Measure::Bytes | Measure::Packets => vec![Kind::Row, Kind::Destroy],
    });
    let written = reader.key(table, "on", |reader, value| {
        reader.list(value, |reader, kind| {
            let word = reader.text(kind)?;
            let found = KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
            if found.is_none() {
                let known = KINDS.map(|(known, _)| known);
                let choices = choices(word, &known, "the kinds are");
                reader.note(format!("\"{word}\" is no kind of entry{choices}"));
            }
            found
        })
    });
    match (written, fixed) {
        (Some(_), Some(_)) => {
            reader.at(Step::Key("on".to_owned()), |reader| {
                reader.note("a rule that counts chooses the kinds itself; remove on");
            });
            Vec::new()
        }
        (Some(kinds), None) => {
            if kinds.iter().all(|kind| *kind == Kind::Destroy) && then.is_some_and(Then::touches_flow) {
                reader.at(Step::Key("on".to_owned()), |reader| {
                    reader.note("a flow that has ended cannot be changed; use alert, log or block, or add \"new\"");
                });
            }
            kinds
        }
        (None, Some(kinds)) => kinds,
        (None, None) => vec![Kind::New, Kind::Row],
    }
}

fn every(reader: &mut Reader, table: &Map<String, Value>, kinds: &[Kind], counts: bool) -> Option<u32> {
    reader.key(table, "every", |reader, value| {
        let seconds = reader.seconds(value)?;
        let (least, most) = EVERY_BOUNDS;
        if counts {
            reader.note("a rule that counts chooses the time between sweeps itself; remove every");
        } else if !kinds.contains(&Kind::Row) {
            reader.note("the rule does not judge flows that exist; add \"row\" to on, or remove every");
        } else if !(least..=most).contains(&seconds) {
            reader.note(format!("{} is not from 10s to 1d; write for example every = \"1m\"", shown(value)));
        }
        Some(seconds)
    })
}

fn when(
    reader: &mut Reader,
    value: &Value,
    matching: &Matching,
    lookups: &mut Lookups,
    domain: Option<&mut Domain>,
) -> Option<Vec<Predicate>> {
    let text = reader.text(value)?;
    let compiled = Expression::parse(text).and_then(|expression| {
        let mut compiler = Compiler { expression: &expression, lookups, protocols: &matching.protocols };
        compiler.conjuncts(&expression.root)
    });
    let conjuncts = match compiled {
        Ok(conjuncts) => conjuncts,
        Err(fault) => {
            reader.fault(text, fault);
            return None;
        }
    };
    if let Some(domain) = domain {
        for Conjunct { predicate, at } in &conjuncts {
            if *predicate == Predicate::Constant(true) {
                let what = "this is always true; remove it".to_owned();
                reader.fault(text, Fault { at: *at, what });
            } else if let Err(what) = domain.require(predicate) {
                reader.fault(text, Fault { at: *at, what });
            }
        }
    }
    Some(conjuncts.into_iter().map(|conjunct| conjunct.predicate).collect())
}

/// Returns the sets of the first condition that requires membership in one.
fn member_of(matching: &Matching, parts: &[Predicate], lookups: &Lookups) -> Option<Vec<String>> {
    if !matching.sets.is_empty() {
        return Some(matching.sets.clone());
    }
    parts.iter().find_map(|part| match part {
        Predicate::Listed(lookup) | Predicate::ListedAs(lookup, _) => {
            lookups.0.get(*lookup).map(|lookup| vec![lookup.set.clone()])
        }
        _ => None,
    })
}

fn lookups_of(parts: &[Predicate]) -> Vec<usize> {
    let mut found = Vec::new();
    for part in parts {
        match part {
            Predicate::Listed(lookup) | Predicate::ListedAs(lookup, _) => found.push(*lookup),
            Predicate::Not(inner) => found.extend(lookups_of(std::slice::from_ref(inner))),
            Predicate::All(parts) | Predicate::Any(parts) => found.extend(lookups_of(parts)),
            Predicate::If(parts) => found.extend(lookups_of(&**parts)),
            Predicate::Constant(_)
            | Predicate::Within(..)
            | Predicate::Among(..)
            | Predicate::Bits { .. }
            | Predicate::Compare(..)
            | Predicate::Network4 { .. }
            | Predicate::Network6 { .. }
            | Predicate::Networks(..)
            | Predicate::Same(..)
            | Predicate::Helper(_)
            | Predicate::HasHelper
            | Predicate::Label(_)
            | Predicate::Labels(_)
            | Predicate::HasLabels
            | Predicate::Has(_) => {}
        }
    }
    found
}
