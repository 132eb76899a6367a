//! The daemon under test: start, control socket and records.
//!
//! The benchmark drives the daemon as an operator and a responder would. It uses one open connection, so that it
//! measures the daemon and not the start of a client.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::children::Running;
use crate::options::Options;
use crate::{processor, scratch};

/// Longer than any wait takes, even with a million entries and an unoptimised build.
const PATIENCE: Duration = Duration::from_secs(300);
/// The pause between two looks at a file. The looks cost almost nothing, and the pause is far below the measured times.
const LOOK: Duration = Duration::from_micros(200);

/// A running daemon. Dropping this value ends it.
#[derive(Debug)]
pub(crate) struct Daemon {
    running: Running,
    control: BufReader<UnixStream>,
    /// The records that the daemon writes.
    pub(crate) records: Records,
    folder: TempDir,
}

impl Daemon {
    /// Makes a private folder with a configuration: these lines, and a `[daemon]` table whose files are in the folder.
    pub(crate) fn prepare(text: &str) -> Result<TempDir> {
        let folder = scratch::folder()?;
        let at = folder.path().display();
        let own = format!(
            "[daemon]\ncontrol = \"{at}/control.sock\"\nstate = \"{at}/state\"\nrecords = \"{at}/records.jsonl\"\nalerts = \"none\"\n"
        );
        fs::write(folder.path().join("ctwarden.toml"), format!("{own}\n{text}"))?;
        Ok(folder)
    }

    /// Starts the daemon with this configuration and waits until it answers.
    pub(crate) fn start(options: &Options, text: &str) -> Result<Self> {
        Self::start_in(options, Self::prepare(text)?)
    }

