//! `ctwarden resume`: ends a pause.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Socket;
use super::pause::switch;
use crate::control::{self, Client, Request};

/// End the pause of a plugin, or of all plugins
#[derive(Args)]
pub(super) struct Resume {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Name of the plugin in the configuration; without it, all plugins
    plugin: Option<String>,
}

impl Resume {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        switch(&mut client, &Request::Resume(control::Resume { plugin: self.plugin }), self.json)
    }
}
