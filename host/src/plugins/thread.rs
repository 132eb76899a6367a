//! One plugin, one thread: jobs go in, answers come out, nobody waits.
//!
//! The thread owns the plugin's instance. A fault drops the instance and is an answer like any other; when to start a fresh
//! one is the engine's to say. Whatever a plugin does, only its own thread is busy with it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use ctwarden_engine::{Answer, Call, CallId, Engine, PluginId};
use ctwarden_guest::{Component, ConfigureError, Instance, Limits};
use ctwarden_model::{Fault, Now, PluginName, Subscription};
use tokio::sync::mpsc::UnboundedSender;

use super::host::HostParts;
use crate::clock;

/// Everything that it takes to start an instance, again and again.
pub(crate) struct InstanceSpec {
    /// Name in the configuration.
    pub(crate) name: PluginName,
    pub(crate) component: Component,
    /// Limits of the instance.
    pub(crate) limits: Limits,
    /// What `configure` is given.
    pub(crate) configuration: String,
    /// What stands behind its imports.
    pub(crate) host: HostParts,
}

/// What the thread sends to the loop.
pub(crate) enum PluginReply {
    Started(PluginId),
    /// None could be started.
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

enum Job {
    Named(PluginId, UnboundedSender<PluginReply>),
    Start,
    Call(CallId, Call),
    Stop,
}

/// The loop's end of the thread. When it is dropped, the plugin is stopped in order once its running call is over.
pub(crate) struct PluginThread {
    name: PluginName,
    jobs: Sender<Job>,
    thread: Option<thread::JoinHandle<()>>,
}

impl PluginThread {
    /// Starts the thread and in it a first instance; gives what the plugin subscribes to, or why it does not run.
    pub(crate) fn start(spec: InstanceSpec) -> Result<(Self, Subscription), ConfigureError> {
        let (jobs, inbox) = channel();
        let (first, started) = channel();
        let name = spec.name.clone();
        let spawned = thread::Builder::new().name(name.to_string()).spawn(move || live(&spec, &inbox, &first));
        let lost = |why: String| ConfigureError::Fault(Fault::Trap(why));
        let thread = spawned.map_err(|error| lost(format!("no thread could be started for it: {error}")))?;
        let plugin = Self { name, jobs, thread: Some(thread) };
        match started.recv() {
            Ok(outcome) => outcome.map(|subscription| (plugin, subscription)),
            Err(_) => Err(lost("its thread ended".to_owned())),
        }
    }

    /// Tells the thread what the engine calls the plugin and where its answers go; before any call.
    pub(crate) fn named(&self, id: PluginId, answers: UnboundedSender<PluginReply>) {
        self.tell(Job::Named(id, answers));
    }

    /// Starts a fresh instance; the answer says whether it runs.
    pub(crate) fn restart(&self) {
        self.tell(Job::Start);
    }

    /// Calls the plugin; exactly one answer comes back.
    pub(crate) fn call(&self, id: CallId, call: Call) {
        self.tell(Job::Call(id, call));
    }

    /// Asks it to stop after the running call, and gives the thread to wait for.
    pub(crate) fn stop(mut self) -> Option<thread::JoinHandle<()>> {
        self.tell(Job::Stop);
        self.thread.take()
    }

    /// Name of the plugin.
    pub(crate) const fn name(&self) -> &PluginName {
        &self.name
    }

    /// Whether the thread has ended, which it should only do when it is asked to.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    fn tell(&self, job: Job) {
        // A thread that is gone cannot answer; the engine's own bounds on waiting hold then.
        let _ = self.jobs.send(job);
    }
}

impl Drop for PluginThread {
    fn drop(&mut self) {
        self.tell(Job::Stop);
    }
}

fn live(spec: &InstanceSpec, inbox: &Receiver<Job>, first: &Sender<Result<Subscription, ConfigureError>>) {
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
            Job::Named(id, answers) => {
                says = Some((id, answers));
                continue;
            }
            Job::Start => {
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
            Job::Call(id, call) => PluginReply::Answered(id, answer(&mut instance, call)),
            Job::Stop => break,
        };
        if let Some((_, answers)) = &says
            && answers.send(said).is_err()
        {
            break;
        }
    }
    if let Some(instance) = instance {
        // Its last words are in the log; a fault at the very end changes nothing any more.
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
