//! `ctwarden run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use crate::drive::Drive;
use crate::netlink::Requests;
use crate::plugins::Preparer;
use crate::sinks::Scribe;
use crate::store::Store;
use crate::{config, control};

/// Run the daemon in the foreground
///
/// SIGHUP reads the configuration anew and keeps the old one if anything is wrong with it; SIGTERM ends in order.
#[derive(Args)]
pub(super) struct Run {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = super::CONFIGURATION)]
    config: PathBuf,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let configuration = config::load(&self.config)?;
        // Before anything is written or started: without the capability nothing of the rest is of use.
        Requests::open()?;
        let store = Arc::new(Store::open(&configuration.daemon.state)?);
        let preparer = Preparer::new(&self.config, Some(store))?;
        let prepared = preparer.prepare_from(configuration)?;
        let scribe = Scribe::start(&prepared.daemon.records, prepared.daemon.alerts.as_ref())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the event loop")?;
        runtime.block_on(async {
            let asked = control::listen(&prepared.daemon)?;
            Drive::new(preparer, prepared, scribe, asked)?.run().await
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
