//! What every version of the interface provides, and the functions that a plugin exports, in terms of the model.

use ctwarden_model::{Batch, Descriptor, ExpectationBatch, Reply, Subscription, Timestamp, Verdict};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Linker};

use crate::state::State;

/// A released version of the interface.
pub(crate) struct InterfaceVersion {
    /// Such as `0.1.0`. A plugin of any version with the same leading number fits; if that is 0, with the same two.
    pub(crate) number: &'static str,
    /// Adds what its plugins import.
    pub(crate) link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
    /// Interfaces that its plugins import, without version.
    pub(crate) imports: &'static [&'static str],
    /// The interface that its plugins export, without version.
    pub(crate) policy: &'static str,
    /// The interface that they may export, without version.
    pub(crate) expectations: &'static str,
    /// Whether the interface is whole.
    pub(crate) check: fn(&InstancePre<State>) -> wasmtime::Result<()>,
    /// Finds what the instance exports.
    pub(crate) bind: Bind,
}

type Bind = fn(&InstancePre<State>, &Instance, &mut Store<State>) -> wasmtime::Result<Box<dyn Policy>>;

/// What came of `configure`.
pub(crate) enum Configured {
    Subscribed(Subscription),
    /// It wants something that is no value of the model; says what.
    Malformed(String),
    /// It does not take the configuration; says why.
    Refused(String),
}

/// The exported functions of an instance, whatever its interface version. An error is the end of the instance.
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

    /// No verdicts where the plugin does not export it.
    fn judge_expectations(
        &mut self,
        store: &mut Store<State>,
        batch: &ExpectationBatch,
    ) -> wasmtime::Result<Vec<Verdict>>;
}
