//! The demo's daemon: what `ctwarden run` runs, on a thread of this process, so that it ends with it in any case.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, raise};
use serde_json::Value;

use super::house::House;
use crate::cli::run;
use crate::control::{self, Client, Request, Response, Sent, StatusReport};

/// How long the daemon may take to compile the policies and to answer.
const START_TIME: Duration = Duration::from_secs(30);

/// The running daemon.
pub(super) struct Warden {
    thread: JoinHandle<Result<()>>,
    socket: PathBuf,
    records: BufReader<File>,
    line: String,
}

impl Warden {
    /// Starts it and waits until it answers, or until the person at the terminal has had enough.
    pub(super) fn start(house: &House, interrupted: &AtomicBool) -> Result<Self> {
        let file = house.configuration_file();
        let thread = thread::Builder::new().name("daemon".to_owned()).spawn(move || run::serve(&file))?;
        let since = Instant::now();
        while Client::connect(&house.socket()).and_then(|mut client| client.ask(&Request::Status)).is_err() {
            if thread.is_finished() {
                return ended(thread).and(Err(anyhow!("the daemon ended at once")));
            }
            if interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            if since.elapsed() > START_TIME {
                bail!("the daemon did not answer within {START_TIME:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let records = File::open(house.records()).context("cannot read the daemon's records")?;
        Ok(Self { thread, socket: house.socket(), records: BufReader::new(records), line: String::new() })
    }

    /// Sends a message to a policy; gives what came of it and how long that took.
    pub(super) fn send(&self, plugin: &str, text: &str) -> Result<(Sent, Duration)> {
        let request = Request::Send(control::Send { plugin: plugin.to_owned(), text: text.to_owned(), no_wait: false });
        let mut client = Client::connect(&self.socket)?;
        let since = Instant::now();
        match client.ask(&request)? {
            Response::Sent(sent) => Ok((sent, since.elapsed())),
            Response::Error(why) => bail!("{plugin} refused \"{text}\": {why}"),
            Response::Status(_) => bail!("the daemon answered something else than was asked"),
        }
    }

    /// How it is.
    pub(super) fn status(&self) -> Result<StatusReport> {
        match Client::connect(&self.socket)?.ask(&Request::Status)? {
            Response::Status(report) => Ok(*report),
            Response::Error(why) => bail!("the daemon gave no status: {why}"),
            Response::Sent(_) => bail!("the daemon answered something else than was asked"),
        }
    }

    /// The next record that it wrote, if there is one.
    pub(super) fn record(&mut self) -> Result<Option<Value>> {
        // A line of which only the beginning is there stays until its end comes.
        self.records.read_line(&mut self.line).context("cannot read the daemon's records")?;
        if !self.line.ends_with('\n') {
            return Ok(None);
        }
        let record = serde_json::from_str(&self.line).context("a record of the daemon is no JSON")?;
        self.line.clear();
        Ok(Some(record))
    }

    /// Whether it has ended by itself, as on Ctrl-C.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it as a service manager would, and waits; what was written until then can be read.
    pub(super) fn stop(self) -> Result<Rest> {
        raise(Signal::SIGTERM).context("cannot end the daemon")?;
        ended(self.thread)?;
        Ok(Rest { records: self.records, line: self.line })
    }
}

/// Records that were not read yet when the daemon ended.
pub(super) struct Rest {
    records: BufReader<File>,
    line: String,
}

impl Rest {
    /// All of them.
    pub(super) fn read(mut self) -> Result<Vec<Value>> {
        let mut rest = Vec::new();
        while self.records.read_line(&mut self.line)? > 0 {
            rest.push(serde_json::from_str(&self.line).context("a record of the daemon is no JSON")?);
            self.line.clear();
        }
        Ok(rest)
    }
}

fn ended(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("the daemon's thread panicked"))?
}
