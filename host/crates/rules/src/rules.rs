//! All rules of a configuration.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::counters::Counter;
use crate::lookups::Lookup;
use crate::problem::{Problem, Problems, Step};
use crate::reader::Reader;
use crate::rule::{self, Rule, Shared};

/// Greatest number of rules. Every flow meets every rule.
const MOST: usize = 256;
/// Greatest number of rules that count. The host keeps at most this many counters for a plugin.
const COUNTING: usize = 16;

/// Rules in their order.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    lookups: Vec<Lookup>,
    counters: Vec<Counter>,
}

/// Says whether a set may be read or blocked in. The error says why not, and what to do.
pub type SetCheck<'c> = &'c dyn Fn(&str) -> Result<(), String>;

impl Rules {
    /// Reads the rules of a configuration: a table with the key `rule`, a list of tables. `read_set` checks every set
    /// that a rule reads.
    ///
    /// # Errors
    /// Every mistake, with its rule, key and column.
    pub fn read(value: &Value, read_set: SetCheck<'_>) -> Result<Self, Problems> {
        let mut reader = Reader::default();
        let rules = read(&mut reader, value, read_set);
        match rules {
            Some(rules) if reader.problems.is_empty() => Ok(rules),
            Some(_) | None => Err(Problems(reader.problems)),
        }
    }

    /// Returns the rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns which addresses of a flow are looked up in which sets.
    #[must_use]
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// Returns the counters that the rules add to.
    #[must_use]
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// Returns the sets that any rule reads, each once.
    #[must_use]
    pub fn reads(&self) -> BTreeSet<&str> {
        self.rules.iter().flat_map(Rule::reads).map(String::as_str).collect()
    }
}

fn read(reader: &mut Reader, value: &Value, read_set: SetCheck<'_>) -> Option<Rules> {
    let table = reader.table(value)?;
    reader.only(table, &["rule"]);
    let Some(list) = table.get("rule") else {
        reader.note("there is no rule; begin each with [[plugin.config.rule]], or [[rule]] in a file of rules");
        return None;
    };
    let mut shared = Shared::default();
    let mut rules: Vec<Rule> = Vec::new();
    let mut names = BTreeSet::new();
    reader.path.push(Step::Key("rule".to_owned()));
    let items = list.as_array().map(Vec::as_slice);
    if items.is_none_or(<[Value]>::is_empty) {
        reader.note("this is not a list of rules; begin each with [[rule]]");
    }
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        reader.rule = None;
        reader.at(Step::Index(index), |reader| {
            let Some(table) = reader.table(item) else { return };
            let looked_up = shared.lookups.0.len();
            let rule = rule::read(reader, table, &mut shared);
            if let Some(name) = reader.rule.clone()
                && !names.insert(name)
            {
                let what = "another rule has this name; choose another";
                reader.at(Step::Key("name".to_owned()), |reader| reader.note(what));
            }
            check_sets(reader, shared.lookups.0.get(looked_up..).unwrap_or_default(), table, read_set);
            rules.extend(rule);
        });
    }
    reader.rule = None;
    if rules.len() > MOST {
        reader.note(format!("there are {} rules, more than {MOST}; join some with in, or use a set", rules.len()));
    }
    if shared.counters.len() > COUNTING {
        let many = shared.counters.len();
        reader.note(format!("{many} rules count (per), more than {COUNTING}; join some, or use a second plugin"));
    }
    reader.path.pop();
    Some(Rules { rules, lookups: shared.lookups.0, counters: shared.counters })
}

/// Notes every new set that cannot be read, at the place that names it.
fn check_sets(reader: &mut Reader, added: &[Lookup], table: &serde_json::Map<String, Value>, read_set: SetCheck<'_>) {
    let sets: BTreeSet<&str> = added.iter().map(|lookup| lookup.set.as_str()).collect();
    for set in sets {
        let Err(why) = read_set(set) else { continue };
        let listed = table.get("match").and_then(|written| written.get("sets")).and_then(Value::as_array);
        let index = listed.and_then(|sets| sets.iter().position(|listed| listed.as_str() == Some(set)));
        if let Some(index) = index {
            let path = [Step::Key("match".to_owned()), Step::Key("sets".to_owned()), Step::Index(index)];
            let path = reader.path.iter().cloned().chain(path).collect();
            reader.problems.push(Problem { rule: reader.rule.clone(), path, place: None, what: why });
        } else {
            let text = table.get("when").and_then(Value::as_str).unwrap_or_default();
            let at = text.find(set);
            reader.at(Step::Key("when".to_owned()), |reader| {
                reader.fault(text, crate::expression::Fault { at, what: why });
            });
        }
    }
}
