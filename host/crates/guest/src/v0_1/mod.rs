//! `ctwarden:conntrack@0.1`: the adapter between the types of that version and the model.
//!
//! Everything that depends on the version is in this folder. A later version gets another folder, and this folder does
//! not change.

mod bindings;
mod flow_image;
mod from_guest;
mod imports;
mod to_guest;

use std::sync::Arc;

use ctwarden_model::{Batch, Descriptor, ExpectationBatch, Reply, ReportBatch, Timestamp, Verdict};
use wasmtime::component::{ComponentType, HasSelf, Instance, InstancePre, Linker, Lower, TypedFunc};
use wasmtime::{Error, Store};

use self::bindings::exports::ctwarden::conntrack::{expectations, outcomes, policy};
use self::flow_image::FlowImage;
use crate::interface::{Configured, InterfaceVersion, Policy};
use crate::state::State;
use crate::stop::Stop;
use crate::text;

pub(crate) const VERSION: InterfaceVersion = InterfaceVersion {
    number: "0.1.0",
    imports: &[
        "ctwarden:conntrack/counters",
        "ctwarden:conntrack/details",
        "ctwarden:conntrack/memory",
        "ctwarden:conntrack/sets",
        "ctwarden:conntrack/table",
        "ctwarden:conntrack/types",
    ],
    policy: "ctwarden:conntrack/policy",
    expectations: "ctwarden:conntrack/expectations",
    outcomes: "ctwarden:conntrack/outcomes",
    link,
    check,
    bind,
};

const POLICY: &str = "ctwarden:conntrack/policy@0.1.0";
const EXPECTATIONS: &str = "ctwarden:conntrack/expectations@0.1.0";
const OUTCOMES: &str = "ctwarden:conntrack/outcomes@0.1.0";

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use self::bindings::ctwarden::conntrack::{counters, details, memory, sets, table, types};

    counters::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    details::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    memory::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sets::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    table::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    Ok(())
}

fn check(ready: &InstancePre<State>) -> wasmtime::Result<()> {
    policy::GuestIndices::new(ready)?;
    if ready.component().get_export_index(None, EXPECTATIONS).is_some() {
        expectations::GuestIndices::new(ready)?;
    }
    if ready.component().get_export_index(None, OUTCOMES).is_some() {
        outcomes::GuestIndices::new(ready)?;
    }
    Ok(())
}

fn bind(
    ready: &InstancePre<State>,
    instance: &Instance,
    store: &mut Store<State>,
) -> wasmtime::Result<Box<dyn Policy>> {
    let policy = policy::GuestIndices::new(ready)?.load(&mut *store, instance)?;
    let exported = ready.component().get_export_index(None, POLICY);
    let judge = exported.and_then(|policy| ready.component().get_export_index(Some(&policy), "judge"));
    let judge = judge.ok_or_else(|| Error::msg("it does not export judge"))?;
    let judge = instance.get_typed_func(&mut *store, judge)?;
    let expectations = if ready.component().get_export_index(None, EXPECTATIONS).is_some() {
        Some(expectations::GuestIndices::new(ready)?.load(&mut *store, instance)?)
    } else {
        None
    };
    let outcomes = if ready.component().get_export_index(None, OUTCOMES).is_some() {
        Some(outcomes::GuestIndices::new(ready)?.load(&mut *store, instance)?)
    } else {
        None
    };
    let batch = Arc::new(FlowBatch { cause: policy::Cause::Events, now: 0, missed: 0, flows: Vec::new() });
    Ok(Box::new(Exports { policy, judge, expectations, outcomes, batch }))
}

/// The exported functions of one instance.
struct Exports {
    policy: policy::Guest,
    /// `judge` of the policy, with flows that are already in the plugin's memory layout.
    judge: TypedFunc<(Arc<FlowBatch>,), (Vec<policy::Verdict>,)>,
    expectations: Option<expectations::Guest>,
    outcomes: Option<outcomes::Guest>,
    /// Kept to reuse its memory.
    batch: Arc<FlowBatch>,
}

/// The argument of `judge`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct FlowBatch {
    cause: policy::Cause,
    now: u64,
    missed: u64,
    flows: Vec<FlowImage>,
}

impl Policy for Exports {
    fn describe(&mut self, store: &mut Store<State>) -> wasmtime::Result<Descriptor> {
        Ok(from_guest::descriptor(self.policy.call_describe(store)?))
    }

