//! `ctwarden status`: the status of the running daemon and its plugins.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use ctwarden_control::plain_json;

use super::out::Out;
use super::{Socket, UNEXPECTED};
use crate::control::{Client, Request, Response};

/// Show the status of the running daemon and its plugins
#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        let Response::Status(report) = client.request(&Request::Status)? else { bail!("{UNEXPECTED}") };
        let mut out = Out::coloured();
        if self.json {
            plain_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            let text = report.to_text(out.colour());
            write!(out, "{text}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
