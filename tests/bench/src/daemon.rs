//! The daemon under test: started, asked over its control socket, heard through its records.
//!
//! It is driven as an operator and a responder would, and over one connection that stays open, so that what is measured is
//! the daemon and not the start of a client.

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

/// Longer than anything that is waited for takes, a million entries with an unoptimised build included.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at a file; its cost does not show and it is far below what is measured that way.
const LOOK: Duration = Duration::from_micros(200);

/// A running daemon; ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    running: Running,
    control: BufReader<UnixStream>,
    /// What it writes down.
    pub(crate) records: Records,
    folder: TempDir,
}

impl Daemon {
    /// A private folder with a configuration: these lines and a `[daemon]` table whose files are in the folder.
    pub(crate) fn prepare(text: &str) -> Result<TempDir> {
        let folder = scratch::folder()?;
        let at = folder.path().display();
        let own = format!(
            "[daemon]\ncontrol = \"{at}/control.sock\"\nstate = \"{at}/state\"\nrecords = \"{at}/records.jsonl\"\nalerts = \"none\"\n"
        );
        fs::write(folder.path().join("ctwarden.toml"), format!("{own}\n{text}"))?;
        Ok(folder)
    }

    /// Starts it with that configuration and waits until it answers.
    pub(crate) fn start(options: &Options, text: &str) -> Result<Self> {
        Self::start_in(options, Self::prepare(text)?)
    }

    /// The same in a folder that is prepared.
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
            // Its socket is there before its plugins are.
            sleep(Duration::from_millis(100));
            let ended = daemon.running.get().try_wait()?.map_or_else(String::new, |status| format!(" ({status})"));
            return Err(error).with_context(|| format!("the daemon says{ended}: {}", last_words(&daemon.folder)));
        }
        Ok(daemon)
    }

    /// The same, and waits until the first sweep is through.
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

    /// Processor time of all its threads.
    pub(crate) fn processor(&self) -> Result<Duration> {
        processor::of_running(self.id())
    }

    /// Memory that is its own: resident and not a file's, in bytes (`RssAnon`, proc_pid_status(5)).
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("/proc/PID/status has no RssAnon")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().context("RssAnon is not a number")?;
        Ok(kib * 1024)
    }

    /// Tells it to read its configuration anew.
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

    /// A message whose answer is not waited for now, on a connection of its own.
    pub(crate) fn send_aside(&self, plugin: &str, text: &str) -> Result<Aside> {
        let mut stream = UnixStream::connect(self.folder.path().join("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        say(&mut stream, &message(plugin, text))?;
        Ok(Aside(BufReader::new(stream)))
    }

    /// `ctwarden status --json`.
    pub(crate) fn status(&mut self) -> Result<Value> {
        let answer = self.ask(&json!("status"))?;
        answer.get("status").cloned().with_context(|| format!("the answer has no status: {answer}"))
    }

    /// A message to a plugin, and what came of it.
    pub(crate) fn send(&mut self, plugin: &str, text: &str) -> Result<Value> {
        self.begin_to_send(plugin, text)?;
        self.sent()
    }

    /// The first half: the message is on its way.
    pub(crate) fn begin_to_send(&mut self, plugin: &str, text: &str) -> Result<()> {
        self.say(&message(plugin, text))
    }

    /// The second half: what came of it.
    pub(crate) fn sent(&mut self) -> Result<Value> {
        let answer = self.answer()?;
        answer.get("sent").cloned().with_context(|| format!("the message was refused: {answer}"))
    }

    /// Lets the daemon rest from the last sweep: those that plugins ask for take half of the time at most, so that the next one
    /// waits as long as the last one took, which is not its own cost.
    pub(crate) fn rest(&mut self) -> Result<()> {
        self.records.skip()?;
        sleep(self.records.swept + Duration::from_millis(50));
        // On a busy machine the last sweep's own records come late, and must not be taken for the next one's.
        self.records.skip()
    }

    /// Waits until nothing of what went before goes on: its copy of the table is whole, with so many flows, and no sweep runs or
    /// is wanted. What a line does to the table may have lost it events, and what repairs that is not what is measured.
    pub(crate) fn replicated(&mut self, flows: u64) -> Result<()> {
        self.wait("the replica to be whole and at rest", |daemon| {
            let status = daemon.status()?;
            let rests = replica_is_whole(&status, flows) && at(&status, "/sweeping") == false;
            if !rests {
                // Each status costs the daemon what it needs for the repair.
                sleep(Duration::from_millis(20));
            }
            Ok(rests.then_some(()))
        })
    }

    /// Waits until every plugin has worked off what waited in front of it.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let status = self.wait("the queues to be empty", |daemon| {
            let status = daemon.status()?;
            let busy = plugins(&status).any(|plugin| at(plugin, "/queue") != 0);
            Ok((!busy).then_some(status))
        })?;
        // A plugin has one call at a time: when it answers a message, refusing or not, the last batch is judged.
        for plugin in plugins(&status) {
            let name = at(plugin, "/name").as_str().unwrap_or_default();
            self.ask(&json!({ "send": { "plugin": name, "text": "count" } }))?;
        }
        Ok(())
    }

    /// Looks again and again until there is something.
    pub(crate) fn wait<T>(&mut self, what: &str, look: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        self.wait_at_most(PATIENCE, what, look)
    }

    /// The same with another bound.
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

/// A message on its way, whose answer is still to come.
#[derive(Debug)]
pub(crate) struct Aside(BufReader<UnixStream>);

impl Aside {
    /// Waits for its answer.
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

/// What a daemon in that folder has said on standard error.
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

/// What is at a path of a JSON value (RFC 6901); null where nothing is.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// The plugins of a status.
pub(crate) fn plugins(status: &Value) -> impl Iterator<Item = &Value> {
    at(status, "/plugins").as_array().into_iter().flatten()
}

/// Whether the replica lacks nothing and has so many flows.
pub(crate) fn replica_is_whole(status: &Value, flows: u64) -> bool {
    at(status, "/replica/complete") == true && at(status, "/replica/flows") == flows
}

/// A number of the status, by its name.
pub(crate) fn number(status: &Value, name: &str) -> Result<u64> {
    at(status, &format!("/{name}")).as_u64().with_context(|| format!("the status has no {name}"))
}

/// How many verdicts of that kind of a plugin ended so.
pub(crate) fn verdicts(status: &Value, plugin: &str, kind: &str, outcome: &str) -> u64 {
    let plugin = plugins(status).find(|report| at(report, "/name") == plugin);
    plugin.and_then(|report| at(report, &format!("/verdicts/{kind}/{outcome}")).as_u64()).unwrap_or(0)
}

/// The file of records, read on as it grows.
#[derive(Debug)]
pub(crate) struct Records {
    file: File,
    bytes: Vec<u8>,
    /// Where in `bytes` the first line begins that nobody has had.
    begin: usize,
    /// How long the last sweep took that a record told of.
    swept: Duration,
}

impl Records {
    /// Of the daemon in that folder, from its first on.
    pub(crate) fn of(folder: &TempDir) -> Result<Self> {
        let file = File::open(folder.path().join("records.jsonl")).context("the daemon writes no records")?;
        Ok(Self { file, bytes: Vec::new(), begin: 0, swept: Duration::ZERO })
    }

    /// The next record whose line is such; those before it are passed over. A line is parsed only where it is wanted: there
    /// may be a hundred thousand of them.
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

    /// Passes over all that are there.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.next(|_| false).map(drop)
    }
}
