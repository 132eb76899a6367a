//! The output of the demo: text for people, or JSON.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use ctwarden_model::text;
use serde_json::{Value, json};

use crate::checks::Check;
use crate::colour::{Colour, Paint};
use crate::daemon::Status;

/// Number of records that one act prints. The demo only counts the others.
const SHOWN: usize = 12;

/// Writes to standard output.
pub(super) struct View {
    json: bool,
    colour: Colour,
    since: Instant,
    shown: usize,
    hidden: usize,
}

impl View {
    pub(super) fn new(json: bool) -> Self {
        Self { json, colour: Colour::of_stdout(), since: Instant::now(), shown: 0, hidden: 0 }
    }

    /// Prints a line about the progress of the demo.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        if self.json { line(&json!({ "say": text })) } else { print(&format!("{} {}", self.clock(), text::line(text))) }
    }

    /// Begins the next act.
    pub(super) fn act(&mut self, title: &str) -> Result<()> {
        self.end_act()?;
        if self.json {
            line(&json!({ "act": title }))
        } else {
            print(&format!("\n{}", self.colour.paint(Paint::Bold, title)))
        }
    }

    /// Prints the number of records that were not shown.
    pub(super) fn end_act(&mut self) -> Result<()> {
        self.shown = 0;
        match std::mem::take(&mut self.hidden) {
            0 => Ok(()),
            hidden => print(&format!("{} … and {hidden} more records", self.clock())),
        }
    }

    /// Prints a record of the daemon.
    pub(super) fn record(&mut self, record: &Value) -> Result<()> {
        if self.json {
            return line(record);
        }
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("record") == "notice" {
            return Ok(());
        }
        let is_alert = text("action") == "alert";
        if self.shown >= SHOWN && !is_alert {
            self.hidden += 1;
            return Ok(());
        }
        self.shown += 1;
        let outcome = match text("outcome") {
            "applied" => self.colour.paint(Paint::Green, "applied"),
            "" => self.colour.paint(Paint::Red, text("fault")),
            other => self.colour.paint(Paint::Yellow, other),
        };
        let action = format!("{:<8}", text::line(text("action")));
        let action = if is_alert { self.colour.paint(Paint::Red, action) } else { action };
        // Control characters from a plugin or the kernel have no effect on the terminal.
        let (plugin, object) = (text::line(text("plugin")), object(record));
        print(&format!("{}   {plugin:<16} {action} {:<60} {outcome}", self.clock(), text::line(&object)))
    }

    /// Prints the result of a check.
    pub(super) fn check(&self, check: &Check) -> Result<()> {
        if self.json {
            return line(&json!({ "check": check.claim, "found": check.found, "held": check.held }));
        }
        print(&format!("{} {} {}: {}", self.clock(), self.mark(check.held), check.claim, check.found))
    }

    /// Prints the daemon's status and all checks, at the end of the demo.
    pub(super) fn summary(&self, checks: &[Check], status: &Status) -> Result<()> {
        let held = checks.iter().filter(|check| check.held).count();
        if self.json {
            return line(&json!({ "summary": {
                "checks": checks.len(),
                "held": held,
                "seconds": self.since.elapsed().as_secs_f64(),
                "status": status.json,
            }}));
        }
        print(&format!("\n{}", self.colour.paint(Paint::Bold, "What the policies did")))?;
        print(&format!("{}\n", status.text))?;
        print(&self.colour.paint(Paint::Bold, "What the kernel's table says"))?;
        let width = checks.iter().map(|check| check.claim.chars().count()).max().unwrap_or_default();
        for check in checks {
            print(&format!("{}  {:<width$}  {}", self.mark(check.held), check.claim, check.found))?;
        }
        let verdict = format!("{held} of {} checks held, {:.1} s", checks.len(), self.since.elapsed().as_secs_f64());
        let paint = if held == checks.len() { Paint::Green } else { Paint::Red };
        print(&format!("\n{}", self.colour.paint(paint, verdict)))
    }

    fn clock(&self) -> String {
        let elapsed: Duration = self.since.elapsed();
        self.colour.paint(Paint::Dim, format_args!("{:6.2}s", elapsed.as_secs_f64()))
    }

    fn mark(&self, held: bool) -> String {
        if held { self.colour.paint(Paint::Green, "held  ") } else { self.colour.paint(Paint::Red, "FAILED") }
    }
}

/// A short text for what the record is about.
fn object(record: &Value) -> String {
    let text = |value: &Value, key: &str| match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let what = if let Some(alert) = record.get("alert") {
        return text(alert, "title");
    } else if let Some(block) = record.get("block").or_else(|| record.get("unblock")) {
        return format!("{} in {}", text(block, "network"), text(block, "set"));
    } else if let Some(mark) = record.get("mark") {
        let number = |key| mark.get(key).and_then(Value::as_u64).unwrap_or_default();
        format!(" = {:#x}/{:#x}", number("value"), number("mask"))
    } else {
        String::new()
    };
    match record.get("flow") {
        Some(flow) => {
            let port = |key| flow.get(key).map(|port| format!(" {port}")).unwrap_or_default();
            let (src, dst) = (text(flow, "src"), text(flow, "dst"));
            format!("{} {src}{} → {dst}{}{what}", text(flow, "protocol"), port("src_port"), port("dst_port"))
        }
        None => match record.get("tally") {
            Some(tally) => format!("flows that match: {tally}"),
            None => text(record, "text"),
        },
    }
}

fn line(value: &Value) -> Result<()> {
    print(&text::line(&value.to_string()))
}

/// Prints a line. If the reader has closed the pipe, the demo goes on without output, so that the exit status still
/// tells whether the checks held.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
