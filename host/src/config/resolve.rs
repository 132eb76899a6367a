//! From the written to the resolved configuration: this stage checks what the words mean, and accesses the system.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctwarden_model::{Mode, PluginName};
use serde_json::{Map, Value};
use toml::Spanned;

use super::grants::GrantReader;
use super::json::to_json;
use super::plugin_source::PluginSource;
use super::problem::{Findings, Problem, Section};
use super::quantity::{Period, Size};
use super::resolved::{Budget, Configuration, Daemon, Destination, Limits, OnFailure, Plugin, Protected};
use super::word::{control_group, destination, niceness};
use super::{filter, written};
use crate::niceness::Niceness;
use crate::set_file::SetFiles;
use crate::trusted_path::AccessError;

/// Least memory of all counters of a plugin: each of its 16 counters has room for some keys.
const COUNTERS_MIN: u64 = 1 << 20;

/// Returns the configuration. It is usable only if `findings` has no mistake that prevents a start.
pub(super) fn resolve(
    file: &Path,
    written: &written::Written,
    findings: &mut Findings<'_>,
    line_of: impl Fn(&Range<usize>) -> usize,
) -> Configuration {
    let mut resolver = Resolver { base: file.parent().unwrap_or(Path::new("")), findings };
    resolver.findings.enter(Some(Section::Daemon));
    let daemon = resolver.daemon(&written.daemon);
    resolver.findings.enter(Some(Section::Protect));
    let protected = written.protect.iter().enumerate().map(|(index, protect)| {
        let name = format!("protect[{index}]");
        let filter = filter::protection(&name, &protect.span(), protect.get_ref(), resolver.findings);
        Protected { comment: protect.get_ref().comment.clone(), filter }
    });
    let protected = protected.collect();
    let mut set_files = SetFiles::new();
    resolver.findings.enter(Some(Section::Sets));
    let (mut sets, mut mirrors) = resolver.sets(&written.sets, &mut set_files);
    resolver.findings.enter(Some(Section::Block));
    mirrors.extend(resolver.block_sets(&written.block, &mut sets));
    resolver.findings.enter(Some(Section::Plugin));
    let granting = GrantReader::new(written);
    let plugins = resolver.plugins(&written.plugin, granting, line_of);
    let refused = resolver.findings.tolerated();
    Configuration { file: file.to_path_buf(), daemon, protected, sets, set_files, refused, mirrors, plugins }
}

pub(super) struct Resolver<'a, 'f> {
    pub(super) base: &'a Path,
    pub(super) findings: &'a mut Findings<'f>,
}

impl Resolver<'_, '_> {
    pub(super) fn keep<T, E: Display>(&mut self, place: &Range<usize>, key: &str, checked: Result<T, E>) -> Option<T> {
        self.findings.keep(place, key, checked)
    }

    /// A number or time that must not be zero, or its default.
    pub(super) fn positive<W, T: PartialEq + Default>(
        &mut self,
        key: &str,
        written: Option<&Spanned<W>>,
        value: impl Fn(&W) -> T,
        default: T,
    ) -> T {
        let Some(written) = written else { return default };
        let value = value(written.get_ref());
        if value == T::default() {
            self.findings.at(&written.span(), format_args!("{key}: must not be zero; leave it out for the default"));
        }
        value
    }

    /// The length of a network, or its default. Length 0 is refused: it means every address.
    fn prefix_length(&mut self, key: &str, written: Option<&Spanned<u8>>, longest: u8, default: u8) -> u8 {
        let Some(written) = written else { return default };
        let length = *written.get_ref();
        if length == 0 || length > longest {
            let what = format_args!("{key}: {length} is not a valid prefix length here; write 1 to {longest}");
            self.findings.at(&written.span(), what);
        }
        length
    }

