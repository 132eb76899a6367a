//! The program `ctwarden-agent`: metrics, syslog and webhooks for a running ctwarden, without privileges.
//!
//! It is a client of the control socket. What it does with records can neither hinder nor harm the daemon. A part that
//! fails is tried again, and its losses are counted in the metrics.

mod address;
mod daemon;
mod log;
mod metrics;
mod server;
mod spool;
mod syslog;
mod tally;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Parser;

use crate::address::{MetricsAddress, SyslogAddress};
use crate::daemon::Daemon;
use crate::tally::Tally;

/// Metrics, syslog and webhooks of a running ctwarden
///
/// The agent needs no privileges: run it as a user of the group that may use the control socket ([daemon]
/// control-group).
#[derive(Parser)]
#[command(name = "ctwarden-agent", version)]
struct Agent {
    /// Control socket of the daemon
    #[arg(long, value_name = "PATH", default_value = "/run/ctwarden/control.sock")]
    socket: PathBuf,
    /// Serve OpenMetrics here: unix:PATH, or a loopback address and a port such as 127.0.0.1:9469
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<MetricsAddress>,
    /// Send records as RFC 5424 here: unix:PATH, udp:ADDRESS:PORT or tcp:ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    syslog: Option<SyslogAddress>,
    /// Send only alerts to syslog
    #[arg(long, requires = "syslog")]
    syslog_alerts: bool,
    /// Post alerts as JSON to this URL
    #[arg(long, value_name = "URL", requires = "spool")]
    webhook: Option<String>,
    /// Certificates that the webhook may have, as PEM
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    webhook_ca: PathBuf,
    /// Folder of this agent for alerts that wait for the webhook
    #[arg(long, value_name = "FOLDER")]
    spool: Option<PathBuf>,
    /// Most alerts that wait; further ones are counted and dropped
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    spool_max: usize,
}

fn main() -> ExitCode {
    match run(Agent::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(agent: Agent) -> Result<()> {
    if agent.metrics.is_none() && agent.syslog.is_none() && agent.webhook.is_none() {
        bail!("nothing to do; name at least one of --metrics, --syslog and --webhook");
    }
    let tally = Arc::new(Tally::default());
    let daemon = Daemon::new(agent.socket, Arc::clone(&tally));
    // All are opened before anything runs, so that a mistake ends the program at once.
    let listener = agent.metrics.as_ref().map(server::Listener::bind).transpose()?;
    let mut outlets: Vec<Box<dyn daemon::Outlet>> = Vec::new();
    if let Some(address) = agent.syslog {
        outlets.push(Box::new(syslog::start(address, agent.syslog_alerts, Arc::clone(&tally))?));
    }
    if let (Some(url), Some(folder)) = (agent.webhook, &agent.spool) {
        let spool = spool::Spool::open(folder, agent.spool_max)?;
        outlets.push(Box::new(webhook::start(&url, &agent.webhook_ca, spool, Arc::clone(&tally))?));
    }
    let following = (!outlets.is_empty()).then(|| daemon.follow(outlets)).transpose()?;
    match (listener, following) {
        (Some(listener), _) => listener.serve(&daemon),
        (None, Some(following)) => {
            following.join().map_err(|_| anyhow::anyhow!("the thread that follows records has died"))
        }
        (None, None) => Ok(()),
    }
}
