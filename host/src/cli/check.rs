//! `ctwarden check`: everything that a start would find wrong, and what each plugin asks, needs and is granted.

mod json;
mod pushdown;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ctwarden_engine::PluginSpec;
use ctwarden_model::VerdictKinds;
use serde_json::json;

use self::pushdown::Pushdown;
use crate::plugins::{self, Preparer, Ready};

/// Check a configuration and show what each plugin asks, needs, is granted and lacks
///
/// Runs the same checks as a start and a reload, each plugin's own included, and changes nothing. Shows as well what the kernel
/// is asked to leave out, for each plugin by itself and for all of them together, and what is left for ctwarden to match.
/// Exit status 1 where a start would go wrong, and where it would go on without a list that is refused.
#[derive(Args)]
pub(super) struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = super::CONFIGURATION)]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        let prepared = Preparer::new(&self.config, None)?.prepare()?;
        let mirror = prepared.daemon.mirror;
        let alone = |ready: &Ready| Pushdown::of(&prepared.engine, mirror, [&ready.spec]);
        let together = Pushdown::of(&prepared.engine, mirror, prepared.plugins.iter().map(|ready| &ready.spec));
        let protected = prepared.engine.protect.len();
        let exit = if prepared.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let mut out = io::stdout().lock();
        if self.json {
            let plugins: Vec<_> = prepared.plugins.iter().map(|ready| json::plugin(ready, &alone(ready))).collect();
            let refused: Vec<_> = prepared.refused.iter().map(ToString::to_string).collect();
            let all = json!({
                "plugins": plugins,
                "together": together.to_json(),
                "protected-filters": protected,
                "refused-lists": refused,
            });
            serde_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
            return Ok(exit);
        }
        for ready in &prepared.plugins {
            show(&mut out, ready)?;
            tell(&mut out, &alone(ready))?;
            if let Some(warning) = &ready.warning {
                writeln!(out, "  warning    {warning}; it only observes, and is not started in mode enforce")?;
            }
        }
        writeln!(out, "all plugins together:")?;
        tell(&mut out, &together)?;
        writeln!(out, "protected filters: {protected}")?;
        if prepared.refused.is_empty() {
            writeln!(out, "{} is good", self.config.display())?;
        } else {
            for problem in &prepared.refused {
                writeln!(out, "refused list: {problem}")?;
            }
            writeln!(out, "{} starts, without the lists that are refused", self.config.display())?;
        }
        Ok(exit)
    }
}

/// Kinds of verdicts by what becomes of them.
struct Rights {
    asks: VerdictKinds,
    needs: VerdictKinds,
    granted: VerdictKinds,
    missing: VerdictKinds,
    in_vain: VerdictKinds,
}

impl Rights {
    fn of(spec: &PluginSpec) -> Self {
        let (grants, needs) = (spec.grants.kinds, spec.subscription.needs);
        Self {
            asks: spec.wants,
            needs,
            granted: spec.wants.iter().filter(|kind| grants.contains(*kind)).collect(),
            missing: needs.without(grants),
            in_vain: grants.without(needs),
        }
    }
}

fn show(out: &mut impl Write, ready: &Ready) -> io::Result<()> {
    let (spec, descriptor) = (&ready.spec, &ready.descriptor);
    let Rights { asks, needs, granted, missing, in_vain } = Rights::of(spec);
    writeln!(
        out,
        "{} ({}): {} {}, {}",
        spec.name,
        spec.mode.name(),
        descriptor.name,
        descriptor.version,
        descriptor.summary
    )?;
    writeln!(out, "  component  {}", ready.path.display())?;
    writeln!(out, "  asks       {}", names(asks))?;
    writeln!(out, "  needs      {} (with this configuration)", names(needs))?;
    writeln!(out, "  granted    {}{}", names(granted), bounds(ready))?;
    writeln!(out, "  missing    {}", names(missing))?;
    if !in_vain.is_empty() {
        writeln!(out, "  not needed {} (granted in vain)", names(in_vain))?;
    }
    writeln!(out, "  listens    {}", listens(ready))
}

fn tell(out: &mut impl Write, pushdown: &Pushdown) -> io::Result<()> {
    for (name, text) in pushdown.lines() {
        writeln!(out, "  {name:<10} {text}")?;
    }
    Ok(())
}

fn names(kinds: VerdictKinds) -> String {
    if kinds.is_empty() { "nothing".to_owned() } else { plugins::names(kinds) }
}

fn bounds(ready: &Ready) -> String {
    let grants = &ready.spec.grants;
    let mut parts = Vec::new();
    if grants.mark_mask != 0 {
        parts.push(format!("mark bits {:#x}", grants.mark_mask));
    }
    if grants.label_mask != 0 {
        let bits = (0..128).filter(|bit| grants.label_mask >> bit & 1 == 1).map(|bit| bit.to_string());
        parts.push(format!("label bits {}", bits.collect::<Vec<_>>().join(", ")));
    }
    for (what, sets) in [("block sets", &grants.block_sets), ("address sets", &grants.read_sets)] {
        if !sets.is_empty() {
            let names: Vec<_> = sets.iter().map(ToString::to_string).collect();
            parts.push(format!("{what} {}", names.join(", ")));
        }
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

fn listens(ready: &Ready) -> String {
    let subscription = &ready.spec.subscription;
    let kinds = subscription.kinds;
    let mut parts: Vec<String> = [("new", kinds.new), ("update", kinds.update), ("destroy", kinds.destroy)]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(name, _)| name.to_owned())
        .collect();
    if kinds.row {
        let every = subscription.sweep_every.map(|every| format!(" and every {every:?}")).unwrap_or_default();
        parts.push(format!("sweeps at start{every}"));
    }
    parts.extend(subscription.tick_every.map(|every| format!("ticks every {every:?}")));
    if subscription.expectations {
        parts.push("expectations".to_owned());
    }
    let filters = match subscription.filters.len() {
        0 => "every flow".to_owned(),
        1 => "flows of 1 filter".to_owned(),
        many => format!("flows of {many} filters"),
    };
    parts.push(filters);
    parts.join(", ")
}
