//! The process that loads a component: its steps, and its questions to the daemon on behalf of the plugin's imports.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use ctwarden_guest::{Component, ConfigureError, Host, LogStream, Runtime};
use ctwarden_model::{Descriptor, Flow, FlowKey, PluginName, PrefixMap, SetName, TableStatistics};
use serde_json::Value;

use super::confine::{allow, confine, used_memory};
use super::frame::{FrameLimits, read, write};
use super::message::{Answer, Described, FromLoader, LoaderJob, Phase, Question, Stream};
use crate::clock;
use crate::config::check_against_schema;
use crate::plugins::limits::guest_limits;
use crate::sys;

/// Loads the component that the other end of standard input sends. The process's own output is not for operators: the
/// daemon reports the result.
pub(crate) fn serve() -> ExitCode {
    match load() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn load() -> io::Result<()> {
    confine()?;
    let daemon = DaemonStream::connect()?;
    let (job, component) = daemon.hear::<LoaderJob>()?;
    let (_, configuration) = daemon.hear::<()>()?;
    let name = PluginName::new(&job.name).map_err(io::Error::other)?;
    let work = Examination { daemon: daemon.clone(), job, name };
    let outcome = work.examine(&component, &configuration)?;
    daemon.say(&FromLoader::Ends(outcome), &[])
}

/// The problems of the component or its configuration. The outer error is one of this process.
type Outcome<T> = io::Result<Result<T, Vec<String>>>;

struct Examination {
    daemon: DaemonStream,
    job: LoaderJob,
    name: PluginName,
}

impl Examination {
    fn examine(&self, bytes: &[u8], configuration: &[u8]) -> Outcome<Described> {
        allow(Phase::Compile.cpu(&self.job.limits), Phase::Compile.memory(&self.job.limits))?;
        let one = |error: anyhow::Error| vec![format!("{error:#}")];
        let component = match self.component(bytes)? {
            Ok(component) => component,
            Err(error) => return Ok(Err(one(error))),
        };
        self.begin(Phase::Describe)?;
        let limits = guest_limits(&self.job.limits);
        if let Err(error) = component.check_weight(&limits) {
            return Ok(Err(one(error.into())));
        }
        let descriptor = match component.describe(limits) {
            Ok(descriptor) => descriptor,
            Err(error) => return Ok(Err(one(error.into()))),
        };
        self.begin(Phase::Check)?;
        let configuration: Value = serde_json::from_slice(configuration)?;
        if let Err(findings) = check_configuration(&descriptor, &configuration) {
            return Ok(Err(findings));
        }
        self.begin(Phase::Configure)?;
        if let Err(error) = self.configure(&component, &configuration) {
            return Ok(Err(vec![refused(error)]));
        }
        Ok(Ok(descriptor.into()))
    }

    /// Compiles the component and sends its code, or uses the code that is already there.
    fn component(&self, bytes: &[u8]) -> io::Result<anyhow::Result<Component>> {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return Ok(Err(error.into())),
        };
        let standard_output = io::stdout().as_fd().try_clone_to_owned()?;
        if !self.job.compile {
            let code = sys::seal_code_of_loader(standard_output)?;
            return Ok(runtime.load_code(bytes, &code).map_err(Into::into));
        }
        let component = match runtime.load(bytes) {
            Ok(component) => component,
            Err(error) => return Ok(Err(error.into())),
        };
        Ok(match component.code() {
            Ok(code) => {
                code.write_to(&mut File::from(standard_output))?;
                Ok(component)
            }
            Err(error) => Err(anyhow!("its compiled code cannot be stored: {error}; use a smaller component")),
        })
    }

    fn begin(&self, phase: Phase) -> io::Result<()> {
        self.daemon.say(&FromLoader::Begins(phase), &[])?;
        let limits = &self.job.limits;
        allow(phase.cpu(limits), used_memory()?.saturating_add(phase.memory(limits)))
    }

    fn configure(&self, component: &Component, configuration: &Value) -> Result<(), ConfigureError> {
        let host = Box::new(self.daemon.clone());
        let limits = guest_limits(&self.job.limits);
        let mut instance = component.instantiate(self.name.clone(), limits, host).map_err(ConfigureError::Fault)?;
        instance.configure(clock::now().wall, &configuration.to_string()).map(drop)
    }
}

