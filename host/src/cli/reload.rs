//! `ctwarden reload`: makes the running daemon read its configuration again, and prints what has changed.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use ctwarden_control::plain_json;

use super::out::Out;
use super::{Socket, UNEXPECTED};
use crate::control::{Client, Request, Response};

/// Reload the configuration of the running daemon, and show what has changed
///
/// If the new configuration has a mistake, the old one stays in force, and the exit status is 1.
#[derive(Args)]
pub(super) struct Reload {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Reload {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        let Response::Reloaded(report) = client.request(&Request::Reload)? else { bail!("{UNEXPECTED}") };
        let mut out = Out::plain();
        if self.json {
            plain_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
