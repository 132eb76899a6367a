//! `ctwarden mode`: changes the mode of a plugin of the running daemon.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Socket;
use super::pause::switch;
use crate::control::{ChangeMode, Client, Request};

/// Change the mode of a plugin until the next reload or start
///
/// A plugin enforces only with all grants that its configuration needs, as at the start. To keep the mode, write it into
/// the configuration.
#[derive(Args)]
pub(super) struct Mode {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Name of the plugin in the configuration
    plugin: String,
    /// The mode
    mode: Word,
}

#[derive(Clone, Copy, ValueEnum)]
enum Word {
    /// Check and record the verdicts, and change nothing
    Observe,
    /// Carry out the verdicts
    Enforce,
}

impl Mode {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mode = match self.mode {
            Word::Observe => ctwarden_model::Mode::Observe,
            Word::Enforce => ctwarden_model::Mode::Enforce,
        };
        let mut client = Client::connect(&self.socket.path()?)?;
        let change = ChangeMode { plugin: self.plugin, mode: mode.name().to_owned() };
        switch(&mut client, &Request::Mode(change), self.json)
    }
}