/// Checks the plugin's configuration against the schema that it gave.
fn check_configuration(descriptor: &Descriptor, configuration: &Value) -> Result<(), Vec<String>> {
    let Some(schema) = &descriptor.configuration_schema else {
        let empty = configuration.as_object().is_none_or(serde_json::Map::is_empty);
        return if empty {
            Ok(())
        } else {
            Err(vec!["it takes no configuration; remove its [plugin.config]".to_owned()])
        };
    };
    check_against_schema(schema, configuration)
        .map_err(|errors| errors.into_iter().map(|error| format!("[plugin.config] {error}")).collect())
}

/// Describes why the plugin was not configured.
pub(crate) fn refused(error: ConfigureError) -> String {
    match error {
        ConfigureError::Refused(why) => format!("it refused its [plugin.config]: {why}"),
        error @ (ConfigureError::Fault(_) | ConfigureError::Malformed(_)) => format!("{:#}", anyhow!(error)),
    }
}

/// The other end of the stream, which is also the plugin's host.
#[derive(Clone)]
struct DaemonStream(Arc<Mutex<UnixStream>>);

impl DaemonStream {
    fn connect() -> io::Result<Self> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self(Arc::new(Mutex::new(stream))))
    }

    fn stream(&self) -> MutexGuard<'_, UnixStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear<T: serde::de::DeserializeOwned>(&self) -> io::Result<(T, Vec<u8>)> {
        read(&mut *self.stream(), FrameLimits::OF_DAEMON)
    }

    fn say(&self, word: &FromLoader, payload: &[u8]) -> io::Result<()> {
        write(&mut *self.stream(), word, payload)
    }

    /// Returns `None` if the daemon is gone. This process then ends as well.
    fn ask(&self, question: Question, payload: &[u8]) -> Option<(Answer, Vec<u8>)> {
        self.say(&FromLoader::Asks(question), payload).ok()?;
        self.hear().ok()
    }
}

/// The error if an answer does not fit the question.
const NO_ANSWER: &str = "the daemon did not answer";

impl Host for DaemonStream {
    fn get(&mut self, _: &FlowKey) -> Option<Flow> {
        // No flow has been delivered to the plugin yet, so the plugin can know no key.
        None
    }

    fn lookup(&mut self, set: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        let question = Question::Lookup { set: set.0.clone(), addresses: addresses.to_vec() };
        match self.ask(question, &[]) {
            Some((Answer::Values(values), _)) => values,
            Some(_) | None => Err(NO_ANSWER.to_owned()),
        }
    }

    fn set(&mut self, _: &SetName) -> Result<Arc<PrefixMap<Arc<str>>>, String> {
        Err("a plugin gives no verdicts while it is configured".to_owned())
    }

    fn table(&mut self) -> Option<TableStatistics> {
        match self.ask(Question::Table, &[]) {
            Some((Answer::Table(table), _)) => table.map(Into::into),
            Some(_) | None => None,
        }
    }

    fn memory_get(&mut self, key: &str) -> Option<Vec<u8>> {
        match self.ask(Question::Get(key.to_owned()), &[]) {
            Some((Answer::Found(true), value)) => Some(value),
            Some(_) | None => None,
        }
    }

    fn memory_set(&mut self, key: &str, value: Vec<u8>, lifetime: Option<u32>) -> Result<(), String> {
        match self.ask(Question::Set { key: key.to_owned(), lifetime }, &value) {
            Some((Answer::Done(outcome), _)) => outcome,
            Some(_) | None => Err(NO_ANSWER.to_owned()),
        }
    }

    fn memory_remove(&mut self, key: &str) {
        let _ = self.ask(Question::Remove(key.to_owned()), &[]);
    }

    fn memory_keys(&mut self, beginning: &str) -> Vec<String> {
        match self.ask(Question::Keys(beginning.to_owned()), &[]) {
            Some((Answer::Keys(keys), _)) => keys,
            Some(_) | None => Vec::new(),
        }
    }

    fn log(&mut self, stream: LogStream, line: &str) {
        let stream = match stream {
            LogStream::Output => Stream::Output,
            LogStream::Error => Stream::Error,
        };
        // At worst one line is lost.
        let _ = self.say(&FromLoader::Wrote(stream, line.to_owned()), &[]);
    }
}
