//! The parts that every interface version provides, and the exported functions of a plugin in terms of the model.

use ctwarden_model::{Batch, Descriptor, ExpectationBatch, Reply, ReportBatch, Subscription, Timestamp, Verdict};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Linker};

use crate::state::State;

/// A released version of the interface.
pub(crate) struct InterfaceVersion {
    /// Such as `0.1.0`. A plugin fits if its version has the same major number, or the same first two numbers if the
    /// major number is 0.
    pub(crate) number: &'static str,
    /// Adds the imports of its plugins to the linker.
    pub(crate) link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
    /// Interfaces that its plugins import, without version.
    pub(crate) imports: &'static [&'static str],
    /// The interface that its plugins export, without version.
    pub(crate) policy: &'static str,
    /// The interface that its plugins may export, without version.
    pub(crate) expectations: &'static str,
    /// Another interface that its plugins may export, without version.
    pub(crate) outcomes: &'static str,
    /// Checks that the interface is complete.
    pub(crate) check: fn(&InstancePre<State>) -> wasmtime::Result<()>,
    /// Finds the exports of an instance.
    pub(crate) bind: Bind,
}

type Bind = fn(&InstancePre<State>, &Instance, &mut Store<State>) -> wasmtime::Result<Box<dyn Policy>>;

/// The result of `configure`.
pub(crate) enum Configured {
    Subscribed(Subscription),
    /// The subscription is not a value of the model; the text says why.
    Malformed(String),
    /// The plugin refuses the configuration; the text says why.
    Refused(String),
}

/// The exported functions of an instance, for any interface version. An error ends the instance.
pub(crate) trait Policy: Send {
    fn describe(&mut self, store: &mut Store<State>) -> wasmtime::Result<Descriptor>;

    fn configure(&mut self, store: &mut Store<State>, now: Timestamp, json: &str) -> wasmtime::Result<Configured>;

    fn judge(&mut self, store: &mut Store<State>, batch: &Batch) -> wasmtime::Result<Vec<Verdict>>;

    fn tick(&mut self, store: &mut Store<State>, now: Timestamp) -> wasmtime::Result<Vec<Verdict>>;

    fn message(
        &mut self,
        store: &mut Store<State>,
        now: Timestamp,
        text: &str,
    ) -> wasmtime::Result<Result<Reply, String>>;

    fn stop(&mut self, store: &mut Store<State>) -> wasmtime::Result<()>;

    /// Returns no verdicts if the plugin does not export the function.
    fn judge_expectations(
        &mut self,
        store: &mut Store<State>,
        batch: &ExpectationBatch,
    ) -> wasmtime::Result<Vec<Verdict>>;

    /// Returns no verdicts if the plugin does not export the function.
    fn concluded(&mut self, store: &mut Store<State>, batch: &ReportBatch) -> wasmtime::Result<Vec<Verdict>>;
}
