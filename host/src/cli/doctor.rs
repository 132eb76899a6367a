//! `ctwarden doctor`: whether this machine is fit, and why its connection tracking shows nothing.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::out::Out;
use crate::doctor::{Facts, Report};
use crate::plain_json;

/// Say whether this machine is fit, and why its connection tracking may be empty
///
/// Looks at the network namespace it is run in. Each finding says what follows for policies and which command changes
/// it; nothing is changed, but a connection of its own goes over loopback and is gone again. Exit status 0: the daemon
/// can do its work; 1: something is bad.
#[derive(Args)]
pub(super) struct Doctor {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let report = Report::of(Facts::gather());
        let mut out = Out::coloured();
        if self.json {
            plain_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            let text = report.to_text(out.colour());
            write!(out, "{text}")?;
        }
        Ok(if report.is_fit() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
