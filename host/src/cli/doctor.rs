//! `ctwarden doctor`: whether this machine can run ctwarden, and why its conntrack table may be empty.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ctwarden_control::plain_json;

use super::out::Out;
use crate::doctor::{Facts, Report};

/// Check whether this machine is fit for ctwarden, and why its conntrack table may be empty
///
/// Examines the network namespace in which it runs. Each finding names its consequence for policies and the command
/// that changes it. Changes no setting: it only makes test connections over loopback, and may create a test entry,
/// which it removes again. The exit status is 0 if the daemon can work, and 1 if any finding is bad.
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