    fn daemon(&mut self, written: &written::Daemon) -> Daemon {
        let path = |written: &Option<Spanned<PathBuf>>, default: &str| {
            written.as_ref().map_or_else(|| PathBuf::from(default), |path| path.get_ref().clone())
        };
        for (key, path) in [("control", &written.control), ("state", &written.state)] {
            if let Some(path) = path.as_ref().filter(|path| !path.get_ref().is_absolute()) {
                self.findings.at(
                    &path.span(),
                    format_args!(
                        "daemon.{key}: \"{}\" is a relative path; write a path that begins with /",
                        path.get_ref().display()
                    ),
                );
            }
        }
        let control_group = written
            .control_group
            .as_ref()
            .and_then(|name| self.keep(&name.span(), "daemon.control-group", control_group(name.get_ref())));
        let records = written
            .records
            .as_ref()
            .and_then(|text| self.keep(&text.span(), "daemon.records", destination(text.get_ref(), "stdout, journal")));
        let alerts = written.alerts.as_ref().filter(|text| text.get_ref() != "none").and_then(|text| {
            self.keep(&text.span(), "daemon.alerts", destination(text.get_ref(), "stdout, journal, none"))
        });
        let nice = written.nice.as_ref();
        let nice = nice.and_then(|nice| self.keep(&nice.span(), "daemon.nice", niceness(*nice.get_ref())));
        Daemon {
            control: control(written),
            control_group,
            state: path(&written.state, "/var/lib/ctwarden"),
            records: records.unwrap_or(Destination::Stdout),
            alerts,
            receive_buffer: self.positive("daemon.receive-buffer", written.receive_buffer.as_ref(), bytes, 64 << 20),
            nice: nice.unwrap_or(Niceness::OF_LOOP),
            replica: written.replica,
            replica_memory: written
                .replica_memory
                .as_ref()
                .map(|size| self.positive("daemon.replica-memory", Some(size), bytes, u64::MAX)),
            // Zero is valid here: act at once, without waiting for other plugins.
            merge_window: written.merge_window.as_ref().map_or(Duration::from_millis(2), |window| window.get_ref().0),
            alert_window: written.alert_window.as_ref().map_or(Duration::from_secs(60), |window| window.get_ref().0),
            sweep_pause: written.sweep_pause.as_ref().map_or(Duration::from_secs(1), |pause| pause.get_ref().0),
        }
    }

