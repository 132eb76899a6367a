//! Loads a configuration and starts its plugins. Start, reload and `ctwarden check` all use it.
//!
//! The loader reports all problems at once, before the caller swaps or listens to anything. If one plugin cannot run,
//! none does: a start fails, and a reload keeps the old plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use ctwarden_engine::{EngineConfig, PluginLimits, PluginSpec};
use ctwarden_guest::{Code, CodeCache, Component, Runtime};
use ctwarden_model::{Mode, PluginName, SetName, Subscription, VerdictKind};
use rustix::fs::Mode as FileMode;

use super::cached_examination::CachedExamination;
use super::counters::CounterStore;
use super::cover::without_address;
use super::host::HostParts;
use super::limits::{guest_limits, saturate};
use super::loader::{Described, examine, refused};
use super::native_code::NativeCode;
use super::needs::{Declared, check_needs};
use super::outline::PluginOutline;
use super::parallel::in_parallel;
use super::places;
use super::thread::{InstanceSpec, PluginThread};
use crate::address_sets::AddressSets;
use crate::config::{self, Configuration, Problem, Problems, Section};
use crate::firewall::Mirror;
use crate::netlink::nftables::{Sets, probe};
use crate::set_file::SetFiles;
use crate::store::{PluginMemory, Quota, Store, StoreError};
use crate::trusted_path::Directory;

/// A configuration without problems, and its running plugins.
pub(crate) struct LoadedConfig {
    pub(crate) engine: EngineConfig,
    /// Configured plugins that wait for their first call, in the order of the file.
    pub(crate) plugins: Vec<LoadedPlugin>,
    /// Settings that are valid but perhaps not intended.
    pub(crate) warnings: Vec<String>,
    pub(crate) sets: AddressSets,
    /// The address sets that come from files.
    pub(crate) set_files: SetFiles,
    /// Lists that were refused. They do not prevent a start.
    pub(crate) refused: Vec<Problem>,
    /// Where sets are mirrored in the packet filter.
    pub(crate) mirrors: BTreeMap<SetName, Mirror>,
    /// The `[[protect]]` sections, in the order of the file.
    pub(crate) protected: Vec<config::Protected>,
    pub(crate) daemon: config::Daemon,
}

/// A plugin with its own thread, which has not been called yet.
pub(crate) struct LoadedPlugin {
    /// The engine's specification of the plugin.
    pub(crate) spec: PluginSpec,
    /// The descriptor that the plugin gave.
    pub(crate) described: Described,
    /// Where its component is from.
    pub(crate) origin: config::ComponentOrigin,
    /// Grants that its configuration needs and lacks. The plugin runs anyway, because it only observes.
    pub(crate) warnings: Vec<String>,
    /// What the configuration says about the plugin.
    pub(crate) outline: PluginOutline,
    pub(crate) thread: PluginThread,
}

/// Loads one configuration file, any number of times.
pub(crate) struct ConfigLoader {
    file: PathBuf,
    runtime: Runtime,
    counters: Arc<CounterStore>,
    state: Option<StateDirectory>,
    /// Code that the program carries. It stays readable when the program's file is replaced.
    native: Option<NativeCode>,
}

/// State that outlives the daemon: the memories of plugins, and compiled code.
pub(crate) struct StateDirectory {
    store: Store,
    code: CodeCache,
}

impl StateDirectory {
    /// Opens both in the state directory, which is created if it is missing.
    pub(crate) fn open(state: &Path) -> Result<Self> {
        let store = Store::open(state, |line| crate::log::say(&line))?;
        let compiled = Directory::open_or_make(state, FileMode::RWXU)
            .and_then(|state| state.make(OsStr::new("compiled"), FileMode::RWXU))
            .context("cannot store compiled plugins; correct that or name another state in [daemon]")?;
        let path = compiled.path().to_path_buf();
        let code = CodeCache::within(compiled.into(), &path)?;
        Ok(Self { store, code })
    }
}

/// Reads a configuration. If its text has mistakes, the problems of its places and block sets are reported with them.
pub(crate) fn read_configuration(file: &Path) -> Result<Configuration, Problems> {
    let mut reading = config::read(file)?;
    if reading.problems.is_empty() {
        return Ok(reading.configuration);
    }
    // If a section was not read whole, this would check defaults.
    let places =
        if reading.has_whole(Section::Daemon) { places::problems(&reading.configuration.daemon) } else { Vec::new() };
    let (_, missing) = open_mirrors(&reading.configuration);
    let problem = |what| Problem { file: file.to_path_buf(), line: None, column: None, section: None, what };
    reading.problems.extend(places.into_iter().chain(missing).map(problem));
    Err(Problems(reading.problems))
}

