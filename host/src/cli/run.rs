//! `ctwarden run`: the daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::control::ControlServer;
use crate::event_loop::{Claiming, EventLoop};
use crate::following::Followers;
use crate::log;
use crate::netlink::Requests;
use crate::plugins::{ConfigLoader, StateDirectory, places, read_configuration};
use crate::sinks::Sinks;

/// Maximum number of control socket requests that wait for the event loop; further clients have to wait.
const REQUESTS_WAITING: usize = 64;

/// Run the daemon in the foreground
///
/// SIGHUP reloads the configuration, and keeps the old one if the new one has a problem. SIGTERM stops the daemon in an
/// orderly way.
#[derive(Args)]
pub(super) struct Run {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = super::CONFIGURATION)]
    config: PathBuf,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        serve(&self.config)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a daemon with that configuration until it is told to stop.
pub(super) fn serve(file: &Path) -> Result<()> {
    log::begin().context("cannot start the thread that writes to standard error")?;
    let configuration = read_configuration(file)?;
    // Before anything is written or started, because nothing works without the capability.
    Requests::open()?.check_permission()?;
    let daemon = configuration.daemon.clone();
    if !places::problems(&daemon).is_empty() {
        // The daemon can neither keep state nor listen. Report everything that a check reports.
        ConfigLoader::new(file, None)?.load_read(configuration)?;
        bail!("{} cannot be run here; see `ctwarden check`", file.display());
    }
    let server = ControlServer::bind(&daemon.control, daemon.control_group.as_ref())?;
    let claiming = Claiming::open(&daemon.state)?;
    let state = StateDirectory::open(&daemon.state)?;
    let loader = ConfigLoader::new(file, Some(state))?;
    let loaded = loader.load_read(configuration)?;
    let sinks = Sinks::start(&daemon.records, daemon.alerts.as_ref(), |line| log::say(&line))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the event loop")?;
    runtime.block_on(async {
        if let Err(error) = daemon.nice.raise_priority() {
            log::say(&format!(
                "cannot raise its scheduling priority, so events may be lost while other programs are busy: {error}; \
                 grant CAP_SYS_NICE, or write nice = 19 in [daemon]"
            ));
        }
        let (requests, asked) = tokio::sync::mpsc::channel(REQUESTS_WAITING);
        let followers = Followers::start().context("cannot start the thread that serves followers of records")?;
        let serving = tokio::spawn(server.serve(requests, followers.clone()));
        let event_loop = EventLoop::new(file, loader, loaded, sinks, asked, claiming, followers.clone())?;
        let outcome = event_loop.run().await;
        followers.finish().await;
        serving.abort();
        outcome
    })
}
