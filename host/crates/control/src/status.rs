//! The status of the daemon and its plugins: the report, and its form for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcomes::Outcomes;
use super::plugin_condition::PluginCondition;
use crate::terminal::{Colour, Paint};
use crate::warning::Warning;

/// The status of the daemon. Times are milliseconds, counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Version of the daemon.
    pub version: String,
    pub pid: u32,
    /// The configuration that is in force.
    pub configuration: String,
    /// Time since the start.
    pub uptime_ms: u64,
    /// The kernel's table, if the kernel reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<FlowTable>,
    /// The replica, if one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaReport>,
    /// Events that the kernel sent and the reader decoded, since the start.
    pub events: u64,
    /// Kernel messages that could not be decoded.
    #[serde(default)]
    pub unreadable: u64,
    /// Overruns: times that the kernel dropped events.
    pub overruns: u64,
    /// Sweeps of the table that ended complete.
    pub sweeps: u64,
    /// Sweeps that ended early.
    pub sweeps_interrupted: u64,
    /// Rows that sweeps read.
    pub rows: u64,
    /// Whether a sweep runs or is requested, including the replica's own.
    #[serde(default)]
    pub sweeping: bool,
    pub records: u64,
    /// Records that could not be written.
    pub records_lost: u64,
    /// Lines that could not be written to standard error.
    #[serde(default)]
    pub log_lines_lost: u64,
    /// Clients that follow records.
    #[serde(default)]
    pub followers: u64,
    /// Records that were not told to clients that read too slowly.
    #[serde(default)]
    pub followers_lost: u64,
    /// Conditions that keep policies from working now.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Plugins of the daemon, in the order of the configuration.
    pub plugins: Vec<PluginReport>,
    /// Address sets, by name.
    #[serde(default)]
    pub sets: Vec<SetReport>,
}

/// The status of an address set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReport {
    pub name: String,
    /// The file of the set, if it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub networks: u64,
    /// The list in use, if the set comes from a file that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListReport>,
    /// Why the list in the file is not in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What the packet filter holds, if the set is mirrored there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<FirewallReport>,
}

/// What the packet filter holds of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallReport {
    /// Ranges in the kernel.
    pub elements: u64,
    /// Networks that are not in the kernel, because they overlap an address that is never banned.
    pub held_back: u64,
    /// The first of these networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_held_back: Vec<String>,
    /// Why the last change or repair failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl FirewallReport {
    fn write(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        writeln!(out, "           firewall: {} ranges", self.elements)?;
        if self.held_back > 0 {
            let networks = self.first_held_back.join(", ");
            let held_back = colour.paint(Paint::Yellow, format!("{} networks are not blocked", self.held_back));
            writeln!(out, "           {held_back}, because they hold protected addresses: {networks}")?;
        }
        self.error.iter().try_for_each(|error| {
            writeln!(out, "           {}: {error}", colour.paint(Paint::Red, "the packet filter does not follow"))
        })
    }
}

/// The list of a set, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// Format of the file: `plain`, `csv`, `json-lines`, `ipset`, `nft` or `mmdb`.
    pub format: String,
    pub lines: u64,
    /// Addresses, networks and ranges, as written.
    pub entries: u64,
    /// Lines that were skipped because they are wrong.
    pub skipped: u64,
    /// Why the first of them are wrong, each with file, line and column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_skipped: Vec<String>,
    /// When the file was read, as RFC 3339.
    pub read: String,
}

/// The size of the kernel's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTable {
    /// Entries of this network namespace.
    pub entries: u32,
    /// `nf_conntrack_max`; 0 is unlimited.
    pub maximum: u32,
    /// Entries that could not be inserted.
    pub insert_failed: u64,
    /// Packets dropped because no entry could be created.
    pub dropped: u64,
    /// Entries evicted to make room.
    pub early_dropped: u64,
}

/// The status of the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    pub flows: u64,
    /// Memory in use, in bytes.
    pub bytes: u64,
    /// Memory limit, in bytes.
    pub limit: u64,
    /// Whether the replica holds every living flow, so that queries can use it.
    pub complete: bool,
    /// Whether the replica receives the events of all flows that begin or end. If not, no query uses it.
    #[serde(default = "hears")]
    pub hears: bool,
    /// Flows that the replica lacks because it had no room for them.
    pub turned_away: u64,
}

