//! One plugin, one thread: jobs go in, answers come out, and the loop never waits.
//!
//! The thread owns the plugin's instance. A fault drops the instance and is an answer like any other. The engine
//! decides when a fresh instance starts. Whatever a plugin does, it occupies only its own thread.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use ctwarden_engine::{Answer, Call, CallId, Engine, PluginId};
use ctwarden_guest::{Component, ConfigureError, Instance, Limits};
use ctwarden_model::{Fault, Now, PluginName, Subscription};
use tokio::sync::mpsc::UnboundedSender;

use super::counters::{CounterSize, PluginCounters};
use super::host::HostParts;
use super::processor_time::ProcessorTime;
use crate::clock;

/// Everything needed to start an instance, any number of times.
pub(crate) struct InstanceSpec {
    /// Name in the configuration.
    pub(crate) name: PluginName,
    pub(crate) component: Component,
    /// Limits of the instance.
    pub(crate) limits: Limits,
    /// The argument of `configure`.
    pub(crate) configuration: String,
    /// The implementation of its imports.
    pub(crate) host: HostParts,
}

/// What the thread sends to the loop.
pub(crate) enum PluginReply {
    Started(PluginId),
    /// No instance could be started.
    StartFailed(PluginId, Fault),
    Answered(CallId, Answer),
}

impl PluginReply {
    pub(crate) fn tell(self, engine: &mut Engine, now: Now) {
        match self {
            Self::Answered(call, answer) => engine.handle_answer(now, call, answer),
            Self::Started(plugin) => engine.handle_started(now, plugin),
            Self::StartFailed(plugin, fault) => engine.handle_start_failed(now, plugin, fault),
        }
    }
}

enum PluginJob {
    Named(PluginId, UnboundedSender<PluginReply>),
    Start,
    Call(CallId, Call),
    Stop,
}

/// The loop's handle of the thread. Dropping it stops the plugin in order after its running call.
pub(crate) struct PluginThread {
    name: PluginName,
    counters: PluginCounters,
    /// Processor time of the thread, as of its last answer.
    processor: ProcessorTime,
    jobs: Sender<PluginJob>,
    thread: Option<thread::JoinHandle<()>>,
}

impl PluginThread {
    /// Starts the thread and its first instance. Returns the plugin's subscription, or why it does not run.
    pub(crate) fn start(spec: InstanceSpec) -> Result<(Self, Subscription), ConfigureError> {
        let (jobs, inbox) = channel();
        let (first, started) = channel();
        let (name, counters) = (spec.name.clone(), spec.host.counters.clone());
        let processor = ProcessorTime::default();
        let used = processor.clone();
        let spawned = thread::Builder::new().name(name.to_string()).spawn(move || live(&spec, &inbox, &first, &used));
        let lost = |why: String| ConfigureError::Fault(Fault::Trap(why));
        let thread = spawned.map_err(|error| lost(format!("cannot start its thread: {error}")))?;
        let plugin = Self { name, counters, processor, jobs, thread: Some(thread) };
        match started.recv() {
            Ok(outcome) => outcome.map(|subscription| (plugin, subscription)),
            Err(_) => Err(lost("its thread ended".to_owned())),
        }
    }

    /// Sends the thread the engine's id of the plugin and the channel for its answers. Call it before any call.
    pub(crate) fn named(&self, id: PluginId, answers: UnboundedSender<PluginReply>) {
        self.tell(PluginJob::Named(id, answers));
    }

    /// Starts a fresh instance. The answer reports whether it runs.
    pub(crate) fn restart(&self) {
        self.tell(PluginJob::Start);
    }

    /// Calls the plugin. Exactly one answer comes back.
    pub(crate) fn call(&self, id: CallId, call: Call) {
        self.tell(PluginJob::Call(id, call));
    }

    /// Requests a stop after the running call, and returns the thread to join.
    pub(crate) fn stop(mut self) -> Option<thread::JoinHandle<()>> {
        self.tell(PluginJob::Stop);
        self.thread.take()
    }

    pub(crate) const fn name(&self) -> &PluginName {
        &self.name
    }

    /// The sizes of the plugin's counters.
    pub(crate) fn counter_sizes(&self) -> Vec<CounterSize> {
        self.counters.sizes()
    }

    /// Processor time that the plugin has used.
    pub(crate) fn processor_time(&self) -> Duration {
        self.processor.get()
    }

    /// Whether the thread has ended, which should happen only on request.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    fn tell(&self, job: PluginJob) {
        // A thread that has ended cannot answer. The engine's own limits on waiting apply then.
        let _ = self.jobs.send(job);
    }
}

impl Drop for PluginThread {
    fn drop(&mut self) {
        self.tell(PluginJob::Stop);
    }
}

fn live(
    spec: &InstanceSpec,
    inbox: &Receiver<PluginJob>,
    first: &Sender<Result<Subscription, ConfigureError>>,
    processor: &ProcessorTime,
) {
    let mut instance = None;
    let outcome = begin(spec).map(|(started, subscription)| {
        instance = Some(started);
        subscription
    });
    if first.send(outcome).is_err() || instance.is_none() {
        return;
    }
    let mut says: Option<(PluginId, UnboundedSender<PluginReply>)> = None;
    while let Ok(job) = inbox.recv() {
        let said = match job {
            PluginJob::Named(id, answers) => {
                says = Some((id, answers));
                continue;
            }
            PluginJob::Start => {
                instance = None;
                let Some((id, _)) = &says else { continue };
                match begin(spec) {
                    Ok((started, _)) => {
                        instance = Some(started);
                        PluginReply::Started(*id)
                    }
                    Err(error) => PluginReply::StartFailed(*id, as_fault(error)),
                }
            }
            PluginJob::Call(id, call) => PluginReply::Answered(id, answer(&mut instance, call)),
            PluginJob::Stop => break,
        };
        processor.measure();
        if let Some((_, answers)) = &says
            && answers.send(said).is_err()
        {
            break;
        }
    }
    if let Some(instance) = instance {
        // The plugin's last output is in the log. A fault in its last call changes nothing any more.
        let _ = instance.stop();
    }
}

fn begin(spec: &InstanceSpec) -> Result<(Instance, Subscription), ConfigureError> {
    let host = Box::new(spec.host.open(&spec.name));
    let mut instance =
        spec.component.instantiate(spec.name.clone(), spec.limits, host).map_err(ConfigureError::Fault)?;
    let subscription = instance.configure(clock::now().wall, &spec.configuration)?;
    Ok((instance, subscription))
}

fn as_fault(error: ConfigureError) -> Fault {
    match error {
        ConfigureError::Fault(fault) => fault,
        refused @ (ConfigureError::Refused(_) | ConfigureError::Malformed(_)) => {
            Fault::Configuration(refused.to_string())
        }
    }
}

fn answer(instance: &mut Option<Instance>, call: Call) -> Answer {
    let Some(running) = instance else {
        return Answer::Fault(Fault::Trap("it was called while no instance was running".to_owned()));
    };
    let outcome = match call {
        Call::Judge(batch) => running.judge(&batch).map(Answer::Verdicts),
        Call::JudgeExpectations(batch) => running.judge_expectations(&batch).map(Answer::Verdicts),
        Call::Concluded(batch) => running.concluded(&batch).map(Answer::Verdicts),
        Call::Tick(now) => running.tick(now).map(Answer::Verdicts),
        Call::Message { now, text } => {
            running.message(now, &text).map(|said| said.map_or_else(Answer::MessageRefused, Answer::Reply))
        }
    };
    outcome.unwrap_or_else(|fault| {
        *instance = None;
        Answer::Fault(fault)
    })
}