/// Opens the nftables sets in which sets are mirrored. Returns them and their problems.
fn open_mirrors(configuration: &Configuration) -> (BTreeMap<SetName, Mirror>, Vec<String>) {
    let (mut mirrors, mut findings) = (BTreeMap::new(), Vec::new());
    let mut is_managed = false;
    for (name, mirror) in &configuration.mirrors {
        let opened = match mirror {
            config::Mirror::Managed(verdict) => {
                is_managed = true;
                Ok(Mirror::Managed(*verdict))
            }
            config::Mirror::Operators(table) => open_sets(table).map(Box::new).map(Mirror::Operators),
        };
        match opened {
            Ok(opened) => drop(mirrors.insert(name.clone(), opened)),
            Err(errors) => findings.extend(errors.into_iter().map(|error| format!("set {name}: {error}"))),
        }
    }
    if is_managed && let Err(error) = probe() {
        findings.push(format!("firewall = true: {:#}", anyhow::Error::from(error)));
    }
    (mirrors, findings)
}

impl ConfigLoader {
    /// `state` is `None` for a dry run: plugin storage does not persist then.
    pub(crate) fn new(file: &Path, state: Option<StateDirectory>) -> Result<Self> {
        let counters = CounterStore::new().context("cannot create counters: the kernel gives no random numbers")?;
        let (runtime, native) = (Runtime::new()?, NativeCode::of_program());
        Ok(Self { file: file.to_owned(), runtime, counters, state, native })
    }

    /// Reads and checks the configuration, and starts its plugins.
    pub(crate) fn load(&self) -> Result<LoadedConfig, Problems> {
        self.load_read(read_configuration(&self.file)?)
    }

    /// Does the same as [`Self::load`], with a configuration that was already read.
    pub(crate) fn load_read(&self, configuration: Configuration) -> Result<LoadedConfig, Problems> {
        let mut findings: Vec<String> = places::problems(&configuration.daemon);
        let (mirrors, missing) = open_mirrors(&configuration);
        findings.extend(missing);
        self.plugins_of(configuration, mirrors, findings)
    }

    /// Starts the plugins without checking the kernel or the places where the daemon writes.
    pub(crate) fn load_plugins(&self, configuration: Configuration) -> Result<LoadedConfig, Problems> {
        self.plugins_of(configuration, BTreeMap::new(), Vec::new())
    }

