//! One running plugin: a function from batches to verdicts, with memory, whose calls may fail.
//!
//! A failed instance is never called again, because its work stopped midway; wasmtime's rule is the same. Its successor
//! is another [`Instance`] of the same component.

use std::fmt;

use ctwarden_model::{
    Batch, Descriptor, Entries, ExpectationBatch, Fault, PluginName, Reply, ReportBatch, Subscription, Timestamp,
    Verdict,
};
use thiserror::Error;
use wasmtime::Store;

use crate::host::NoHost;
use crate::interface::{Configured, Policy};
use crate::shared::Shared;
use crate::state::{self, State};
use crate::{Component, DescribeError, Host, Limits, descriptor, fault};

/// Why a plugin was not configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigureError {
    /// The plugin refuses the configuration, with this text.
    #[error("it refuses its configuration: {0}")]
    Refused(String),
    #[error("it failed when it was configured")]
    Fault(#[source] Fault),
    /// The subscription is out of range.
    #[error("its subscription is wrong: {0}")]
    Malformed(String),
}

/// A running plugin. One thread uses it at a time.
pub struct Instance {
    name: PluginName,
    store: Store<State>,
    policy: Box<dyn Policy>,
    component: Component,
    fault: Option<Fault>,
}

/// These methods start code of the component. They are here so `component` does not import this module.
impl Component {
    /// Asks the plugin for its descriptor, in an instance that can reach nothing and is dropped afterwards.
    ///
    /// # Errors
    /// The plugin fails, or its descriptor is out of range.
    pub fn describe(&self, limits: Limits) -> Result<Descriptor, DescribeError> {
        let descriptor = self.ask_descriptor(limits.describing()).map_err(DescribeError::Fault)?;
        descriptor::check(&descriptor)?;
        Ok(descriptor)
    }

    fn ask_descriptor(&self, limits: Limits) -> Result<Descriptor, Fault> {
        let (mut store, mut policy) = start(self, limits, Box::new(NoHost))?;
        run(&self.shared, &mut store, None, |store| policy.describe(store))
    }

    /// Starts an instance under its name in the configuration.
    ///
    /// # Errors
    /// The start code fails or needs more than the limits allow.
    pub fn instantiate(&self, name: PluginName, limits: Limits, host: Box<dyn Host>) -> Result<Instance, Fault> {
        let (store, policy) = start(self, limits, host)?;
        Ok(Instance { name, store, policy, component: self.clone(), fault: None })
    }
}

impl Instance {
    /// The name of the plugin in the configuration.
    #[must_use]
    pub const fn name(&self) -> &PluginName {
        &self.name
    }

    /// Calls the plugin, unless it failed before.
    fn call<R>(
        &mut self,
        judged: Option<Entries>,
        call: impl FnOnce(&mut dyn Policy, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let policy = &mut *self.policy;
        let result = run(&self.component.shared, &mut self.store, judged, |store| call(policy, store));
        if let Err(fault) = &result {
            self.fault = Some(fault.clone());
        }
        result
    }

    /// Passes the configuration to the plugin and returns its subscription. Call it once, before any other call.
    ///
    /// # Errors
    /// The plugin refuses, fails, or returns a subscription that is out of range.
    pub fn configure(&mut self, now: Timestamp, json: &str) -> Result<Subscription, ConfigureError> {
        match self.call(None, |policy, store| policy.configure(store, now, json)) {
            Ok(Configured::Subscribed(subscription)) => {
                self.store.data_mut().host().open_counters(&subscription.counters);
                let (expectations, outcomes) =
                    (self.component.exports_expectations(), self.component.exports_outcomes());
                Ok(Subscription { expectations, outcomes, ..subscription })
            }
            Ok(Configured::Malformed(what)) => Err(ConfigureError::Malformed(what)),
            Ok(Configured::Refused(reason)) => Err(ConfigureError::Refused(reason)),
            Err(fault) => Err(ConfigureError::Fault(fault)),
        }
    }

    /// Returns the plugin's verdicts on the entries of a batch. A verdict with a value out of range is
    /// [`Action::Malformed`](ctwarden_model::Action::Malformed).
    ///
    /// # Errors
    /// The plugin failed. All verdicts of the call are void.
    pub fn judge(&mut self, batch: &Batch) -> Result<Vec<Verdict>, Fault> {
        self.call(Some(batch.entries.clone()), |policy, store| policy.judge(store, batch))
    }

    /// Returns the plugin's verdicts on expectations. A plugin that does not export the interface returns none.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn judge_expectations(&mut self, batch: &ExpectationBatch) -> Result<Vec<Verdict>, Fault> {
        self.call(None, |policy, store| policy.judge_expectations(store, batch))
    }

    /// Reports outcomes to the plugin and returns its verdicts. A plugin that does not export the interface returns none.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn concluded(&mut self, batch: &ReportBatch) -> Result<Vec<Verdict>, Fault> {
        self.call(None, |policy, store| policy.concluded(store, batch))
    }

    /// Reports the time to the plugin and returns its verdicts.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn tick(&mut self, now: Timestamp) -> Result<Vec<Verdict>, Fault> {
        self.call(None, |policy, store| policy.tick(store, now))
    }

    /// Passes an operator's message to the plugin. The inner error is the plugin's own.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn message(&mut self, now: Timestamp, text: &str) -> Result<Result<Reply, String>, Fault> {
        self.call(None, |policy, store| policy.message(store, now, text))
    }

    /// Makes the last call.
    ///
    /// # Errors
    /// The plugin failed. The instance is gone in either case.
    pub fn stop(mut self) -> Result<(), Fault> {
        self.call(None, |policy, store| policy.stop(store))
    }

    /// Returns the fault if the instance failed. Every later call returns the same fault.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Returns the current size of the linear memory in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.store.data().limiter().memory()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("name", &self.name).field("fault", &self.fault).finish_non_exhaustive()
    }
}

/// Creates a store with the limits, and a fresh instance with its exports.
fn start(component: &Component, limits: Limits, host: Box<dyn Host>) -> Result<(Store<State>, Box<dyn Policy>), Fault> {
    if component.weight.bytes > limits.memory_bytes {
        return Err(Fault::OutOfMemory { limit: limits.memory_bytes });
    }
    let mut store = Store::new(&component.shared.engine, State::new(limits, component.weight, host));
    store.limiter(|state| state.limiter_mut());
    store.set_max_component_handles(limits.handles);
    store.set_hostcall_fuel(store.data().transfer_limit());
    store.epoch_deadline_callback(state::tick);
    let policy = run(&component.shared, &mut store, None, |store| {
        let instance = component.ready.instantiate(&mut *store)?;
        (component.version.bind)(&component.ready, &instance, store)
    })?;
    Ok((store, policy))
}

/// Runs the plugin's code within its limits.
fn run<R>(
    shared: &Shared,
    store: &mut Store<State>,
    judged: Option<Entries>,
    code: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
) -> Result<R, Fault> {
    store.data_mut().begin(judged);
    store.set_epoch_deadline(1);
    let running = shared.ticker.call();
    let result = code(store);
    drop(running);
    let result = result.map_err(|error| fault::classify(&error, store.data_mut()));
    store.data_mut().end();
    result
}
