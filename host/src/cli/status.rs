//! `ctwarden status`: how the running daemon and its plugins are.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::Socket;
use crate::control::{Client, Colour, Request, Response};

/// Show how the running daemon and its plugins are
#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    socket: Socket,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        let report = match client.ask(&Request::Status)? {
            Response::Status(report) => report,
            Response::Error(why) => bail!("{why}"),
            Response::Sent(_) => {
                bail!("the daemon answered something else than was asked; use the daemon's own version")
            }
        };
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            write!(out, "{}", report.to_text(Colour::of(&io::stdout())))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
