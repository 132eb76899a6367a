//! The daemon of the demo: `ctwarden run` in its own process, and the commands that talk to it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::daemon_files::DaemonFiles;
use crate::interrupts::Interrupts;
use crate::tether::{self, TetheredProgram};

/// Longest wait until the daemon has compiled the policies and answers.
const START_TIME: Duration = Duration::from_secs(30);

pub(super) struct Daemon {
    process: TetheredProgram,
    commands: Commands,
    records: Records,
}

impl Daemon {
    /// Starts the daemon and waits until it answers. An interrupt ends the wait with an error.
    pub(super) fn start(program: &Path, files: &DaemonFiles, interrupts: &Interrupts) -> Result<Self> {
        let configuration = files.configuration_file();
        let words = ["run", "--config"].map(OsStr::new).into_iter().chain([configuration.as_os_str()]);
        let mut process = TetheredProgram::start(program, words).context("cannot start the daemon")?;
        let commands = Commands { program: program.to_owned(), socket: files.socket() };
        let since = Instant::now();
        while !commands.run("status", &[])?.status.success() {
            if process.has_ended() {
                bail!("the daemon ended at once");
            }
            if interrupts.is_noted() {
                bail!("interrupted");
            }
            if since.elapsed() > START_TIME {
                bail!("the daemon did not answer within {START_TIME:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let records = Records::open(&files.records())?;
        Ok(Self { process, commands, records })
    }

    /// Runs `ctwarden send`. Returns the answer and the duration of the command.
    pub(super) fn send(&self, plugin: &str, message: &str) -> Result<(String, Duration)> {
        let since = Instant::now();
        let output = self.commands.run("send", &[plugin, message])?;
        let took = since.elapsed();
        let answer = text(&output.stdout);
        if answer.is_empty() {
            bail!("{plugin} refused \"{message}\": {}", text(&output.stderr));
        }
        Ok((answer, took))
    }

    /// Runs `ctwarden status` twice, for the text and for the JSON form.
    pub(super) fn status(&self) -> Result<Status> {
        let ask = |words: &[&str]| {
            let output = self.commands.run("status", words)?;
            if !output.status.success() {
                bail!("the daemon gave no status: {}", text(&output.stderr));
            }
            Ok(output.stdout)
        };
        let json = serde_json::from_slice(&ask(&["--json"])?).context("the daemon's status is no JSON")?;
        Ok(Status { text: text(&ask(&[])?), json })
    }

    /// The next record that the daemon has written, if there is one.
    pub(super) fn record(&mut self) -> Result<Option<Value>> {
        self.records.next()
    }

    /// Whether the daemon has exited without a request.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Stops the daemon as a service manager would. Returns the records that were not read before.
    pub(super) fn stop(mut self) -> Result<Vec<Value>> {
        let status = self.process.stop().context("cannot end the daemon")?;
        if !status.success() {
            bail!("the daemon failed at its end: {status}");
        }
        let mut rest = Vec::new();
        while let Some(record) = self.records.next()? {
            rest.push(record);
        }
        Ok(rest)
    }
}

/// Output of `ctwarden status`.
pub(super) struct Status {
    pub(super) text: String,
    pub(super) json: Value,
}

impl Status {
    /// Number of verdicts of all plugins, with any outcome.
    pub(super) fn verdicts(&self) -> u64 {
        let plugins = self.json.get("plugins").and_then(Value::as_array).into_iter().flatten();
        let kinds = plugins.filter_map(|plugin| plugin.get("verdicts")?.as_object()).flat_map(|kinds| kinds.values());
        let outcomes = kinds.filter_map(Value::as_object).flat_map(|outcomes| outcomes.values());
        outcomes.filter_map(Value::as_u64).sum()
    }
}

/// The program and the control socket for commands to the daemon.
struct Commands {
    program: PathBuf,
    socket: PathBuf,
}

impl Commands {
    fn run(&self, verb: &str, words: &[&str]) -> Result<Output> {
        let mut command = tether::command(&self.program)?;
        command.arg(verb).arg("--socket").arg(&self.socket).args(words);
        command.output().with_context(|| format!("cannot run {}", self.program.display()))
    }
}

/// The daemon's record file, with one JSON object on each line.
struct Records {
    file: BufReader<File>,
    line: String,
}

impl Records {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).context("cannot read the daemon's records")?;
        Ok(Self { file: BufReader::new(file), line: String::new() })
    }

    fn next(&mut self) -> Result<Option<Value>> {
        self.file.read_line(&mut self.line).context("cannot read the daemon's records")?;
        // An incomplete line stays in the buffer until the daemon has written its end.
        if !self.line.ends_with('\n') {
            return Ok(None);
        }
        let record = serde_json::from_str(&self.line).context("a record of the daemon is no JSON")?;
        self.line.clear();
        Ok(Some(record))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