/// The default for reports of daemons without this field.
const fn hears() -> bool {
    true
}

/// The status of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginReport {
    /// Name of the plugin in the configuration.
    pub name: String,
    /// The version that the plugin reports.
    pub version: String,
    /// Mode of the plugin: `observe` or `enforce`. While the plugin is paused or its breaker is open, it only observes.
    pub mode: String,
    /// The mode in the configuration, if the mode was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_mode: Option<String>,
    pub state: PluginCondition,
    /// Time until the condition changes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Entries that wait for the plugin.
    pub queue: u64,
    /// Largest number of entries that may wait.
    pub queue_limit: u64,
    /// Calls of the plugin.
    #[serde(default)]
    pub calls: u64,
    /// Processor time of the plugin's thread in microseconds.
    #[serde(default)]
    pub cpu_us: u64,
    /// Entries that were delivered to the plugin.
    pub delivered: u64,
    /// Entries that were dropped before delivery.
    pub missed: u64,
    /// Why the plugin does not run as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Verdicts: kind to outcome to count.
    pub verdicts: Outcomes,
    /// Verdicts without a record of their own.
    #[serde(default)]
    pub folded: u64,
    /// Flows of these verdicts, by kind and outcome. For a verdict over a selection, each flow counts.
    #[serde(default, skip_serializing_if = "Outcomes::is_empty")]
    pub flows: Outcomes,
    /// The verdicts by code, kind and outcome. Codes that the plugin did not declare count as `other`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, Outcomes>,
    /// Grants that the plugin's configuration needs and lacks, and the first verdict that was refused because a grant
    /// was missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<String>,
    /// Number of failures of the plugin since the start.
    pub faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<Fault>,
    /// Counters that the host keeps for the plugin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<CounterReport>,
    /// The plugin's last verdict that was refused, in whole or for some of its flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<LastRefusal>,
}

/// The status of a counter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterReport {
    pub name: String,
    /// Keys in memory, with those whose window is over.
    pub keys: u64,
    /// Memory in use, in bytes.
    pub bytes: u64,
    /// Memory limit, in bytes.
    pub limit: u64,
    /// Keys that were evicted for lack of memory.
    pub evictions: u64,
}

/// A verdict that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefusal {
    /// Time of the refusal, as RFC 3339.
    pub time: String,
    /// Kind of the verdict: block, delete, ….
    pub kind: String,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Time of the fault, as RFC 3339.
    pub time: String,
    /// Name of the kind: trap, out-of-time, ….
    pub kind: String,
    pub text: String,
}

/// Skipped lines shown at most. The JSON form has more.
const SKIPPED_SHOWN: usize = 3;

/// Columns of the table of plugins: the heading, and whether it is a number.
const COLUMNS: [(&str, bool); 9] = [
    ("PLUGIN", false),
    ("VERSION", false),
    ("MODE", false),
    ("STATE", false),
    ("QUEUE", true),
    ("DELIVERED", true),
    ("MISSED", true),
    ("VERDICTS", true),
    ("FAULTS", true),
];

