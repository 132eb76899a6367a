//! `ctwarden pause`: lets plugins of the running daemon only observe for a time.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use ctwarden_control::plain_json;

use super::out::Out;
use super::{Socket, UNEXPECTED, add};
use crate::control::{self, Client, Request, Response};

/// Let a plugin, or all of them, only observe for a time
///
/// A paused plugin is called as before, and its records show what it would have done. Its protections hold. A reload
/// does not end the pause; a restart does.
#[derive(Args)]
pub(super) struct Pause {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// How long, such as 10m; without it, until `ctwarden resume`
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// Name of the plugin in the configuration; without it, all plugins
    plugin: Option<String>,
}

impl Pause {
    pub(super) fn run(self) -> Result<ExitCode> {
        let seconds = self.time.as_deref().map(add::seconds).transpose()?;
        let mut client = Client::connect(&self.socket.path()?)?;
        switch(&mut client, &Request::Pause(control::Pause { plugin: self.plugin, seconds }), self.json)
    }
}

/// Sends a request about plugins and prints what was done with each.
pub(super) fn switch(client: &mut Client, request: &Request, json: bool) -> Result<ExitCode> {
    let Response::Switched(plugins) = client.request(request)? else { bail!("{UNEXPECTED}") };
    let mut out = Out::plain();
    if json {
        plain_json::to_writer_pretty(&mut out, &serde_json::json!({ "plugins": plugins }))?;
        writeln!(out)?;
    } else {
        for plugin in &plugins {
            writeln!(out, "{}: {}", plugin.plugin, plugin.text)?;
        }
    }
    Ok(if plugins.iter().all(|plugin| plugin.done) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
