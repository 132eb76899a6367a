//! From a checked configuration to plugins that run: the one way that start, reload and `ctwarden check` all go.
//!
//! Everything that can be wrong is found here and before anything is swapped or listened to: all problems at once, and not
//! one plugin runs while another cannot (fail closed at start, keep the old set at a reload).

use std::ffi::OsStr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};
use ctwarden_engine::{EngineConfig, PluginLimits, PluginSpec};
use ctwarden_guest::{CodeCache, Component, ConfigureError, Limits, Runtime};
use ctwarden_model::{Descriptor, Grants, Mode, PluginName, Subscription, VerdictKind, VerdictKinds};
use rustix::fs::Mode as FileMode;
use tokio::sync::mpsc::UnboundedSender;

use super::host::HostParts;
use super::thread::{PluginThread, Recipe};
use crate::address_sets::AddressSets;
use crate::config::{self, Configuration, Problem, Problems};
use crate::effects::BlockSets;
use crate::netlink::nftables::{Sets, Table};
use crate::niceness::Niceness;
use crate::set_file::SetFiles;
use crate::store::{Quota, Store, StoreError};
use crate::trusted_path::Directory;

/// What a configuration became.
pub(crate) struct Prepared {
    /// Figures of the engine.
    pub(crate) engine: EngineConfig,
    /// Plugins that are configured and wait for their first call, in the order of the file.
    pub(crate) plugins: Vec<Ready>,
    /// Address sets.
    pub(crate) sets: AddressSets,
    /// Those of them that come from files.
    pub(crate) set_files: SetFiles,
    /// Lists that were refused, which keeps nothing from starting.
    pub(crate) refused: Vec<Problem>,
    /// nftables sets, opened.
    pub(crate) block_sets: BlockSets,
    /// The daemon's own part.
    pub(crate) daemon: config::Daemon,
}

/// One plugin that runs.
pub(crate) struct Ready {
    /// As the engine is to run it.
    pub(crate) spec: PluginSpec,
    /// Who it says it is.
    pub(crate) descriptor: Descriptor,
    /// Where it was read from.
    pub(crate) path: PathBuf,
    /// What its configuration needs and the operator did not grant: it runs, for it only observes.
    pub(crate) warning: Option<String>,
    /// Its thread.
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

impl Preparer {
    /// For the configuration of that file. Where nothing is kept plugins have no lasting memory: that is for looking only.
    pub(crate) fn new(file: &Path, kept: Option<Kept>) -> Result<Self> {
        Ok(Self { file: file.to_owned(), runtime: Runtime::new()?, kept })
    }

    /// Reads, checks and starts everything anew.
    pub(crate) fn prepare(&self) -> Result<Prepared, Problems> {
        self.prepare_from(config::load(&self.file)?)
    }

    /// The same where the configuration was read already.
    pub(crate) fn prepare_from(&self, configuration: Configuration) -> Result<Prepared, Problems> {
        let sets = AddressSets::default();
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
        let mut block_sets = BlockSets::new();
        for (name, set) in &configuration.block_sets {
            match open_sets(set) {
                Ok(opened) => drop(block_sets.insert(name.clone(), opened)),
                Err(error) => problem(None, format!("block set {name}: {error:#}")),
            }
        }
        let mut plugins = Vec::new();
        let prepared = in_parallel(&configuration.plugins, |plugin| self.ready(plugin, &sets));
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
        let Configuration { set_files, refused, daemon, .. } = configuration;
        Ok(Prepared { engine, plugins, sets, set_files, refused, block_sets, daemon })
    }

    fn ready(&self, plugin: &config::Plugin, sets: &AddressSets) -> Result<Ready, Vec<String>> {
        let one = |error: anyhow::Error| vec![format!("{error:#}")];
        let component = match &self.kept {
            Some(kept) => self.runtime.load_cached(&plugin.component, &kept.code),
            None => self.runtime.load(&plugin.component),
        }
        .map_err(|error| one(error.into()))?;
        let descriptor = component.describe().map_err(|error| one(error.into()))?;
        check_configuration(&descriptor, plugin)?;
        let recipe = self.recipe(component, plugin, sets).map_err(|error| one(error.into()))?;
        let (thread, subscription) = PluginThread::start(recipe).map_err(|error| vec![refused(error)])?;
        let warning = check_needs(plugin.mode, &plugin.grants, descriptor.wants, subscription.needs)
            .map_err(|refusal| vec![refusal])?;
        let spec = specification(plugin, descriptor.wants, subscription);
        Ok(Ready { spec, descriptor, path: plugin.path.clone(), warning, thread })
    }