    /// Starts the daemon in a prepared folder.
    pub(crate) fn start_in(options: &Options, folder: TempDir) -> Result<Self> {
        let mut running = spawn(options, &folder)?;
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(folder.path().join("control.sock")) {
                Ok(stream) => break stream,
                Err(_) => {
                    if let Some(status) = running.get().try_wait()? {
                        bail!("the daemon ended with {status}: {}", last_words(&folder));
                    }
                    ensure!(Instant::now() < end, "the daemon does not open its control socket");
                    sleep(LOOK);
                }
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let records = Records::of(&folder)?;
        let mut daemon = Self { running, control: BufReader::new(stream), records, folder };
        if let Err(error) = daemon.status() {
            // The socket exists before the plugins run.
            sleep(Duration::from_millis(100));
            let ended = daemon.running.get().try_wait()?.map_or_else(String::new, |status| format!(" ({status})"));
            return Err(error).with_context(|| format!("the daemon says{ended}: {}", last_words(&daemon.folder)));
        }
        Ok(daemon)
    }

    /// Starts the daemon and waits until the first sweep is complete.
    pub(crate) fn start_swept(options: &Options, text: &str) -> Result<Self> {
        let mut daemon = Self::start(options, text)?;
        daemon.wait("the first sweep", |daemon| {
            let swept = daemon.records.next(|line| line.contains("\"swept\""))?;
            Ok(swept.filter(|record| at(record, "/complete") == true))
        })?;
        daemon.settle()?;
        Ok(daemon)
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// The processor time of all threads of the daemon.
    pub(crate) fn processor(&self) -> Result<Duration> {
        processor::of_running(self.id())
    }

    /// The resident anonymous memory of the daemon in bytes (`RssAnon`, proc_pid_status(5)). It excludes file pages.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("/proc/PID/status has no RssAnon")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().context("RssAnon is not a number")?;
        Ok(kib * 1024)
    }

    /// Asks the daemon to reload its configuration.
    pub(crate) fn reload(&self) {
        self.running.signal(Signal::SIGHUP);
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        self.say(request)?;
        self.answer()
    }

    fn say(&mut self, request: &Value) -> Result<()> {
        say(self.control.get_mut(), request)
    }

    fn answer(&mut self) -> Result<Value> {
        answer(&mut self.control)
    }

    /// Sends a message on a connection of its own, whose answer is read later.
    pub(crate) fn send_aside(&self, plugin: &str, text: &str) -> Result<Aside> {
        let mut stream = UnixStream::connect(self.folder.path().join("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        say(&mut stream, &message(plugin, text))?;
        Ok(Aside(BufReader::new(stream)))
    }

    /// The answer to `ctwarden status --json`.
    pub(crate) fn status(&mut self) -> Result<Value> {
        let answer = self.ask(&json!("status"))?;
        answer.get("status").cloned().with_context(|| format!("the answer has no status: {answer}"))
    }

    /// Sends a message to a plugin and returns the result.
    pub(crate) fn send(&mut self, plugin: &str, text: &str) -> Result<Value> {
        self.begin_to_send(plugin, text)?;
        self.sent()
    }

    /// The first half of [`Daemon::send`]: sends the message.
    pub(crate) fn begin_to_send(&mut self, plugin: &str, text: &str) -> Result<()> {
        self.say(&message(plugin, text))
    }

    /// The second half of [`Daemon::send`]: waits for the result.
    pub(crate) fn sent(&mut self) -> Result<Value> {
        let answer = self.answer()?;
        answer.get("sent").cloned().with_context(|| format!("the message was refused: {answer}"))
    }

    /// Waits for as long as the last sweep took. Sweeps that plugins ask for take at most half of the time, so the next
    /// sweep would otherwise wait before it begins. That wait is not part of its cost.
    pub(crate) fn rest(&mut self) -> Result<()> {
        self.records.skip()?;
        sleep(self.records.swept + Duration::from_millis(50));
        // On a busy machine, the records of the last sweep come late. They must not count as records of the next one.
        self.records.skip()
    }

    /// Waits until earlier work is done: the replica is complete, with this number of flows, and no sweep runs or is
    /// wanted. Earlier changes of the table may have caused a loss of events, and its repair must not be measured.
    pub(crate) fn replicated(&mut self, flows: u64) -> Result<()> {
        self.wait("the replica to be whole and at rest", |daemon| {
            let status = daemon.status()?;
            let rests = replica_is_whole(&status, flows) && at(&status, "/sweeping") == false;
            if !rests {
                // Each status request takes processor time that the daemon needs for the repair.
                sleep(Duration::from_millis(20));
            }
            Ok(rests.then_some(()))
        })
    }

    /// Waits until every plugin has worked off its queue.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let status = self.wait("the queues to be empty", |daemon| {
            let status = daemon.status()?;
            let busy = plugins(&status).any(|plugin| at(plugin, "/queue") != 0);
            Ok((!busy).then_some(status))
        })?;
        // A plugin handles one call at a time. Once it answers a message, even with a refusal, it has judged the last
        // batch.
        for plugin in plugins(&status) {
            let name = at(plugin, "/name").as_str().unwrap_or_default();
            self.ask(&json!({ "send": { "plugin": name, "text": "count" } }))?;
        }
        Ok(())
    }

    /// Polls until `look` returns a value.
    pub(crate) fn wait<T>(&mut self, what: &str, look: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        self.wait_at_most(PATIENCE, what, look)
    }

    /// Polls until `look` returns a value, with another time limit.
    pub(crate) fn wait_at_most<T>(
        &mut self,
        within: Duration,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let end = Instant::now() + within;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            ensure!(Instant::now() < end, "timed out waiting for {what}");
            sleep(LOOK);
        }
    }
}

/// A message that was sent, and whose answer is still to come.
#[derive(Debug)]
pub(crate) struct Aside(BufReader<UnixStream>);

impl Aside {
    /// Waits for the answer.
    pub(crate) fn answer(mut self) -> Result<Value> {
        answer(&mut self.0)
    }
}

fn message(plugin: &str, text: &str) -> Value {
    json!({ "send": { "plugin": plugin, "text": text } })
}

