//! How filters are shared out between the kernel and ctwarden: which of their parts the kernel applies, and which are left.
//!
//! `check` and `explain` tell of it. Nothing is decided here: the codec's own filters say what they ask the kernel for, as in
//! the daemon.

use std::collections::BTreeSet;

use ctwarden_model::{Filter, FilterPart};
use ctwarden_wire::{EventFilter, KernelFilter};
use serde_json::{Value, json};

/// Parts of filters.
pub(super) type Parts = BTreeSet<FilterPart>;

/// What the program in front of the event socket does.
pub(super) struct Heard {
    /// Its length.
    pub(super) instructions: usize,
    /// What it looks at.
    pub(super) kernel: Parts,
    /// What is left to ctwarden.
    pub(super) left: Parts,
}

impl Heard {
    /// Of events of flows that match any of the filters; none where every event passes.
    pub(super) fn of(filters: &[Filter]) -> Option<Self> {
        let program = EventFilter::of(filters)?;
        Some(Self {
            instructions: program.instructions().len(),
            kernel: parts(filters, can_be_heard),
            left: parts(filters, |filter, part| filter.has(part) && !can_be_heard(filter, part)),
        })
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({ "kernel": names(&self.kernel), "left": names(&self.left), "instructions": self.instructions })
    }
}

/// Whether a program can look at that part.
pub(super) fn can_be_heard(filter: &Filter, part: FilterPart) -> bool {
    EventFilter::of(&[filter.only(part)]).is_some()
}

/// What the kernel does of a dump.
pub(super) struct Dumped {
    /// What it is asked for, with the value of each.
    pub(super) kernel: Vec<(FilterPart, String)>,
    /// What is left to ctwarden.
    pub(super) left: Parts,
}

impl Dumped {
    /// Of flows that match any of the filters.
    pub(super) fn of(filters: &[Filter]) -> Self {
        let kernel = KernelFilter::union_of(filters).asked();
        // What the kernel was asked for one filter, it does for it only if it is still asked among the others.
        let done = |filter: &Filter, part| {
            let own = KernelFilter::of(filter).asked().into_iter().find(|(own, _)| *own == part);
            own.is_some_and(|own| kernel.contains(&own))
        };
        let left = parts(filters, |filter, part| filter.has(part) && !done(filter, part));
        Self { kernel, left }
    }

    /// What the kernel is asked for, for programs.
    pub(super) fn asked_json(&self) -> Value {
        let asked = self.kernel.iter().map(|(part, value)| (part.name().to_owned(), json!(value)));
        Value::Object(asked.collect())
    }

    /// What the kernel gives.
    pub(super) fn given(&self) -> String {
        if self.kernel.is_empty() {
            return "the kernel gives every entry".to_owned();
        }
        let asked: Vec<String> = self.kernel.iter().map(|(part, value)| format!("{} {value}", part.name())).collect();
        format!("the kernel gives entries with {}", asked.join(", "))
    }
}

/// Parts for which that holds in any of the filters.
pub(super) fn parts<'a>(
    filters: impl IntoIterator<Item = &'a Filter>,
    holds: impl Fn(&Filter, FilterPart) -> bool,
) -> Parts {
    let of_one =
        |filter: &'a Filter| FilterPart::ALL.into_iter().filter(|part| holds(filter, *part)).collect::<Vec<_>>();
    filters.into_iter().flat_map(of_one).collect()
}

/// Names of parts, for people.
pub(super) fn list(parts: &Parts) -> String {
    names(parts).join(", ")
}

/// Names of parts.
pub(super) fn names(parts: &Parts) -> Vec<&'static str> {
    parts.iter().map(|part| part.name()).collect()
}
