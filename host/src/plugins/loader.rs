//! Untrusted bytes are looked at in a process of its own: a component is compiled, described, held against its schema and
//! configured once there, before any of it comes near the daemon.
//!
//! Each of these steps can be made to take time or memory without bound by whoever wrote the component: a schema that doubles
//! at each level, a function with a hundred thousand live locals. No limit within a process ends such work, so the kernel's
//! limits on processes do, and the clock of this side. The process is this very program, without privileges
//! (`loader/confine.rs`). What comes back is the compiled code, in memory that is sealed once that process has ended, and who
//! the policy says it is. `docs/decisions/2026-11-29-loading-process.md` tells what that code is trusted for.

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
use self::frame::{Bounds, read, write};
pub(crate) use self::message::Described;
use self::message::{Answer, FromLoader, Job, Phase, Question, Stream};
use crate::config::{self, Period, Size};
use crate::sys;

pub(crate) use self::child::{refused, serve};

/// The program itself, even where its file was replaced since.
const PROGRAM: &str = "/proc/self/exe";
/// The verb that makes the program a loader. It is no verb for people and stands in no manual.
pub(crate) const VERB: &str = "load-component";
/// How long the process may take to end when it has said all.
const LAST_MOMENTS: Duration = Duration::from_secs(5);
/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_micros(200);
/// Lines of a plugin's output that are kept for the case that it is refused.
const LINES_MAX: usize = 100;
/// Findings that are told, and characters of each.
const FINDINGS_MAX: usize = 32;
const FINDING_CHARS_MAX: usize = 2_000;
/// Bytes of the process's own last words that are looked at.
const LAST_WORDS: u64 = 4 << 10;

/// What came of it where nothing was wrong.
pub(crate) struct Examined {
    /// Who it says it is.
    pub(crate) described: Described,
    /// Its code; none where the code was there already.
    pub(crate) code: Option<Code>,
}

/// Examines a component with the plugin's configuration. `code` is its compiled code, where there is some. The host answers
/// what it asks while it is configured; what it writes down there must not last.
///
/// # Errors
/// Everything that is wrong with it, or the limit that it did not keep to.
pub(crate) fn examine(
    plugin: &config::Plugin,
    code: Option<&Code>,
    host: &mut dyn Host,
) -> Result<Examined, Vec<String>> {
    let mut lines = Vec::new();
    // A thread of its own, for what it gives up it gives up for ever.
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

/// There is no process to load it in.
fn unable(error: impl Into<io::Error>) -> Vec<String> {
    vec![format!(
        "cannot start the process that loads it: {}; /proc must be mounted, and the limits of processes and open files must \
         have room",
        error.into()
    )]
}

/// The process, and this side's ends of what it has.
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
        let job = Job { name: plugin.name.to_string(), compile, limits: plugin.limits };
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

    /// Hands the job over and answers until all is said.
    fn converse(
        &mut self,
        plugin: &config::Plugin,
        job: &Job,
        phase: &mut Phase,
        host: &mut dyn Host,
        lines: &mut Vec<(LogStream, String)>,
    ) -> io::Result<Result<Described, Vec<String>>> {
        let mut stream = Deadline::new(&self.stream, after(phase.wall(&plugin.limits)));
        write(&mut stream, job, &plugin.component)?;
        write(&mut stream, &(), plugin.config.to_string().as_bytes())?;
        loop {
            let (said, payload) = read::<FromLoader>(&mut stream, Bounds::OF_LOADER)?;
            match said {
                // In their order and each once, so that none is begun again to gain time.
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

    /// Waits for the end, which is near: not longer, whatever the process does when it has said all.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let until = after(LAST_MOMENTS);
        // The end of the stream is that of the process as a rule.
        let _ = Deadline::new(&self.stream, until).read(&mut [0])?;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() >= until => return Err(io::ErrorKind::TimedOut.into()),
                None => thread::sleep(LOOK),
            }
        }
    }

    /// Why there was no word from the process.
    fn why_not(&mut self, error: &io::Error, phase: Phase, limits: &config::Limits) -> String {
        if error.kind() == io::ErrorKind::TimedOut {
            let (doing, wall) = (phase.doing(), Period(phase.wall(limits)));
            return format!("{doing} took longer than {wall} and was stopped; {}", phase.way_out(limits));
        }
        // It has gone, or says what it never says. Either way it is at its end.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => self.ended(status, phase, limits),
            Err(error) => format!("{} failed: {error}", phase.doing()),
        }
    }

    /// What the process came to.
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
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        format!(
            "{doing} failed: the process that loads it ended with {status} ({last}); do not use this component, and report it \
             to ctwarden",
        )
    }

    /// The last that the process wrote to its standard error.
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
        // It has ended as a rule, and then nothing happens.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn after(wall: Duration) -> Instant {
    let now = Instant::now();
    // A limit of years is as good as a day.
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
        Question::Set(key) => (Answer::Done(host.memory_set(&key, payload)), Vec::new()),
        Question::Remove(key) => {
            host.memory_remove(&key);
            (Answer::Done(Ok(())), Vec::new())
        }
        Question::Keys(beginning) => (Answer::Keys(host.memory_keys(&beginning)), Vec::new()),
    }
}

/// Findings as they may be shown: the process that wrote them had untrusted bytes in it.
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
