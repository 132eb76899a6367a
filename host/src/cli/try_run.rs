//! `ctwarden try`: runs the policies of a configuration, or rules, on a pasted or saved table, without root and without a kernel.
//!
//! It uses the daemon's engine and sandbox, with a file instead of the kernel, and every plugin observes. It prints the
//! records that the daemon would have written.

mod driver;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use ctwarden_engine::Engine;
use ctwarden_model::{EventKind, Mode};
use tokio::sync::mpsc::unbounded_channel;

use self::driver::TryRun;
use self::table::TriedTable;
use crate::config::{self, Destination};
use crate::plugins::ConfigLoader;
use crate::sinks::Sinks;
use crate::{clock, log};

/// Try the policies of a configuration, or a file of rules, on a table from a file
///
/// ctwarden try TABLE tries the configuration that --config names. ctwarden try FILE --from TABLE tries FILE: a
/// configuration, or a file of rules ([[rule]] sections). Rules run as in use = "builtin:rules", in mode enforce and with
/// the grants that they need. Their sets are those of the configuration that --config names; without it, they are empty.
///
/// Every policy observes, whatever its mode: nothing changes, and no privilege is needed. The records that the daemon
/// would write go to standard output. Listed entries are in the table when the daemon starts. Events (-E) follow after
/// the first sweep, in their order. Then time passes until every policy has had its tick and its own sweep. A flow that
/// a policy in mode enforce would end is removed from the table. The exit status is 1 if a line of the table cannot be
/// read or a record cannot be written.
#[derive(Args)]
pub(super) struct Try {
    /// Configuration file [default: /etc/ctwarden/ctwarden.toml]; with rules, the configuration that has their sets
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Table; the argument is then the file to try
    #[arg(long, value_name = "TABLE")]
    from: Option<String>,
    /// Treat listed entries as flows that begin after the first sweep
    #[arg(long)]
    new: bool,
    /// Table: text of conntrack or /proc/net/nf_conntrack, saved lines or JSON; - is standard input
    #[arg(value_name = "TABLE|FILE")]
    argument: String,
}

impl Try {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (mut entries, unreadable) = ctwarden_conntrack::entries_of(self.from.as_ref().unwrap_or(&self.argument))?;
        if self.new {
            let rows = entries.iter_mut().filter(|(kind, _)| *kind == EventKind::Row);
            rows.for_each(|(kind, _)| *kind = EventKind::New);
        }
        let file = match (&self.from, self.config.clone()) {
            (Some(_), _) => PathBuf::from(&self.argument),
            (None, config) => config.unwrap_or_else(|| super::CONFIGURATION.into()),
        };
        let mut configuration = match self.from {
            Some(_) => config::load_for_rehearsal(&file, self.config.as_deref())?,
            None => config::load(&file)?,
        };
        let mut enforcing = BTreeSet::new();
        for plugin in &mut configuration.plugins {
            if plugin.mode == Mode::Enforce {
                enforcing.insert(plugin.name.clone());
            }
            plugin.mode = Mode::Observe;
        }
        let loaded = ConfigLoader::new(&file, None)?.load_plugins(configuration)?;
        for problem in &loaded.refused {
            log::say(&format!("continues without a refused list: {problem}"));
        }
        // Lost records are reported at the end.
        let sinks = Sinks::start(&Destination::Stdout, None, drop)?;
        let mut engine = Engine::new(loaded.engine.clone(), clock::now());
        let (saying, said) = unbounded_channel();
        let (specs, threads): (Vec<_>, Vec<_>) =
            loaded.plugins.into_iter().map(|plugin| (plugin.spec, plugin.thread)).unzip();
        // The time until every plugin has had a tick and a periodic sweep.
        let periods = specs.iter().flat_map(|spec| [spec.subscription.tick_every, spec.subscription.sweep_every]);
        let horizon = periods.flatten().max().unwrap_or_default().max(loaded.engine.sweep_rest);
        let ids = engine.handle_plugins(clock::now(), loaded.engine, specs);
        let plugins: BTreeMap<_, _> = ids.into_iter().zip(threads).collect();
        for (id, thread) in &plugins {
            thread.named(*id, saying.clone());
        }
        let mut try_run = TryRun {
            engine,
            plugins,
            said,
            sinks,
            enforcing,
            table: TriedTable::default(),
            sweep: None,
            ends: Vec::new(),
            ahead: Duration::ZERO,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.context("cannot start the event loop")?.block_on(try_run.play(entries, horizon))?;
        let written = try_run.end();
        Ok(if unreadable || !written { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
