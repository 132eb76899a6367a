//! Examines untrusted bytes in a separate process: a component is compiled, described, checked against its schema and
//! configured once there, before the daemon uses any of it.
//!
//! The author of a component can make each of these steps take unbounded time or memory: a schema that doubles at each
//! level, a function with a hundred thousand live locals. No limit within a process ends such work. The kernel's limits
//! on processes end it, and so does the clock of this side. The process is this same program, without privileges
//! (`loader/confine.rs`). It returns the compiled code, in memory that is sealed once that process has ended, and the
//! policy's descriptor. `docs/decisions/2026-11-29-loading-process.md` explains how far that code is trusted.

mod child;
mod confine;
mod deadline;
mod frame;
mod message;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use ctwarden_guest::{Code, Host, LogStream};
use nix::sys::signal::Signal;

use self::deadline::Deadline;
use self::frame::{FrameLimits, read, write};
pub(crate) use self::message::Described;
use self::message::{Answer, FromLoader, LoaderJob, Phase, Question, Stream};
use crate::config::{self, Period, Size};
use crate::sys;

pub(crate) use self::child::{refused, serve};

/// The program itself, even if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";
/// The verb that makes the program a loader. It is internal and not in any manual.
pub(crate) const VERB: &str = "load-component";
/// Time in which the process must end after its last message.
const LAST_MOMENTS: Duration = Duration::from_secs(5);
/// Interval of the checks whether the process has ended.
const LOOK: Duration = Duration::from_micros(200);
/// Most lines of a plugin's output that are kept in case it is refused.
const LINES_MAX: usize = 100;
/// Most findings that are reported, and most characters of each.
const FINDINGS_MAX: usize = 32;
const FINDING_CHARS_MAX: usize = 2_000;
/// Most bytes read of the process's standard error.
const LAST_WORDS: u64 = 4 << 10;

/// The result of an examination without problems.
pub(crate) struct Examined {
    pub(crate) described: Described,
    /// Its code. `None` if the code was already there.
    pub(crate) code: Option<Code>,
}

/// Examines a component with the plugin's configuration. `code` is its compiled code, if there is some. The host
/// answers the component's imports while it is configured; its writes there must not last.
///
/// # Errors
/// Everything that is wrong with the component, or the limit that it exceeded.
pub(crate) fn examine(
    plugin: &config::Plugin,
    code: Option<&Code>,
    host: &mut dyn Host,
) -> Result<Examined, Vec<String>> {
    let mut lines = Vec::new();
    // Use a separate thread: `no_new_privs` applies to a thread and cannot be undone.
    let outcome = thread::scope(|scope| {
        let loader = || {
            nix::sys::prctl::set_no_new_privs().map_err(io::Error::from).map_err(unable)?;
            LoadingProcess::start(code)?.examine(plugin, code.is_none(), host, &mut lines)
        };
        let spawned = thread::Builder::new().name("loader".to_owned()).spawn_scoped(scope, loader);
        match spawned.map_err(unable)?.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    if outcome.is_err() {
        for (stream, line) in lines {
            crate::log::plugin(&plugin.name, stream, &line);
        }
    }
    outcome
}

/// The error if the loading process could not be started.
fn unable(error: impl Into<io::Error>) -> Vec<String> {
    vec![format!(
        "cannot start the process that loads it: {}; check that /proc is mounted and that the limits of processes \
         and open files are not reached",
        error.into()
    )]
}

/// The process, and this side's ends of its channels.
struct LoadingProcess {
    child: Child,
    stream: UnixStream,
    code: OwnedFd,
    last_words: File,
}

impl LoadingProcess {
    fn start(code: Option<&Code>) -> Result<Self, Vec<String>> {
        Self::spawn(code).map_err(unable)
    }

    fn spawn(code: Option<&Code>) -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let code = code.map_or_else(Code::file, Code::handle)?;
        let last_words = File::from(Code::file()?);
        let mut command = Command::new(PROGRAM);
        command.arg0("ctwarden").arg(VERB).env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(code.try_clone()?).stderr(last_words.try_clone()?);
        Ok(Self { child: command.spawn()?, stream, code, last_words })
    }

    fn examine(
        mut self,
        plugin: &config::Plugin,
        compile: bool,
        host: &mut dyn Host,
        lines: &mut Vec<(LogStream, String)>,
    ) -> Result<Examined, Vec<String>> {
        let mut phase = Phase::Compile;
        let job = LoaderJob { name: plugin.name.to_string(), compile, limits: plugin.limits };
        let described = match self.converse(plugin, &job, &mut phase, host, lines) {
            Ok(said) => said.map_err(presentable)?,
            Err(error) => return Err(vec![self.why_not(&error, phase, &plugin.limits)]),
        };
        let status = self.wait().map_err(|error| vec![self.why_not(&error, phase, &plugin.limits)])?;
        if !status.success() {
            return Err(vec![self.ended(status, phase, &plugin.limits)]);
        }
        let code = if compile {
            let handle = self.code.try_clone().map_err(unable)?;
            let sealed = sys::seal_code_of_loader(handle);
            Some(sealed.map_err(|error| vec![format!("its compiled code cannot be used: {error}")])?)
        } else {
            None
        };
        Ok(Examined { described, code })
    }

    /// Sends the job and answers questions until the process has sent its last message.
    fn converse(
        &mut self,
        plugin: &config::Plugin,
        job: &LoaderJob,
        phase: &mut Phase,
        host: &mut dyn Host,
        lines: &mut Vec<(LogStream, String)>,
    ) -> io::Result<Result<Described, Vec<String>>> {
        let mut stream = Deadline::new(&self.stream, after(phase.wall(&plugin.limits)));
        write(&mut stream, job, &plugin.component)?;
        write(&mut stream, &(), plugin.config.to_string().as_bytes())?;
        loop {
            let (said, payload) = read::<FromLoader>(&mut stream, FrameLimits::OF_LOADER)?;
            match said {
                // Each phase begins once and in order, so no phase can restart to gain time.
                FromLoader::Begins(next) if next > *phase => {
                    *phase = next;
                    stream.set(after(next.wall(&plugin.limits)));
                }
                FromLoader::Begins(_) => return Err(io::Error::from(io::ErrorKind::InvalidData)),
                FromLoader::Wrote(from, line) => {
                    if lines.len() < LINES_MAX {
                        lines.push((from.into(), line));
                    }
                }
                FromLoader::Asks(question) => {
                    let (answer, payload) = answer(question, payload, host);
                    write(&mut stream, &answer, &payload)?;
                }
                FromLoader::Ends(outcome) => return Ok(outcome),
            }
        }
    }

    /// Waits for the end of the process, with a limit: the process may hang even after its last message.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let until = after(LAST_MOMENTS);
        // The stream usually ends with the process.
        let _ = Deadline::new(&self.stream, until).read(&mut [0])?;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() >= until => return Err(io::ErrorKind::TimedOut.into()),
                None => thread::sleep(LOOK),
            }
        }
    }

    /// Explains why no message came from the process.
    fn why_not(&mut self, error: &io::Error, phase: Phase, limits: &config::Limits) -> String {
        if error.kind() == io::ErrorKind::TimedOut {
            let (doing, wall) = (phase.doing(), Period(phase.wall(limits)));
            return format!("{doing} took longer than {wall} and was stopped; {}", phase.way_out(limits));
        }
        // The process has ended or sent an invalid message. Either way it must end.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => self.ended(status, phase, limits),
            Err(error) => format!("{} failed: {error}", phase.doing()),
        }
    }

    /// Describes how the process ended.
    fn ended(&self, status: ExitStatus, phase: Phase, limits: &config::Limits) -> String {
        let (doing, way_out) = (phase.doing(), phase.way_out(limits));
        let words = self.words();
        if status.signal() == Some(Signal::SIGXCPU as i32) {
            let cpu = Period(phase.cpu(limits));
            return format!("{doing} took more than {cpu} of processor time and was stopped; {way_out}");
        }
        if words.contains("memory allocation of ") || words.contains("Cannot allocate memory") {
            let memory = Size(phase.memory(limits));
            return format!("{doing} took more than {memory} of memory and was stopped; {way_out}");
        }
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing");
        format!(
            "{doing} failed: the process that loads it ended with {status} ({last}); do not use this component, and report it \
             to ctwarden",
        )
    }

    /// Returns the last text that the process wrote to its standard error.
    fn words(&self) -> String {
        let length = self.last_words.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; usize::try_from(length.min(LAST_WORDS)).unwrap_or(0)];
        let read = self.last_words.read_at(&mut bytes, length.saturating_sub(LAST_WORDS)).unwrap_or(0);
        bytes.truncate(read);
        String::from_utf8_lossy(&bytes).chars().filter(|c| *c == '\n' || !c.is_control()).collect()
    }
}