    fn plugins<'w>(
        &mut self,
        written: &'w [Spanned<written::Plugin>],
        mut granting: GrantReader<'w>,
        line_of: impl Fn(&Range<usize>) -> usize,
    ) -> Vec<Plugin> {
        self.unique_names(written);
        let mut plugins = Vec::new();
        for plugin in written {
            let place = plugin.span();
            let plugin = plugin.get_ref();
            let key = format!("plugin {}", plugin.name.get_ref());
            let name = self.keep(&plugin.name.span(), "plugin", PluginName::new(plugin.name.get_ref()));
            let grants = granting.next(&key, plugin, self.findings);
            let source = self.source(&key, plugin);
            let budget = self.budget(&key, &plugin.budget);
            let limits = self.limits(&key, &plugin.limits);
            let (Some(name), Some(PluginSource { origin, component, config })) = (name, source) else { continue };
            plugins.push(Plugin {
                name,
                origin,
                component,
                mode: match plugin.mode {
                    written::WrittenMode::Observe => Mode::Observe,
                    written::WrittenMode::Enforce => Mode::Enforce,
                },
                grants,
                on_failure: match plugin.on_failure {
                    written::WrittenOnFailure::Restart => OnFailure::Restart,
                    written::WrittenOnFailure::Exit => OnFailure::Exit,
                },
                budget,
                limits,
                config,
                line: line_of(&place),
            });
        }
        plugins
    }

    fn unique_names(&mut self, written: &[Spanned<written::Plugin>]) {
        let mut seen = BTreeSet::new();
        for plugin in written {
            let name = &plugin.get_ref().name;
            if !seen.insert(name.get_ref().as_str()) {
                let what = "has the name of another plugin; give each [[plugin]] its own name";
                self.findings.at(&name.span(), format_args!("plugin {}: {what}", name.get_ref()));
            }
        }
    }

    pub(super) fn config(&mut self, key: &str, config: Option<&Spanned<toml::Table>>) -> Option<Value> {
        let Some(config) = config else { return Some(Value::Object(Map::new())) };
        match to_json(config.get_ref()) {
            Ok(value) => Some(value),
            Err(mistakes) => {
                for mistake in mistakes {
                    self.findings.at(&config.span(), format_args!("{key}: config.{mistake}"));
                }
                None
            }
        }
    }

    fn budget(&mut self, key: &str, written: &written::Budget) -> Budget {
        let default = Budget::default();
        let key = |name| format!("{key}: budget.{name}");
        if let Some(share) = written.table_share_per_minute.as_ref().filter(|share| *share.get_ref() > 100) {
            let name = key("table-share-per-minute");
            self.findings
                .at(&share.span(), format_args!("{name}: {} is not a percentage; write 1 to 100", share.get_ref()));
        }
        Budget {
            verdicts_per_second: self.positive(
                &key("verdicts-per-second"),
                written.verdicts_per_second.as_ref(),
                |number| *number,
                default.verdicts_per_second,
            ),
            table_share_per_minute: self.positive(
                &key("table-share-per-minute"),
                written.table_share_per_minute.as_ref(),
                |share| *share,
                default.table_share_per_minute,
            ),
            // Zero is valid here: only the share counts.
            table_share_floor: written
                .table_share_floor
                .as_ref()
                .map_or(default.table_share_floor, |floor| *floor.get_ref()),
            shortest_block_ipv4: self.prefix_length(
                &key("shortest-block-ipv4"),
                written.shortest_block_ipv4.as_ref(),
                32,
                default.shortest_block_ipv4,
            ),
            shortest_block_ipv6: self.prefix_length(
                &key("shortest-block-ipv6"),
                written.shortest_block_ipv6.as_ref(),
                128,
                default.shortest_block_ipv6,
            ),
            block_space_ipv4: self.prefix_length(
                &key("block-space-ipv4"),
                written.block_space_ipv4.as_ref(),
                32,
                default.block_space_ipv4,
            ),
            block_space_ipv6: self.prefix_length(
                &key("block-space-ipv6"),
                written.block_space_ipv6.as_ref(),
                64,
                default.block_space_ipv6,
            ),
            alerts_per_second: self.positive(
                &key("alerts-per-second"),
                written.alerts_per_second.as_ref(),
                |number| *number,
                default.alerts_per_second,
            ),
            records_per_second: self.positive(
                &key("records-per-second"),
                written.records_per_second.as_ref(),
                |number| *number,
                default.records_per_second,
            ),
        }
    }

    fn counters(&mut self, key: &str, written: Option<&Spanned<Size>>, default: u64) -> u64 {
        let Some(written) = written else { return default };
        let size = written.get_ref();
        if size.0 < COUNTERS_MIN {
            let least = Size(COUNTERS_MIN);
            self.findings.at(&written.span(), format_args!("{key}: {size} is too little; write at least {least}"));
        }
        size.0
    }

    fn limits(&mut self, key: &str, written: &written::Limits) -> Limits {
        let default = Limits::default();
        let key = |name| format!("{key}: limits.{name}");
        let number = |number: &u32| *number;
        Limits {
            memory: self.positive(&key("memory"), written.memory.as_ref(), bytes, default.memory),
            call_cpu: self.positive(&key("call-cpu"), written.call_cpu.as_ref(), period, default.call_cpu),
            call_wall: self.positive(&key("call-wall"), written.call_wall.as_ref(), period, default.call_wall),
            queue_entries: self.positive(
                &key("queue-entries"),
                written.queue_entries.as_ref(),
                number,
                default.queue_entries,
            ),
            verdicts_per_call: self.positive(
                &key("verdicts-per-call"),
                written.verdicts_per_call.as_ref(),
                number,
                default.verdicts_per_call,
            ),
            text_per_call: self.positive(
                &key("text-per-call"),
                written.text_per_call.as_ref(),
                bytes,
                default.text_per_call,
            ),
            // Zero is valid for these two: the plugin may store nothing.
            store_keys: written.store_keys.as_ref().map_or(default.store_keys, |keys| *keys.get_ref()),
            store_bytes: written.store.as_ref().map_or(default.store_bytes, |size| size.get_ref().0),
            counters: self.counters(&key("counters"), written.counters.as_ref(), default.counters),
            load_cpu: self.positive(&key("load-cpu"), written.load_cpu.as_ref(), period, default.load_cpu),
            load_memory: self.positive(&key("load-memory"), written.load_memory.as_ref(), bytes, default.load_memory),
        }
    }
}

const fn bytes(size: &Size) -> u64 {
    size.0
}

pub(super) const fn period(period: &Period) -> Duration {
    period.0
}

/// The control socket, as written or by default.
pub(super) fn control(written: &written::Daemon) -> PathBuf {
    let default = || PathBuf::from("/run/ctwarden/control.sock");
    written.control.as_ref().map_or_else(default, |path| path.get_ref().clone())
}

/// The finding about a configuration file that cannot be read.
pub(super) fn unreadable(file: &Path, error: &AccessError) -> Problem {
    Problem { file: file.to_path_buf(), line: None, column: None, section: None, what: error.to_string() }
}
