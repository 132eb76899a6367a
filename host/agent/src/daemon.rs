//! The daemon, as the agent sees it: its status, and its records, across restarts of either.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use ctwarden_control::{Client, ClientError, Follow, RecordLine, Request, Response, StatusReport};

use crate::log;
use crate::tally::Tally;

/// The first and the longest wait before the next attempt to connect.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Where records go. It never waits.
pub(crate) trait Outlet: Send {
    /// Takes a record and its line without the end.
    fn put(&mut self, record: &RecordLine, line: &str);
}

#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    socket: PathBuf,
    tally: Arc<Tally>,
}

/// How far the agent has seen the records.
#[derive(Debug, Default)]
struct Seen {
    /// Time of the latest record, and all its lines of that time.
    time: String,
    lines: BTreeSet<String>,
}

impl Daemon {
    pub(crate) const fn new(socket: PathBuf, tally: Arc<Tally>) -> Self {
        Self { socket, tally }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn status(&self) -> Result<StatusReport, ClientError> {
        let mut client = Client::connect(&self.socket)?;
        let response = client.request(&Request::Status)?;
        if let Response::Status(report) = response { Ok(*report) } else { Err(client.unexpected(&response)) }
    }

    /// Follows the records in a thread of its own, and hands each to all outlets.
    pub(crate) fn follow(&self, mut outlets: Vec<Box<dyn Outlet>>) -> Result<JoinHandle<()>> {
        let daemon = self.clone();
        let run = move || {
            let mut seen = Seen::default();
            let mut wait = RETRY;
            let mut is_told = false;
            loop {
                match daemon.follow_once(&mut seen, &mut outlets) {
                    Ok(any) => {
                        log::say("the daemon has closed the connection; trying again");
                        is_told = false;
                        wait = if any { RETRY } else { wait };
                    }
                    Err(error) if is_told => drop(error),
                    Err(error) => {
                        log::say(&format!("{error}; trying again"));
                        is_told = true;
                    }
                }
                thread::sleep(wait);
                wait = (wait * 2).min(RETRY_MAX);
            }
        };
        thread::Builder::new().name("follow".to_owned()).spawn(run).context("cannot start a thread")
    }

    /// Follows until the connection ends. Returns whether there was any record.
    fn follow_once(&self, seen: &mut Seen, outlets: &mut [Box<dyn Outlet>]) -> Result<bool, ClientError> {
        // After a reconnect, begin with what came meanwhile.
        let since_ms = ctwarden_control::parse_time(&seen.time).map(|time| time.0 / 1_000_000);
        let client = Client::connect(&self.socket)?;
        let (_, mut records) = client.follow(&Follow { since_ms, ..Follow::default() })?;
        let mut any = false;
        while let Some(line) = records.next_line()? {
            let Ok(record) = RecordLine::read(&line) else { continue };
            if !seen.is_new(&record, &line) {
                continue;
            }
            any = true;
            if record.is_loss() {
                self.tally.missed.add(record.rest.get("lost").and_then(serde_json::Value::as_u64).unwrap_or(0));
            }
            self.tally.followed.add(1);
            outlets.iter_mut().for_each(|outlet| outlet.put(&record, &line));
        }
        Ok(any)
    }
}

impl Seen {
    /// Whether the line was not seen before. Lines come in the order of their times, but for a clock that was set back.
    fn is_new(&mut self, record: &RecordLine, line: &str) -> bool {
        if record.time != self.time {
            self.time.clone_from(&record.time);
            self.lines.clear();
        }
        self.lines.insert(line.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_handed_on_once() {
        let mut seen = Seen::default();
        let mut is_new = |second: u8, plugin: &str| {
            let line = format!(
                r#"{{"time":"2026-11-30T12:00:0{second}.000000000Z","record":"notice","notice":"restarted","plugin":"{plugin}"}}"#
            );
            seen.is_new(&RecordLine::read(&line).unwrap(), &line)
        };
        assert!(is_new(1, "a") && is_new(1, "b"));
        assert!(!is_new(1, "a"), "the daemon tells those of the last millisecond again");
        assert!(is_new(2, "a") && !is_new(2, "a"));
    }
}