    /// Starts the plugins, unless they have problems or earlier problems were found.
    fn plugins_of(
        &self,
        configuration: Configuration,
        mirrors: BTreeMap<SetName, Mirror>,
        findings: Vec<String>,
    ) -> Result<LoadedConfig, Problems> {
        let sets = AddressSets::default();
        let set_names: BTreeSet<SetName> = configuration.sets.keys().cloned().collect();
        for (name, set) in configuration.sets {
            sets.insert(name, set);
        }
        let mut problems = Vec::new();
        let mut problem = |line: Option<usize>, what: String| {
            problems.push(Problem { file: configuration.file.clone(), line, column: None, section: None, what });
        };
        if configuration.plugins.is_empty() && configuration.mirrors.is_empty() {
            let what = "names no plugin and no set with a firewall, so nothing would be watched or protected; write a \
                        [[plugin]], or check whether the file was cut short";
            problem(None, what.to_owned());
        }
        findings.into_iter().for_each(|finding| problem(None, finding));
        let mut plugins = Vec::new();
        let declared =
            Declared { sets: set_names.iter().collect(), block_sets: configuration.mirrors.keys().collect() };
        let started = in_parallel(&configuration.plugins, |plugin| self.load_plugin(plugin, &sets, &declared));
        for (plugin, outcome) in configuration.plugins.iter().zip(started) {
            let (name, origin, line) = (&plugin.name, &plugin.origin, plugin.line);
            match outcome {
                Ok(loaded) => plugins.push(loaded),
                Err(whats) => {
                    for what in whats {
                        problem(Some(line), format!("plugin {name} ({origin}): {what}"));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let engine = EngineConfig {
            protect: configuration.protected.iter().map(|protected| protected.filter.clone()).collect(),
            merge_window: configuration.daemon.merge_window,
            alert_window: configuration.daemon.alert_window,
            sweep_rest: configuration.daemon.sweep_pause,
            ..EngineConfig::default()
        };
        let blocks = plugins.iter().any(|plugin| plugin.spec.grants.kinds.contains(VerdictKind::Block));
        let warnings = without_address(&engine.protect).filter(|_| blocks).into_iter().collect();
        let Configuration { set_files, refused, daemon, protected, .. } = configuration;
        Ok(LoadedConfig { engine, plugins, warnings, sets, set_files, refused, mirrors, protected, daemon })
    }

    fn load_plugin(
        &self,
        plugin: &config::Plugin,
        sets: &AddressSets,
        declared: &Declared<'_>,
    ) -> Result<LoadedPlugin, Vec<String>> {
        let one = |error: anyhow::Error| vec![format!("{error:#}")];
        let memory = self.memory(plugin).map_err(|error| one(error.into()))?;
        let counters =
            self.counters.plugin(&plugin.name, usize::try_from(plugin.limits.counters).unwrap_or(usize::MAX));
        let host = HostParts { sets: sets.clone(), read_sets: plugin.grants.read_sets.clone(), memory, counters };
        let (component, described) = self.component(plugin, &host)?;
        let spec = InstanceSpec {
            name: plugin.name.clone(),
            component,
            limits: guest_limits(&plugin.limits),
            configuration: plugin.config.to_string(),
            host,
        };
        let (thread, subscription) = PluginThread::start(spec).map_err(|error| vec![refused(error)])?;
        let wants = described.wants();
        let warnings = check_needs(plugin.mode, &plugin.grants, wants, &subscription, declared)?;
        let spec = specification(plugin, &described, subscription);
        let outline = PluginOutline::of(plugin);
        Ok(LoadedPlugin { spec, described, origin: plugin.origin.clone(), warnings, outline, thread })
    }

    /// Returns the memory of the plugin. Without a state directory it lasts as long as this process.
    fn memory(&self, plugin: &config::Plugin) -> Result<PluginMemory, StoreError> {
        let quota = Quota {
            keys: saturate(plugin.limits.store_keys),
            bytes: usize::try_from(plugin.limits.store_bytes).unwrap_or(usize::MAX),
        };
        match &self.state {
            Some(state) => state.store.plugin(&plugin.name, quota),
            None => Ok(PluginMemory::scratch(quota)),
        }
    }

    /// Returns the component and its descriptor, from the cache or from an examination in a separate process.
    fn component(&self, plugin: &config::Plugin, host: &HostParts) -> Result<(Component, Described), Vec<String>> {
        let cached = self.state.as_ref().map(|state| CachedExamination::new(&state.code, &self.runtime, plugin));
        let load = |code: &Code| self.runtime.load_code(&plugin.component, code);
        let carried = || self.native.as_ref()?.code(&plugin.component).filter(|code| load(code).is_ok());
        let code = cached.as_ref().and_then(CachedExamination::code).or_else(carried);
        if let (Some(code), Some(described)) = (&code, cached.as_ref().and_then(CachedExamination::described))
            && let Ok(component) = load(code)
        {
            return Ok((component, described));
        }
        let mut dry_run = host.dry_run().open(&plugin.name);
        let examined = examine(plugin, code.as_ref(), &mut dry_run)?;
        if let Some(cached) = &cached {
            cached.keep(&examined);
        }
        let none = || vec!["its compiled code is missing".to_owned()];
        let code = examined.code.or(code).ok_or_else(none)?;
        let component = load(&code).map_err(|error| vec![format!("{:#}", anyhow::Error::from(error))])?;
        Ok((component, examined.described))
    }
}

/// Opens the sets of one name, or returns all problems of either of them.
fn open_sets(set: &config::OperatorsTable) -> Result<Sets, Vec<String>> {
    let told = |error: anyhow::Error| format!("{error:#}");
    let (ipv4, ipv6) = (set.ipv4.as_deref(), set.ipv6.as_deref());
    Sets::open(&set.table, ipv4, ipv6).map_err(|first| {
        // Open each alone, because the first wrong set hides the other.
        let each = [(ipv4, None), (None, ipv6)].into_iter().filter(|(ipv4, ipv6)| ipv4.is_some() || ipv6.is_some());
        let mut errors: Vec<String> = each
            .filter_map(|(ipv4, ipv6)| Sets::open(&set.table, ipv4, ipv6).err())
            .map(|error| told(error.into()))
            .collect();
        errors.dedup();
        if errors.is_empty() { vec![told(first.into())] } else { errors }
    })
}

fn specification(plugin: &config::Plugin, described: &Described, subscription: Subscription) -> PluginSpec {
    let (budget, defaults) = (&plugin.budget, PluginLimits::default());
    PluginSpec {
        name: plugin.name.clone(),
        mode: plugin.mode,
        wants: described.wants(),
        codes: described.codes().union(&subscription.codes).cloned().collect(),
        grants: plugin.grants.clone(),
        subscription,
        limits: PluginLimits {
            queue_entries: saturate(plugin.limits.queue_entries),
            verdicts_per_second: budget.verdicts_per_second,
            // Two seconds' worth may come at once: the ban of a busy network is a single burst.
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

/// Returns the name and mode of each plugin, for a first line in the log.
pub(crate) fn summary(plugins: &[LoadedPlugin]) -> String {
    let one = |plugin: &LoadedPlugin| -> String {
        let (name, mode): (&PluginName, Mode) = (&plugin.spec.name, plugin.spec.mode);
        format!("{name} ({})", mode.name())
    };
    plugins.iter().map(one).collect::<Vec<_>>().join(", ")
}