impl Drop for LoadingProcess {
    fn drop(&mut self) {
        // The process has usually ended already, and then this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn after(wall: Duration) -> Instant {
    let now = Instant::now();
    // If the sum overflows, the limit is many years. A day is then as good.
    now.checked_add(wall).unwrap_or_else(|| now + Duration::from_secs(86_400))
}

fn answer(question: Question, payload: Vec<u8>, host: &mut dyn Host) -> (Answer, Vec<u8>) {
    match question {
        Question::Lookup { set, addresses } => {
            (Answer::Values(host.lookup(&ctwarden_model::SetName(set), &addresses)), Vec::new())
        }
        Question::Table => (Answer::Table(host.table().map(Into::into)), Vec::new()),
        Question::Get(key) => match host.memory_get(&key) {
            Some(value) => (Answer::Found(true), value),
            None => (Answer::Found(false), Vec::new()),
        },
        Question::Set { key, lifetime } => (Answer::Done(host.memory_set(&key, payload, lifetime)), Vec::new()),
        Question::Remove(key) => {
            host.memory_remove(&key);
            (Answer::Done(Ok(())), Vec::new())
        }
        Question::Keys(beginning) => (Answer::Keys(host.memory_keys(&beginning)), Vec::new()),
    }
}

/// Makes findings safe to show: the process that wrote them handled untrusted bytes.
fn presentable(findings: Vec<String>) -> Vec<String> {
    let plain = |finding: String| -> String {
        finding.chars().take(FINDING_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    let mut shown: Vec<String> = findings.into_iter().take(FINDINGS_MAX).map(plain).collect();
    if shown.is_empty() {
        shown.push("it was refused without a reason".to_owned());
    }
    shown
}

impl From<Stream> for LogStream {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Output => Self::Output,
            Stream::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_the_other_process_are_plain_and_few() {
        let findings = vec!["a\u{1b}[2J\nb".to_owned(), "x".repeat(3_000)];
        let shown = presentable(findings);
        assert_eq!(shown[0], "a [2J b");
        assert_eq!(shown[1].len(), FINDING_CHARS_MAX);
        assert_eq!(presentable(vec!["y".to_owned(); 100]).len(), FINDINGS_MAX);
        assert_eq!(presentable(Vec::new()).len(), 1, "a refusal says something");
    }
}
