//! `ctwarden observe`: shows decisions and flows as they come, or those of a file of records.

mod moment;
mod source;

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use ctwarden_control::{Follow, RecordFilter, RecordLine, RecordText, plain_json};
use ctwarden_model::Timestamp;

use self::moment::Moment;
use self::source::{Next, next};
use super::Socket;
use super::out::Out;
use crate::clock;
use crate::control::Client;
use crate::sinks::Rfc3339;

/// Show decisions as they come, or those of a file of records
///
/// Without a FILE, it follows the running daemon until it is interrupted. The daemon keeps the latest records in
/// memory, for --last and --since. Times are in UTC. Options that are given several times are a choice.
#[derive(Args)]
pub(super) struct Observe {
    #[command(flatten)]
    socket: Socket,
    /// Only decisions of this plugin
    #[arg(long, value_name = "NAME")]
    plugin: Vec<String>,
    /// Only decisions of this kind, such as delete or block, or fault or notice
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Only decisions with this outcome, such as applied or refused
    #[arg(long, value_name = "OUTCOME")]
    outcome: Vec<String>,
    /// Only what names this address or network
    #[arg(long, value_name = "NETWORK")]
    address: Vec<String>,
    /// Also show flows that begin or end
    #[arg(long)]
    flows: bool,
    /// Begin with the records since then: a time such as 5m, or a moment such as 2026-11-30T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Begin with the last N records
    #[arg(long, value_name = "N")]
    last: Option<u64>,
    /// Stop after the records that the daemon has in memory
    #[arg(long)]
    no_follow: bool,
    /// Print one JSON object a line, in the form of the file of records
    #[arg(long)]
    json: bool,
    /// A file of records, or - for standard input; its flows are shown too
    #[arg(value_name = "FILE", conflicts_with_all = ["socket", "config", "no_follow"])]
    file: Option<PathBuf>,
}

impl Observe {
    pub(super) fn run(self) -> Result<ExitCode> {
        let since = self.since.map(|since| since.before(clock::now().wall));
        let follow = Follow {
            plugins: self.plugin.clone(),
            kinds: self.kind.clone(),
            outcomes: self.outcome.clone(),
            addresses: self.address.clone(),
            flows: self.flows || self.file.is_some(),
            last: self.last,
            since_ms: since.map(|since| since.0 / 1_000_000),
            kept_only: self.no_follow,
        };
        let filter = RecordFilter::new(&follow).map_err(anyhow::Error::msg)?;
        let mut printer = Printer::new(self.json);
        match &self.file {
            Some(file) => read_file(file, &filter, since, self.last, &mut printer),
            None => self.follow(&follow, since, &mut printer),
        }
    }

    fn follow(&self, follow: &Follow, since: Option<Timestamp>, printer: &mut Printer) -> Result<ExitCode> {
        let client = Client::connect(&self.socket.path()?)?;
        let (following, mut records) = client.follow(follow)?;
        if let (Some(since), Some(oldest), true) = (since, &following.oldest, following.forgotten)
            && Rfc3339(since).to_string() < *oldest
        {
            crate::log::say(&format!(
                "records before {oldest} are no longer in memory; `ctwarden observe FILE` shows those of a file"
            ));
        }
        loop {
            match next(&mut records)? {
                Next::Line(line) => printer.print(&line).context("the daemon sent no record")?,
                Next::NobodyReads => return Ok(ExitCode::SUCCESS),
                Next::End if follow.kept_only => return Ok(ExitCode::SUCCESS),
                Next::End => bail!("the daemon has closed the connection; it has stopped, or its log says why"),
            }
            if printer.out.is_closed() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// Prints the matching records of a file. A line that is no record is reported, and the rest is still read.
fn read_file(
    file: &Path,
    filter: &RecordFilter,
    since: Option<Timestamp>,
    last: Option<u64>,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let reader: Box<dyn BufRead> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(std::fs::File::open(file).with_context(|| format!("cannot open {name}"))?))
    };
    let since = since.map(|since| Rfc3339(since).to_string());
    let mut latest = VecDeque::new();
    let mut all_read = true;
    for (line, number) in reader.lines().zip(1_u64..) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        let record = match RecordLine::read(&line) {
            Ok(record) => record,
            Err(error) => {
                crate::log::say(&format!("{name}, line {number} is no record: {error}"));
                all_read = false;
                continue;
            }
        };
        // All times have the same width, so they compare as texts.
        if since.as_ref().is_some_and(|since| record.time < *since) || !filter.matches(&record.facets()) {
            continue;
        }
        match last {
            None => printer.print(&line)?,
            Some(last) => {
                latest.push_back(line);
                if u64::try_from(latest.len()).unwrap_or(u64::MAX) > last {
                    latest.pop_front();
                }
            }
        }
        if printer.out.is_closed() {
            break;
        }
    }
    latest.iter().try_for_each(|line| printer.print(line))?;
    Ok(if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints records in the chosen form, each at once.
struct Printer {
    out: Out,
    text: RecordText,
    json: bool,
}

impl Printer {
    fn new(json: bool) -> Self {
        let out = if json { Out::plain() } else { Out::coloured() };
        let text = RecordText::new(out.colour());
        Self { out, text, json }
    }

    fn print(&mut self, line: &str) -> Result<()> {
        if self.json {
            // Again through our own form, because a file may come from elsewhere.
            let value: serde_json::Value = serde_json::from_str(line)?;
            writeln!(self.out, "{}", plain_json::to_string(&value)?)?;
        } else {
            let lines = self.text.write(&RecordLine::read(line)?);
            write!(self.out, "{lines}")?;
        }
        Ok(self.out.flush()?)
    }
}