    fn recipe(&self, component: Component, plugin: &config::Plugin, sets: &AddressSets) -> Result<Recipe, StoreError> {
        let limits = &plugin.limits;
        let quota = Quota {
            keys: saturate(limits.store_keys),
            bytes: usize::try_from(limits.store_bytes).unwrap_or(usize::MAX),
        };
        let memory = self.kept.as_ref().map(|kept| kept.store.plugin(&plugin.name, quota)).transpose()?;
        Ok(Recipe {
            name: plugin.name.clone(),
            component,
            limits: Limits {
                memory_bytes: limits.memory,
                call_cpu: limits.call_cpu,
                call_wall: limits.call_wall,
                verdicts_per_call: saturate(limits.verdicts_per_call),
                output_bytes_per_call: usize::try_from(limits.text_per_call).unwrap_or(usize::MAX),
                ..Limits::default()
            },
            configuration: plugin.config.to_string(),
            host: HostParts { sets: sets.clone(), read_sets: plugin.grants.read_sets.clone(), memory },
        })
    }
}

fn open_sets(set: &config::BlockSet) -> Result<Sets> {
    let table: Table = format!("{} {}", set.family.name(), set.table).parse()?;
    Ok(Sets::open(&table, set.ipv4.as_deref(), set.ipv6.as_deref())?)
}

/// What becomes of each, in their order. Loading a plugin and asking it who it is takes milliseconds of one processor, or
/// seconds where it is compiled, and needs nothing of the others.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let waiting = Mutex::new(items.iter().enumerate());
    let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work_off = || {
        let mut done = Vec::new();
        while let Some((index, item)) = take() {
            done.push((index, work(item)));
        }
        done
    };
    let others = thread::available_parallelism().map_or(1, NonZero::get).min(items.len()).saturating_sub(1);
    let mut done = thread::scope(|scope| {
        let start = |_| thread::Builder::new().name("prepare".to_owned()).spawn_scoped(scope, work_off);
        // A thread that cannot be started is one less: this one works, too.
        let threads: Vec<_> = (0..others).filter_map(|number| start(number).ok()).collect();
        let mut done = work_off();
        for thread in threads {
            match thread.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What the plugin is given, held against the schema that it gave.
fn check_configuration(descriptor: &Descriptor, plugin: &config::Plugin) -> Result<(), Vec<String>> {
    let Some(schema) = &descriptor.configuration_schema else {
        let empty = plugin.config.as_object().is_none_or(serde_json::Map::is_empty);
        return if empty {
            Ok(())
        } else {
            Err(vec!["it takes no configuration; remove its [plugin.config]".to_owned()])
        };
    };
    config::check_against_schema(schema, &plugin.config)
        .map_err(|errors| errors.into_iter().map(|error| format!("[plugin.config] {error}")).collect())
}

/// What the plugin needs as it is configured, held against what it asks and is granted. A plugin that enforces without a grant
/// that it needs would look as if it did its work; one that observes does none, and its operator is warned.
fn check_needs(
    mode: Mode,
    grants: &Grants,
    wants: VerdictKinds,
    needs: VerdictKinds,
) -> Result<Option<String>, String> {
    let foreign = needs.without(wants);
    if !foreign.is_empty() {
        let foreign = names(foreign);
        return Err(format!("its subscription needs {foreign}, which it does not ask for; tell the plugin's author"));
    }
    let missing = needs.without(grants.kinds);
    if missing.is_empty() {
        return Ok(None);
    }
    let verb = if missing.iter().count() == 1 { "is" } else { "are" };
    let granted = VerdictKind::ALL.into_iter().filter(|kind| grants.kinds.contains(*kind) || missing.contains(*kind));
    let allow: Vec<&str> = granted.map(VerdictKind::name).collect();
    let blocks = missing.contains(VerdictKind::Block) || missing.contains(VerdictKind::Unblock);
    let bounds: Vec<&str> = [
        ("mark-mask", missing.contains(VerdictKind::Mark)),
        ("label-bits", missing.contains(VerdictKind::Labels)),
        ("block-sets", blocks && grants.block_sets.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, needed)| needed.then_some(key))
    .collect();
    let bounds = if bounds.is_empty() { String::new() } else { format!(" with {}", bounds.join(" and ")) };
    let missing = names(missing);
    let what = format!(
        "its configuration needs {missing}, which {verb} not granted; write allow = {allow:?}{bounds} in its [[plugin]]"
    );
    match mode {
        Mode::Enforce => Err(what),
        Mode::Observe => Ok(Some(what)),
    }
}

/// Names of kinds, for people.
pub(crate) fn names(kinds: VerdictKinds) -> String {
    kinds.iter().map(VerdictKind::name).collect::<Vec<_>>().join(", ")
}

fn refused(error: ConfigureError) -> String {
    match error {
        ConfigureError::Refused(why) => format!("it refused its [plugin.config]: {why}"),
        error @ (ConfigureError::Fault(_) | ConfigureError::Malformed(_)) => format!("{:#}", anyhow!(error)),
    }
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
            alerts_per_second: budget.alerts_per_second,
            alert_burst: budget.alerts_per_second.saturating_mul(10),
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

/// Runs preparations aside, so that the loop goes on meanwhile; one at a time, and one more if asked during it.
pub(crate) struct Reloader {
    preparer: Arc<Preparer>,
    results: UnboundedSender<Result<Prepared>>,
    running: bool,
    again: bool,
}

impl Reloader {
    /// Results go there.
    pub(crate) fn new(preparer: Preparer, results: UnboundedSender<Result<Prepared>>) -> Self {
        Self { preparer: Arc::new(preparer), results, running: false, again: false }
    }

    /// Starts a preparation.
    pub(crate) fn begin(&mut self) {
        if std::mem::replace(&mut self.running, true) {
            self.again = true;
            return;
        }
        let (preparer, results) = (Arc::clone(&self.preparer), self.results.clone());
        let work = move || {
            // Plugins' threads, which are started from here, do not go before others.
            Niceness::stand_back();
            drop(results.send(preparer.prepare().map_err(anyhow::Error::from)));
        };
        if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
            let _ =
                self.results.send(Err(anyhow!(error).context("no thread could be started to read the configuration")));
        }
    }

    /// A result was taken; starts the preparation that was asked for meanwhile.
    pub(crate) fn ended(&mut self) {
        self.running = false;
        if std::mem::take(&mut self.again) {
            self.begin();
        }
    }
}

/// Name and mode of each, for a first line in the log.
pub(crate) fn summary(plugins: &[Ready]) -> String {
    let one = |ready: &Ready| -> String {
        let (name, mode): (&PluginName, Mode) = (&ready.spec.name, ready.spec.mode);
        format!("{name} ({})", mode.name())
    };
    plugins.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use ctwarden_model::SetName;

    use super::*;

    fn kinds<const N: usize>(kinds: [VerdictKind; N]) -> VerdictKinds {
        kinds.into_iter().collect()
    }

    fn granted<const N: usize>(allow: [VerdictKind; N]) -> Grants {
        Grants { kinds: kinds(allow), ..Grants::default() }
    }

    #[test]
    fn what_is_done_in_parallel_comes_back_in_order() {
        // The first ones take longest, so that those after them are done earlier.
        let items: Vec<u64> = (0..40).collect();
        let outcome = in_parallel(&items, |item| {
            thread::sleep(std::time::Duration::from_micros(100 * (40 - item)));
            item * 2
        });
        assert_eq!(outcome, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[] as &[u8], |item| *item), [] as [u8; 0]);
    }

    const ALL: [VerdictKind; 10] = VerdictKind::ALL;

    #[test]
    fn what_is_granted_is_enough() {
        use VerdictKind::{Alert, Delete};
        for mode in [Mode::Enforce, Mode::Observe] {
            let check = |grants, needs| check_needs(mode, &grants, kinds(ALL), needs);
            assert_eq!(check(granted([Delete, Alert]), kinds([Alert])), Ok(None));
            assert_eq!(check(granted([]), VerdictKinds::NONE), Ok(None));
        }
    }

    #[test]
    fn who_enforces_without_a_grant_is_refused_and_who_observes_warned() {
        use VerdictKind::{Alert, Block, Delete, Labels, Mark, Unblock};
        let with_sets = Grants { block_sets: [SetName("bad".into())].into(), ..granted([Alert, Block]) };
        for (grants, needs, told) in [
            (
                granted([Alert]),
                kinds([Alert, Delete]),
                "needs delete, which is not granted; write allow = [\"delete\", \"alert\"] in its [[plugin]]",
            ),
            (
                granted([]),
                kinds([Mark, Labels]),
                "needs mark, labels, which are not granted; write allow = [\"mark\", \"labels\"] with mark-mask and \
                 label-bits in its [[plugin]]",
            ),
            (
                granted([]),
                kinds([Block]),
                "needs block, which is not granted; write allow = [\"block\"] with block-sets in its [[plugin]]",
            ),
            (
                with_sets,
                kinds([Block, Unblock]),
                "needs unblock, which is not granted; write allow = [\"alert\", \"block\", \"unblock\"] in its [[plugin]]",
            ),
        ] {
            let told = format!("its configuration {told}");
            assert_eq!(check_needs(Mode::Enforce, &grants, kinds(ALL), needs), Err(told.clone()));
            assert_eq!(check_needs(Mode::Observe, &grants, kinds(ALL), needs), Ok(Some(told)));
        }
    }

    #[test]
    fn nobody_needs_what_he_does_not_ask_for() {
        use VerdictKind::{Alert, Delete};
        let told = "its subscription needs delete, which it does not ask for; tell the plugin's author";
        for mode in [Mode::Enforce, Mode::Observe] {
            let refused = check_needs(mode, &granted(ALL), kinds([Alert]), kinds([Alert, Delete]));
            assert_eq!(refused, Err(told.to_owned()));
        }
    }
}
