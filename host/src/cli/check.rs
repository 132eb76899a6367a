//! `ctwarden check`: every problem that a start would report, and what each plugin asks for, needs and is granted.

mod json;
mod pushdown;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ctwarden_control::plain_json;
use ctwarden_engine::PluginSpec;
use ctwarden_model::{SetName, Subscription, VerdictKinds};
use serde_json::json;

use self::pushdown::Pushdown;
use super::out::Out;
use crate::doctor::Senses;
use crate::event_loop::Allowance;
use crate::netlink::Requests;
use crate::plugins::{self, ConfigLoader, LoadedPlugin};

/// Check a configuration and show what each plugin asks for, needs, is granted and lacks
///
/// Runs the same checks as a start or a reload, including each plugin's own check, and changes nothing. Also shows
/// which entries ctwarden asks the kernel to leave out, for each plugin alone and for all plugins together, and what
/// ctwarden has to match itself. A warning names a property of this network namespace that would prevent the policies
/// from working; it does not change the exit status. The exit status is 1 if a start would fail, or if it would
/// continue without a refused list.
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
        let loaded = ConfigLoader::new(&self.config, None)?.load()?;
        let replica = loaded.daemon.replica;
        let alone = |plugin: &LoadedPlugin| Pushdown::of(&loaded.engine, replica, [&plugin.spec]);
        let together = Pushdown::of(&loaded.engine, replica, loaded.plugins.iter().map(|plugin| &plugin.spec));
        let protected = loaded.engine.protect.len();
        // The warnings that the daemon would give in this network namespace.
        let mut here = Senses::look(None).warnings();
        // Without CAP_NET_ADMIN the kernel does not report the maximum size of the table.
        if together.keeps_replica()
            && let Some(size) = Requests::open().ok().and_then(|mut requests| requests.size().ok())
        {
            here.extend(Allowance::new(loaded.daemon.replica_memory).warning(size.maximum, 0, false));
        }
        let exit = if loaded.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let mut out = Out::plain();
        if self.json {
            let plugins: Vec<_> = loaded.plugins.iter().map(|plugin| json::plugin(plugin, &alone(plugin))).collect();
            let refused: Vec<_> = loaded.refused.iter().map(ToString::to_string).collect();
            let all = json!({
                "plugins": plugins,
                "together": together.to_json(),
                "protected-filters": protected,
                "refused-lists": refused,
                "warnings": here,
            });
            plain_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
            return Ok(exit);
        }
        for plugin in &loaded.plugins {
            show(&mut out, plugin)?;
            tell(&mut out, &alone(plugin))?;
            for warning in &plugin.warnings {
                writeln!(
                    out,
                    "  warning    {warning}; the plugin can only observe, and would not start in mode enforce"
                )?;
            }
        }
        for warning in &loaded.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        writeln!(out, "all plugins together:")?;
        tell(&mut out, &together)?;
        let warnings: usize = loaded.plugins.iter().map(|plugin| plugin.warnings.len()).sum();
        let outcome = match warnings {
            _ if !loaded.refused.is_empty() => "starts without the refused lists".to_owned(),
            0 => "is valid".to_owned(),
            1 => "is valid, with the warning above".to_owned(),
            many => format!("is valid, with the {many} warnings above"),
        };
        writeln!(out, "protected filters: {protected}")?;
        for warning in &here {
            writeln!(out, "warning: {warning}")?;
        }
        for problem in &loaded.refused {
            writeln!(out, "refused list: {problem}")?;
        }
        writeln!(out, "{} {outcome}", self.config.display())?;
        Ok(exit)
    }
}

/// The kinds of verdicts of a plugin, compared with its grants.
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

fn show(out: &mut impl Write, plugin: &LoadedPlugin) -> io::Result<()> {
    let (spec, policy) = (&plugin.spec, &plugin.described);
    let Rights { asks, needs, granted, missing, in_vain } = Rights::of(spec);
    writeln!(out, "{} ({}): {} {}, {}", spec.name, spec.mode.name(), policy.name, policy.version, policy.summary)?;
    writeln!(out, "  component  {}", plugin.origin)?;
    writeln!(out, "  asks       {}", names(asks))?;
    writeln!(out, "  needs      {} (with this configuration)", names(needs))?;
    if let Some(reach) = reach(&spec.subscription) {
        writeln!(out, "  reaches    {reach}")?;
    }
    writeln!(out, "  granted    {}{}", names(granted), bounds(plugin))?;
    writeln!(out, "  missing    {}", all_missing(missing, spec))?;
    if !in_vain.is_empty() {
        writeln!(out, "  not needed {} (but granted)", names(in_vain))?;
    }
    if !spec.codes.is_empty() {
        let codes: Vec<_> = spec.codes.iter().map(String::as_str).collect();
        writeln!(out, "  codes      {}", codes.join(", "))?;
    }
    writeln!(out, "  listens    {}", listens(plugin))
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

fn bounds(plugin: &LoadedPlugin) -> String {
    let grants = &plugin.spec.grants;
    let parts = parts(grants.mark_mask, grants.label_mask, &grants.block_sets, &grants.read_sets);
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

/// Bits and sets as text.
fn parts(marks: u32, labels: u128, block_sets: &BTreeSet<SetName>, read_sets: &BTreeSet<SetName>) -> Vec<String> {
    let mut parts = Vec::new();
    if marks != 0 {
        parts.push(format!("mark bits {marks:#x}"));
    }
    if labels != 0 {
        let bits = (0..128).filter(|bit| labels >> bit & 1 == 1).map(|bit| bit.to_string());
        parts.push(format!("label bits {}", bits.collect::<Vec<_>>().join(", ")));
    }
    for (what, sets) in [("block sets", block_sets), ("address sets", read_sets)] {
        if !sets.is_empty() {
            let names: Vec<_> = sets.iter().map(ToString::to_string).collect();
            parts.push(format!("{what} {}", names.join(", ")));
        }
    }
    parts
}

/// The bits and sets that the plugin's verdicts and lookups use; `None` if it declares none.
fn reach(subscription: &Subscription) -> Option<String> {
    let reach = &subscription.reach;
    let parts = parts(reach.mark_bits, reach.label_bits, &reach.block_sets, &subscription.read_sets());
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Kinds, bits and sets that are needed but not granted.
fn all_missing(kinds: VerdictKinds, spec: &PluginSpec) -> String {
    let (grants, reach) = (&spec.grants, &spec.subscription.reach);
    let lacking = |needed: &BTreeSet<SetName>, granted| needed.difference(granted).cloned().collect();
    let missing = parts(
        reach.mark_bits & !grants.mark_mask,
        reach.label_bits & !grants.label_mask,
        &lacking(&reach.block_sets, &grants.block_sets),
        &lacking(&spec.subscription.read_sets(), &grants.read_sets),
    );
    if missing.is_empty() {
        return names(kinds);
    }
    let kinds = (!kinds.is_empty()).then(|| names(kinds));
    kinds.into_iter().chain(missing).collect::<Vec<_>>().join("; ")
}

fn listens(plugin: &LoadedPlugin) -> String {
    let subscription = &plugin.spec.subscription;
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
    if subscription.outcomes {
        parts.push("outcomes of its verdicts".to_owned());
    }
    let filters = match subscription.filters.len() {
        0 => "every flow".to_owned(),
        1 => "flows of 1 filter".to_owned(),
        many => format!("flows of {many} filters"),
    };
    parts.push(filters);
    parts.join(", ")
}
