//! Exports the optional interfaces: deletes each expectation of the helper that its configuration names, and records all
//! expectations and all reports of outcomes.
//!
//! This guest shows that expectations and reports reach a plugin that wants them, and the value of each of their fields.

/// The code that wit-bindgen generates from the WIT.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/v0.1", world: "ctwarden:conntrack/plugin-with-all" });
}

use std::cell::RefCell;

use bindings::exports::ctwarden::conntrack::expectations::{self, ExpectationBatch};
use bindings::exports::ctwarden::conntrack::outcomes::{self, ReportBatch};
use bindings::exports::ctwarden::conntrack::policy::{
    self, Action, Batch, Descriptor, Kinds, Reach, Reply, Subscription, Target, Verdict, VerdictKinds,
};

thread_local! {
    static HELPER: RefCell<String> = const { RefCell::new(String::new()) };
}

pub struct Expectations;

impl policy::Guest for Expectations {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "a guest of the tests".to_owned(),
            configuration_schema: r#"{"type":"string"}"#.to_owned(),
            wants: VerdictKinds::DELETE | VerdictKinds::LOG,
            codes: Vec::new(),
        }
    }

    fn configure(_now: u64, configuration: String) -> Result<Subscription, String> {
        HELPER.set(configuration.trim_matches('"').to_owned());
        Ok(Subscription {
            needs: VerdictKinds::DELETE,
            reach: Reach { mark_bits: 0x30, label_bits: vec![127], block_sets: Vec::new(), read_sets: Vec::new() },
            kinds: Kinds::NEW | Kinds::ROW,
            filters: Vec::new(),
            sweep_every: 60,
            tick_every: 1000,
            own_changes: true,
            counters: Vec::new(),
            sets: vec!["banned".to_owned()],
            selects: true,
            codes: Vec::new(),
        })
    }

    fn judge(_batch: Batch) -> Vec<Verdict> {
        Vec::new()
    }

    fn tick(_now: u64) -> Vec<Verdict> {
        Vec::new()
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        Err(format!("{text} is no message for this plugin"))
    }

    fn stop() {}
}

impl expectations::Guest for Expectations {
    fn judge_expectations(batch: ExpectationBatch) -> Vec<Verdict> {
        let wanted = HELPER.take();
        let verdict = |index, action| Verdict {
            target: Target::Entry(index),
            action,
            code: "expectation".to_owned(),
            reason: String::new(),
        };
        let mut verdicts = Vec::new();
        for (index, expectation) in (0..).zip(&batch.expectations) {
            if expectation.helper.as_ref() == Some(&wanted) {
                verdicts.push(verdict(index, Action::Delete));
            }
            let told = Action::Log(vec![("expectation".to_owned(), format!("{expectation:?}"))]);
            verdicts.push(verdict(index, told));
        }
        HELPER.set(wanted);
        verdicts
    }
}

impl outcomes::Guest for Expectations {
    fn concluded(batch: ReportBatch) -> Vec<Verdict> {
        vec![Verdict {
            target: Target::None,
            action: Action::Log(vec![("reports".to_owned(), format!("{batch:?}"))]),
            code: "outcome".to_owned(),
            reason: String::new(),
        }]
    }
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the entry points of the canonical ABI, as wit-bindgen generates them")]
mod exported {
    use crate::{Expectations, bindings};

    bindings::export!(Expectations with_types_in bindings);
}
