//! Which parts of filters the kernel applies, and which parts are left to ctwarden.
//!
//! `check` and `explain` show it. This module decides nothing: as in the daemon, the codec's filters give what the
//! kernel applies.

use std::collections::BTreeSet;

use ctwarden_model::{Filter, FilterPart};
use ctwarden_wire::{EventFilter, KernelFilter};
use serde_json::{Value, json};

/// A set of filter parts.
pub(super) type Parts = BTreeSet<FilterPart>;

/// What the event filter does.
pub(super) struct EventSplit {
    /// Length of the event filter.
    pub(super) instructions: usize,
    /// Parts that the event filter tests.
    pub(super) kernel: Parts,
    /// Parts that are left to ctwarden.
    pub(super) left: Parts,
}

impl EventSplit {
    /// For events of flows that match any of the filters; `None` if every event passes.
    pub(super) fn of(filters: &[Filter]) -> Option<Self> {
        let program = EventFilter::of(filters)?;
        Some(Self {
            instructions: program.instructions().len(),
            kernel: parts(filters, can_be_heard),
            left: parts(filters, |filter, part| filter.has(part) && !can_be_heard(filter, part)),
        })
    }

    /// The JSON form, with stable names.
    pub(super) fn to_json(&self) -> Value {
        json!({ "kernel": names(&self.kernel), "left": names(&self.left), "instructions": self.instructions })
    }
}

/// Whether an event filter can test that part.
pub(super) fn can_be_heard(filter: &Filter, part: FilterPart) -> bool {
    EventFilter::of(&[filter.only(part)]).is_some()
}

/// What the kernel filters in a dump.
pub(super) struct DumpSplit {
    /// Parts that the kernel applies, each with its value.
    pub(super) kernel: Vec<(FilterPart, String)>,
    /// Parts that are left to ctwarden.
    pub(super) left: Parts,
}

impl DumpSplit {
    /// For a dump of flows that match any of the filters.
    pub(super) fn of(filters: &[Filter]) -> Self {
        let kernel = KernelFilter::union_of(filters).asked();
        // The kernel applies a part of one filter only if the part is still in the union of all filters.
        let done = |filter: &Filter, part| {
            let own = KernelFilter::of(filter).asked().into_iter().find(|(own, _)| *own == part);
            own.is_some_and(|own| kernel.contains(&own))
        };
        let left = parts(filters, |filter, part| filter.has(part) && !done(filter, part));
        Self { kernel, left }
    }

    /// The kernel's part in JSON, with stable names.
    pub(super) fn asked_json(&self) -> Value {
        let asked = self.kernel.iter().map(|(part, value)| (part.name().to_owned(), json!(value)));
        Value::Object(asked.collect())
    }

    /// Describes which entries the kernel sends.
    pub(super) fn given(&self) -> String {
        if self.kernel.is_empty() {
            return "the kernel sends every entry".to_owned();
        }
        let asked: Vec<String> = self.kernel.iter().map(|(part, value)| format!("{} {value}", part.name())).collect();
        format!("the kernel sends entries with {}", asked.join(", "))
    }
}

/// The parts for which `holds` is true in any of the filters.
pub(super) fn parts<'a>(
    filters: impl IntoIterator<Item = &'a Filter>,
    holds: impl Fn(&Filter, FilterPart) -> bool,
) -> Parts {
    let of_one =
        |filter: &'a Filter| FilterPart::ALL.into_iter().filter(|part| holds(filter, *part)).collect::<Vec<_>>();
    filters.into_iter().flat_map(of_one).collect()
}

/// The names of the parts in one text.
pub(super) fn list(parts: &Parts) -> String {
    names(parts).join(", ")
}

/// The names of the parts, in order.
pub(super) fn names(parts: &Parts) -> Vec<&'static str> {
    parts.iter().map(|part| part.name()).collect()
}