    fn configure(&mut self, store: &mut Store<State>, now: Timestamp, json: &str) -> wasmtime::Result<Configured> {
        Ok(match self.policy.call_configure(&mut *store, now.0, json)? {
            Ok(subscription) => {
                measure(store, "bytes of subscription", from_guest::subscription_bytes(&subscription))?;
                match from_guest::subscription(subscription) {
                    Ok(subscription) => Configured::Subscribed(subscription),
                    Err(malformed) => Configured::Malformed(malformed),
                }
            }
            Err(reason) => Configured::Refused(refusal(store, reason)?),
        })
    }

    fn judge(&mut self, store: &mut Store<State>, batch: &Batch) -> wasmtime::Result<Vec<Verdict>> {
        let mut flows = Arc::get_mut(&mut self.batch).map(|last| std::mem::take(&mut last.flows)).unwrap_or_default();
        flows.clear();
        flows.extend(batch.entries.iter().map(|event| FlowImage::new(&to_guest::event(event))));
        let (now, missed) = (batch.now.0, batch.missed);
        self.batch = Arc::new(FlowBatch { cause: to_guest::cause(&batch.cause), now, missed, flows });
        let (verdicts,) = self.judge.call(&mut *store, (Arc::clone(&self.batch),))?;
        answer(store, verdicts, 0)
    }

    fn tick(&mut self, store: &mut Store<State>, now: Timestamp) -> wasmtime::Result<Vec<Verdict>> {
        let verdicts = self.policy.call_tick(&mut *store, now.0)?;
        answer(store, verdicts, 0)
    }

    fn message(
        &mut self,
        store: &mut Store<State>,
        now: Timestamp,
        text: &str,
    ) -> wasmtime::Result<Result<Reply, String>> {
        Ok(match self.policy.call_message(&mut *store, now.0, text)? {
            Ok(reply) => {
                let spoken = reply.text.len();
                let verdicts = answer(store, reply.verdicts, spoken)?;
                Ok(Reply { text: text::lines(reply.text, text::REPLY), verdicts })
            }
            Err(reason) => Err(refusal(store, reason)?),
        })
    }

    fn stop(&mut self, store: &mut Store<State>) -> wasmtime::Result<()> {
        self.policy.call_stop(store)
    }

    fn judge_expectations(
        &mut self,
        store: &mut Store<State>,
        batch: &ExpectationBatch,
    ) -> wasmtime::Result<Vec<Verdict>> {
        let Some(exports) = &self.expectations else { return Ok(Vec::new()) };
        let batch = expectations::ExpectationBatch {
            cause: to_guest::cause(&batch.cause),
            now: batch.now.0,
            missed: batch.missed,
            expectations: batch.events.iter().map(to_guest::expectation).collect(),
        };
        let verdicts = exports.call_judge_expectations(&mut *store, &batch)?;
        answer(store, verdicts, 0)
    }

    fn concluded(&mut self, store: &mut Store<State>, batch: &ReportBatch) -> wasmtime::Result<Vec<Verdict>> {
        let Some(exports) = &self.outcomes else { return Ok(Vec::new()) };
        let batch = outcomes::ReportBatch {
            now: batch.now.0,
            missed: batch.missed,
            reports: batch.reports.iter().map(to_guest::report).collect(),
        };
        let verdicts = exports.call_concluded(&mut *store, &batch)?;
        answer(store, verdicts, 0)
    }
}

/// Converts the verdicts of a call, unless they and the `spoken` bytes exceed the limits.
fn answer(store: &mut Store<State>, verdicts: Vec<policy::Verdict>, spoken: usize) -> wasmtime::Result<Vec<Verdict>> {
    Stop::if_over("verdicts", verdicts.len(), store.data().limits().verdicts_per_call)?;
    let bytes = verdicts.iter().map(from_guest::verdict_bytes).fold(spoken, usize::saturating_add);
    measure(store, "bytes of text and lists", bytes)?;
    let host = store.data_mut().host();
    Ok(verdicts.into_iter().map(|verdict| from_guest::verdict(verdict, host)).collect())
}

/// Returns the plugin's refusal on one line, unless it is larger than a call may return.
fn refusal(store: &Store<State>, words: String) -> wasmtime::Result<String> {
    measure(store, "bytes of text", words.len())?;
    Ok(text::line(words, text::REFUSAL))
}

/// Ends the call if the plugin returns more than it may.
fn measure(store: &Store<State>, what: &'static str, bytes: usize) -> Result<(), Stop> {
    Stop::if_over(what, bytes, store.data().limits().output_bytes_per_call)
}