impl StatusReport {
    /// Returns the report for people: the daemon, a line for each plugin, and details under that line.
    #[must_use]
    pub fn to_text(&self, colour: Colour) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_text(&mut text, colour);
        text
    }

    fn write_text(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        let uptime = time_in_words(self.uptime_ms);
        let name = colour.paint(Paint::Bold, format_args!("ctwarden {}", self.version));
        writeln!(out, "{name}, pid {}, up {uptime}, {}", self.pid, self.configuration)?;
        if let Some(table) = &self.table {
            let entries = match table.maximum {
                0 => format!("{} entries", table.entries),
                maximum => {
                    let percent = u64::from(table.entries) * 100 / u64::from(maximum);
                    let share = format!("{} of {maximum} entries ({percent} %)", table.entries);
                    if percent >= 90 { colour.paint(Paint::Red, share) } else { share }
                }
            };
            let failures = [
                ("insert failed", table.insert_failed),
                ("dropped", table.dropped),
                ("evicted early", table.early_dropped),
            ];
            writeln!(out, "table:   {entries}{}", counts(&failures, colour))?;
        }
        if let Some(replica) = &self.replica {
            let state = match (replica.hears, replica.complete) {
                (false, _) => ", not used: some flows begin or end without an event",
                (true, false) => ", not complete",
                (true, true) => "",
            };
            let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
            let memory = format!("{} of {} MiB", mebibytes(replica.bytes), mebibytes(replica.limit));
            let troubles = counts(&[("turned away", replica.turned_away)], colour);
            writeln!(out, "replica: {} flows, {memory}{state}{troubles}", replica.flows)?;
        }
        let troubles = counts(&[("overruns", self.overruns), ("unreadable", self.unreadable)], colour);
        writeln!(out, "events:  {}{troubles}", self.events)?;
        let troubles = counts(&[("interrupted", self.sweeps_interrupted)], colour);
        writeln!(out, "sweeps:  {}, {} rows{troubles}", self.sweeps, self.rows)?;
        let troubles = counts(&[("lost", self.records_lost)], colour);
        writeln!(out, "records: {}{troubles}", self.records)?;
        if self.log_lines_lost > 0 {
            let lost = colour.paint(Paint::Yellow, format_args!("{} lines", self.log_lines_lost));
            writeln!(out, "log:     {lost} could not be written to standard error")?;
        }
        if self.followers > 0 || self.followers_lost > 0 {
            let troubles = counts(&[("lost", self.followers_lost)], colour);
            writeln!(out, "follow:  {} clients{troubles}", self.followers)?;
        }
        for set in &self.sets {
            set.write(out, colour)?;
        }
        for warning in &self.warnings {
            writeln!(out, "{}", colour.paint(Paint::Yellow, format_args!("warning: {warning}")))?;
        }
        if self.plugins.is_empty() {
            return writeln!(out, "\nno plugins; add [[plugin]] to {}", self.configuration);
        }
        writeln!(out)?;
        self.write_plugins(out, colour)
    }

    fn write_plugins(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        let rows: Vec<[String; 9]> = self.plugins.iter().map(PluginReport::cells).collect();
        let headings = COLUMNS.map(|(heading, _)| heading.to_owned());
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|column| {
                let cells = std::iter::once(&headings).chain(&rows).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let align = |cells: &[String; 9]| {
            let cells = cells.iter().zip(COLUMNS).zip(&widths).map(|((cell, (_, is_number)), width)| {
                if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>()
        };
        writeln!(out, "{}", colour.paint(Paint::Bold, align(&headings).join("  ").trim_end()))?;
        for (row, plugin) in rows.iter().zip(&self.plugins) {
            let painted = align(row).into_iter().zip(COLUMNS).map(|(cell, (heading, _))| match heading {
                "STATE" => colour.paint(plugin.state.paint(), cell),
                "MISSED" if plugin.missed > 0 => colour.paint(Paint::Yellow, cell),
                "FAULTS" if plugin.faults > 0 => colour.paint(Paint::Red, cell),
                _ => cell,
            });
            writeln!(out, "{}", painted.collect::<Vec<_>>().join("  ").trim_end())?;
            plugin.write_details(out, colour)?;
        }
        Ok(())
    }
}

impl SetReport {
    /// Writes a line for the set. If the set comes from a file, also what was read, and why its list is refused.
    fn write(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        self.write_list(out, colour)?;
        self.firewall.iter().try_for_each(|firewall| firewall.write(out, colour))
    }

    fn write_list(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        let Some(file) = &self.file else {
            return writeln!(out, "set:     {}, {} networks", self.name, self.networks);
        };
        let Some(refused) = &self.refused else {
            writeln!(out, "set:     {}, {} networks, {file}", self.name, self.networks)?;
            return self.list.iter().try_for_each(|list| list.write(out, colour));
        };
        let refusal = colour.paint(Paint::Red, "the list in its file is refused");
        writeln!(out, "set:     {}, {} networks of the previous list, {refusal}:", self.name, self.networks)?;
        refused.lines().try_for_each(|line| writeln!(out, "           {line}"))?;
        self.list.iter().try_for_each(|list| list.write(out, colour))
    }
}

impl ListReport {
    fn write(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        let Self { format, lines, entries, skipped, read, .. } = self;
        // A database has no lines.
        let lines = if format == "mmdb" { String::new() } else { format!("{lines} lines, ") };
        writeln!(out, "           in use: {format}, {lines}{entries} entries, read {read}")?;
        if *skipped > 0 {
            let told = colour.paint(Paint::Yellow, format_args!("skipped lines: {skipped}"));
            writeln!(out, "           {told}")?;
            let shown = self.first_skipped.iter().take(SKIPPED_SHOWN);
            for line in shown {
                writeln!(out, "             {line}")?;
            }
        }
        Ok(())
    }
}

impl PluginReport {
    fn cells(&self) -> [String; 9] {
        let verdicts: u64 = self.verdicts.values().flat_map(|outcomes| outcomes.values()).sum();
        let state = match self.until_ms {
            Some(until) => format!("{} ({})", self.state.name(), time_in_words(until)),
            None => self.state.name().to_owned(),
        };
        [
            self.name.clone(),
            self.version.clone(),
            self.mode.clone(),
            state,
            format!("{}/{}", self.queue, self.queue_limit),
            self.delivered.to_string(),
            self.missed.to_string(),
            verdicts.to_string(),
            self.faults.to_string(),
        ]
    }

    fn write_details(&self, out: &mut String, colour: Colour) -> std::fmt::Result {
        if let Some(configured) = &self.configured_mode {
            let mode = colour.paint(Paint::Yellow, format_args!("{} until the next reload", self.mode));
            writeln!(out, "  mode: {mode}; the configuration says {configured}")?;
        }
        if let Some(reason) = &self.reason {
            writeln!(out, "  {}: {}", self.state.name(), colour.paint(self.state.paint(), reason.replace('\n', "; ")))?;
        }
        for (kind, outcomes) in &self.verdicts {
            // Show counts of flows if the verdict is about flows.
            let (outcomes, unit) = match self.flows.get(kind) {
                Some(flows) if flows != outcomes => (flows, " flows"),
                Some(_) | None => (outcomes, ""),
            };
            let counts: Vec<_> = outcomes
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(outcome, count)| match outcome.as_str() {
                    "refused" | "not-granted" | "over-budget" => {
                        colour.paint(Paint::Yellow, format_args!("{count} {outcome}"))
                    }
                    _ => format!("{count} {outcome}"),
                })
                .collect();
            if !counts.is_empty() {
                writeln!(out, "  {kind}{unit}: {}", counts.join(", "))?;
            }
        }
        for line in &self.not_granted {
            writeln!(out, "  not granted: {}", colour.paint(Paint::Yellow, line))?;
        }
        if self.folded > 0 {
            let folded = colour.paint(Paint::Yellow, format_args!("{} verdicts", self.folded));
            writeln!(out, "  {folded} have no record of their own; see records-per-second in its [plugin.budget]")?;
        }
        for counter in self.counters.iter().filter(|counter| counter.evictions > 0) {
            let CounterReport { name, keys, evictions, .. } = counter;
            let evicted = colour.paint(Paint::Yellow, format_args!("{evictions} keys evicted"));
            writeln!(out, "  counter {name}: {keys} keys, {evicted}; see counters in its [plugin.limits]")?;
        }
        if let Some(fault) = &self.last_fault {
            let said = colour.paint(Paint::Red, format_args!("{}: {}", fault.kind, fault.text.replace('\n', "; ")));
            writeln!(out, "  last fault: {said} {}", colour.paint(Paint::Dim, &fault.time))?;
        }
        if let Some(refusal) = &self.last_refusal {
            let said =
                colour.paint(Paint::Yellow, format_args!("{}: {}", refusal.kind, refusal.text.replace('\n', "; ")));
            writeln!(out, "  last refusal: {said} {}", colour.paint(Paint::Dim, &refusal.time))?;
        }
        Ok(())
    }
}

/// Returns ", 3 overruns" for each count that is not zero.
fn counts(counts: &[(&str, u64)], colour: Colour) -> String {
    let shown = counts.iter().filter(|(_, count)| *count > 0);
    shown.map(|(name, count)| colour.paint(Paint::Yellow, format_args!(", {count} {name}"))).collect()
}

/// Formats a time with at most two units: "3d 4h", "12s", "350ms".
fn time_in_words(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        86_400.. => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}
