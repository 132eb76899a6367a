//! From a checked configuration to plugins that run: the one way that start, reload and `ctwarden check` all go.
//!
//! Everything that can be wrong is found here and before anything is swapped or listened to: all problems at once, and not
//! one plugin runs while another cannot (fail closed at start, keep the old set at a reload).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ctwarden_engine::{EngineConfig, PluginLimits, PluginSpec};
use ctwarden_guest::{Code, CodeCache, Component, Limits, Runtime};
use ctwarden_model::{Mode, PluginName, SetName, Subscription, VerdictKind, VerdictKinds};
use rustix::fs::Mode as FileMode;

use super::cover::without_address;
use super::host::HostParts;
use super::known::Known;
use super::loader::{Described, examine, refused};
use super::needs::{Declared, check_needs};
use super::parallel::in_parallel;
use super::places;
use super::thread::{PluginThread, Recipe};
use crate::address_sets::AddressSets;
use crate::config::{self, Configuration, Problem, Problems};
use crate::effects::BlockSets;
use crate::netlink::nftables::{Sets, Table};
use crate::set_file::SetFiles;
use crate::store::{PluginMemory, Quota, Store, StoreError};
use crate::trusted_path::Directory;

/// Limits of an instance.
pub(crate) fn guest_limits(limits: &config::Limits) -> Limits {
    Limits {
        memory_bytes: limits.memory,
        call_cpu: limits.call_cpu,
        call_wall: limits.call_wall,
        verdicts_per_call: saturate(limits.verdicts_per_call),
        output_bytes_per_call: usize::try_from(limits.text_per_call).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

/// What a configuration became.
pub(crate) struct Prepared {
    /// Figures of the engine.
    pub(crate) engine: EngineConfig,
    /// Plugins that are configured and wait for their first call, in the order of the file.
    pub(crate) plugins: Vec<Ready>,
    /// What is not wrong, and may be meant otherwise.
    pub(crate) warnings: Vec<String>,
    pub(crate) sets: AddressSets,
    /// Those of them that come from files.
    pub(crate) set_files: SetFiles,
    /// Lists that were refused, which keeps nothing from starting.
    pub(crate) refused: Vec<Problem>,
    pub(crate) block_sets: BlockSets,
    /// The daemon's own part.
    pub(crate) daemon: config::Daemon,
}

/// One plugin that runs.
pub(crate) struct Ready {
    /// As the engine is to run it.
    pub(crate) spec: PluginSpec,
    /// Who it says it is.
    pub(crate) described: Described,
    /// Where it was read from.
    pub(crate) path: PathBuf,
    /// What its configuration needs and the operator did not grant: it runs, for it only observes.
    pub(crate) warnings: Vec<String>,
    pub(crate) thread: PluginThread,
}

/// Prepares, as often as it is asked.
pub(crate) struct Preparer {
    file: PathBuf,
    runtime: Runtime,
    kept: Option<Kept>,
}

/// What outlives the daemon.
pub(crate) struct Kept {
    store: Store,
    code: CodeCache,
}

impl Kept {
    /// Opens both in the state directory, which is made where it is missing.
    pub(crate) fn open(state: &Path) -> Result<Self> {
        let store = Store::open(state, |line| crate::log::say(&line))?;
        let compiled = Directory::open_or_make(state, FileMode::RWXU)
            .and_then(|state| state.make(OsStr::new("compiled"), FileMode::RWXU))
            .context("cannot keep compiled plugins; mend that or name another state in [daemon]")?;
        let path = compiled.path().to_path_buf();
        let code = CodeCache::within(compiled.into(), &path)?;
        Ok(Self { store, code })
    }
}

/// Reads a configuration. Where its text has mistakes, those of the places and block sets that it names are told with them.
pub(crate) fn read_configuration(file: &Path) -> Result<Configuration, Problems> {
    let mut reading = config::read(file)?;
    if reading.problems.is_empty() {
        return Ok(reading.configuration);
    }
    // Of a section that is not read whole, defaults would be looked at.
    let places = if reading.has_whole("daemon") { places::problems(&reading.configuration.daemon) } else { Vec::new() };
    let (_, missing) = open_block_sets(&reading.configuration);
    let problem = |what| Problem { file: file.to_path_buf(), line: None, what };
    reading.problems.extend(places.into_iter().chain(missing).map(problem));
    Err(Problems(reading.problems))
}

/// The nftables sets of every block set, and what is wrong with them.
fn open_block_sets(configuration: &Configuration) -> (BlockSets, Vec<String>) {
    let (mut sets, mut findings) = (BlockSets::new(), Vec::new());
    for (name, set) in &configuration.block_sets {
        match open_sets(set) {
            Ok(opened) => drop(sets.insert(name.clone(), opened)),
            Err(errors) => findings.extend(errors.into_iter().map(|error| format!("block set {name}: {error}"))),
        }
    }
    (sets, findings)
}

impl Preparer {
    /// For the configuration of that file. Where nothing is kept plugins have no lasting memory: that is for looking only.
    pub(crate) fn new(file: &Path, kept: Option<Kept>) -> Result<Self> {
        Ok(Self { file: file.to_owned(), runtime: Runtime::new()?, kept })
    }

    /// Reads, checks and starts everything anew.
    pub(crate) fn prepare(&self) -> Result<Prepared, Problems> {
        self.prepare_from(read_configuration(&self.file)?)
    }

    /// The same where the configuration was read already. This is what a start, a reload and a check find wrong, all of it at
    /// once.
    pub(crate) fn prepare_from(&self, configuration: Configuration) -> Result<Prepared, Problems> {
        let mut findings: Vec<String> = places::problems(&configuration.daemon);
        let (block_sets, missing) = open_block_sets(&configuration);
        findings.extend(missing);
        self.plugins_of(configuration, block_sets, findings)
    }

    /// Starts the plugins alone: without the kernel, and wherever the daemon would keep and write things.
    pub(crate) fn rehearse(&self, configuration: Configuration) -> Result<Prepared, Problems> {
        self.plugins_of(configuration, BlockSets::new(), Vec::new())
    }

    /// Starts the plugins, unless anything is wrong with them or was found before.
    fn plugins_of(
        &self,
        configuration: Configuration,
        block_sets: BlockSets,
        findings: Vec<String>,
    ) -> Result<Prepared, Problems> {
        let sets = AddressSets::default();
        let set_names: BTreeSet<SetName> = configuration.sets.keys().cloned().collect();
        for (name, set) in configuration.sets {
            sets.insert(name, set);
        }
        let mut problems = Vec::new();
        let mut problem = |line: Option<usize>, what: String| {
            problems.push(Problem { file: configuration.file.clone(), line, what });
        };
        if configuration.plugins.is_empty() {
            let what = "names no plugin, so that nothing would be watched or protected; write a [[plugin]], or look whether \
                        the file was cut short";
            problem(None, what.to_owned());
        }
        findings.into_iter().for_each(|finding| problem(None, finding));
        let mut plugins = Vec::new();
        let declared =
            Declared { sets: set_names.iter().collect(), block_sets: configuration.block_sets.keys().collect() };
        let prepared = in_parallel(&configuration.plugins, |plugin| self.ready(plugin, &sets, &declared));
        for (plugin, outcome) in configuration.plugins.iter().zip(prepared) {
            let (name, path, line) = (&plugin.name, &plugin.path, plugin.line);
            match outcome {
                Ok(ready) => plugins.push(ready),
                Err(whats) => {
                    for what in whats {
                        problem(Some(line), format!("plugin {name} ({}): {what}", path.display()));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let engine = EngineConfig {
            protect: configuration.protected.into_iter().map(|protected| protected.filter).collect(),
            merge_window: configuration.daemon.merge_window,
            alert_window: configuration.daemon.alert_window,
            sweep_rest: configuration.daemon.sweep_pause,
            ..EngineConfig::default()
        };
        let blocks = plugins.iter().any(|ready| ready.spec.grants.kinds.contains(VerdictKind::Block));
        let warnings = without_address(&engine.protect).filter(|_| blocks).into_iter().collect();
        let Configuration { set_files, refused, daemon, .. } = configuration;
        Ok(Prepared { engine, plugins, warnings, sets, set_files, refused, block_sets, daemon })
    }

    fn ready(
        &self,
        plugin: &config::Plugin,
        sets: &AddressSets,
        declared: &Declared<'_>,
    ) -> Result<Ready, Vec<String>> {
        let one = |error: anyhow::Error| vec![format!("{error:#}")];
        let memory = self.memory(plugin).map_err(|error| one(error.into()))?;
        let host = HostParts { sets: sets.clone(), read_sets: plugin.grants.read_sets.clone(), memory };
        let (component, described) = self.load(plugin, &host)?;
        let recipe = Recipe {
            name: plugin.name.clone(),
            component,
            limits: guest_limits(&plugin.limits),
            configuration: plugin.config.to_string(),
            host,
        };
        let (thread, subscription) = PluginThread::start(recipe).map_err(|error| vec![refused(error)])?;
        let wants = described.wants();
        let warnings = check_needs(plugin.mode, &plugin.grants, wants, &subscription, declared)?;
        let spec = specification(plugin, wants, subscription);
        Ok(Ready { spec, described, path: plugin.path.clone(), warnings, thread })
    }

    /// What the plugin keeps; where nothing is kept, as much as it may for as long as this process lives.
    fn memory(&self, plugin: &config::Plugin) -> Result<PluginMemory, StoreError> {
        let quota = Quota {
            keys: saturate(plugin.limits.store_keys),
            bytes: usize::try_from(plugin.limits.store_bytes).unwrap_or(usize::MAX),
        };
        match &self.kept {
            Some(kept) => kept.store.plugin(&plugin.name, quota),
            None => Ok(PluginMemory::scratch(quota)),
        }
    }

    /// The component and who it says it is: as an earlier start found it, or else examined in a process of its own.
    fn load(&self, plugin: &config::Plugin, host: &HostParts) -> Result<(Component, Described), Vec<String>> {
        let known = self.kept.as_ref().map(|kept| Known::new(&kept.code, &self.runtime, plugin));
        let code = known.as_ref().and_then(Known::code);
        let load = |code: &Code| self.runtime.load_code(&plugin.component, code);
        if let (Some(code), Some(described)) = (&code, known.as_ref().and_then(Known::described))
            && let Ok(component) = load(code)
        {
            return Ok((component, described));
        }
        let mut rehearsal = host.rehearsal().open(&plugin.name);
        let examined = examine(plugin, code.as_ref(), &mut rehearsal)?;
        if let Some(known) = &known {
            known.keep(&examined);
        }
        let none = || vec!["its compiled code is not there".to_owned()];
        let code = examined.code.or(code).ok_or_else(none)?;
        let component = load(&code).map_err(|error| vec![format!("{:#}", anyhow::Error::from(error))])?;
        Ok((component, examined.described))
    }
}

/// The sets of one name, or all that is wrong with either of them.
fn open_sets(set: &config::BlockSet) -> Result<Sets, Vec<String>> {
    let told = |error: anyhow::Error| format!("{error:#}");
    let table: Result<Table, _> = format!("{} {}", set.family.name(), set.table).parse();
    let table = table.map_err(|error| vec![told(error.into())])?;
    let (ipv4, ipv6) = (set.ipv4.as_deref(), set.ipv6.as_deref());
    Sets::open(&table, ipv4, ipv6).map_err(|first| {
        // One by one, because the first that is wrong hides the other.
        let each = [(ipv4, None), (None, ipv6)].into_iter().filter(|(ipv4, ipv6)| ipv4.is_some() || ipv6.is_some());
        let mut errors: Vec<String> = each
            .filter_map(|(ipv4, ipv6)| Sets::open(&table, ipv4, ipv6).err())
            .map(|error| told(error.into()))
            .collect();
        errors.dedup();
        if errors.is_empty() { vec![told(first.into())] } else { errors }
    })
}

fn specification(plugin: &config::Plugin, wants: VerdictKinds, subscription: Subscription) -> PluginSpec {
    let (budget, defaults) = (&plugin.budget, PluginLimits::default());
    PluginSpec {
        name: plugin.name.clone(),
        mode: plugin.mode,
        wants,
        grants: plugin.grants.clone(),
        subscription,
        limits: PluginLimits {
            queue_entries: saturate(plugin.limits.queue_entries),
            verdicts_per_second: budget.verdicts_per_second,
            // Two seconds' worth at once: a ban of a busy network is one stroke.
            verdict_burst: budget.verdicts_per_second.saturating_mul(2),
            table_share_per_minute: u32::from(budget.table_share_per_minute),
            table_share_floor: budget.table_share_floor,
            shortest_block_ipv4: budget.shortest_block_ipv4,
            shortest_block_ipv6: budget.shortest_block_ipv6,
            block_space_ipv4: budget.block_space_ipv4,
            block_space_ipv6: budget.block_space_ipv6,
            alerts_per_second: budget.alerts_per_second,
            alert_burst: budget.alerts_per_second.saturating_mul(10),
            records_per_second: budget.records_per_second,
            record_burst: budget.records_per_second.saturating_mul(4),
            ..defaults
        },
        on_failure: match plugin.on_failure {
            config::OnFailure::Restart => ctwarden_engine::OnFailure::Restart,
            config::OnFailure::Exit => ctwarden_engine::OnFailure::Exit,
        },
    }
}

fn saturate(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Name and mode of each, for a first line in the log.
pub(crate) fn summary(plugins: &[Ready]) -> String {
    let one = |ready: &Ready| -> String {
        let (name, mode): (&PluginName, Mode) = (&ready.spec.name, ready.spec.mode);
        format!("{name} ({})", mode.name())
    };
    plugins.iter().map(one).collect::<Vec<_>>().join(", ")
}