fn say(stream: &mut UnixStream, request: &Value) -> Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).context("the daemon has ended")
}

fn answer(stream: &mut BufReader<UnixStream>) -> Result<Value> {
    let mut answer = String::new();
    stream.read_line(&mut answer).context("the daemon does not answer")?;
    serde_json::from_str(&answer).with_context(|| format!("the daemon answered {answer:?}"))
}

/// The standard error of the daemon in this folder.
pub(crate) fn last_words(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("stderr")).unwrap_or_default().trim().replace('\n', "; ")
}

/// Starts the daemon in a prepared folder.
pub(crate) fn spawn(options: &Options, folder: &TempDir) -> Result<Running> {
    let path = |name: &str| folder.path().join(name);
    File::create(path("records.jsonl"))?;
    let mut command = Command::new(&options.program);
    command.arg("run").arg("--config").arg(path("ctwarden.toml")).current_dir("/").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(File::create(path("stdout"))?).stderr(File::create(path("stderr"))?);
    let child = command.spawn().with_context(|| format!("cannot run {}", options.program.display()))?;
    Ok(Running::new(child))
}

/// The value at a path of a JSON value (RFC 6901), or null if there is none.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// The plugins of a status.
pub(crate) fn plugins(status: &Value) -> impl Iterator<Item = &Value> {
    at(status, "/plugins").as_array().into_iter().flatten()
}

/// Whether the replica is complete and has this number of flows.
pub(crate) fn replica_is_whole(status: &Value, flows: u64) -> bool {
    at(status, "/replica/complete") == true && at(status, "/replica/flows") == flows
}

/// A number of the status, by its name.
pub(crate) fn number(status: &Value, name: &str) -> Result<u64> {
    at(status, &format!("/{name}")).as_u64().with_context(|| format!("the status has no {name}"))
}

/// The number of a plugin's verdicts of this kind with this outcome.
pub(crate) fn verdicts(status: &Value, plugin: &str, kind: &str, outcome: &str) -> u64 {
    let plugin = plugins(status).find(|report| at(report, "/name") == plugin);
    plugin.and_then(|report| at(report, &format!("/verdicts/{kind}/{outcome}")).as_u64()).unwrap_or(0)
}

/// The file of records, read as it grows.
#[derive(Debug)]
pub(crate) struct Records {
    file: File,
    bytes: Vec<u8>,
    /// The offset in `bytes` of the first line that was not returned yet.
    begin: usize,
    /// The duration of the last sweep that a record reported.
    swept: Duration,
}

impl Records {
    /// The records of the daemon in this folder, from the first one on.
    pub(crate) fn of(folder: &TempDir) -> Result<Self> {
        let file = File::open(folder.path().join("records.jsonl")).context("the daemon writes no records")?;
        Ok(Self { file, bytes: Vec::new(), begin: 0, swept: Duration::ZERO })
    }

    /// The next record whose line satisfies `is`. Skips the records before it. Only this line is parsed, because there
    /// may be a hundred thousand lines.
    pub(crate) fn next(&mut self, is: impl Fn(&str) -> bool) -> Result<Option<Value>> {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        self.file.read_to_end(&mut self.bytes)?;
        while let Some(length) = self.bytes.iter().skip(self.begin).position(|byte| *byte == b'\n') {
            let line = self.bytes.get(self.begin..self.begin + length).unwrap_or_default();
            let line = std::str::from_utf8(line).context("a record is not UTF-8")?;
            self.begin += length + 1;
            if line.contains("\"swept\"") {
                let took = at(&serde_json::from_str(line)?, "/took_us").as_u64();
                self.swept = Duration::from_micros(took.context("the record of a sweep has no took_us")?);
            }
            if is(line) {
                return Ok(Some(serde_json::from_str(line)?));
            }
        }
        Ok(None)
    }

    /// Skips all records that are there.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.next(|_| false).map(drop)
    }
}
