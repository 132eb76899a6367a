//! Checks verdicts across the sandbox and through the engine.
//!
//! The guest `arbitrary` makes verdicts from the bytes. The verdicts cross the sandbox. The engine judges them as those
//! of an enforcing policy with every grant, and each of them must end.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use ctwarden_engine::{
    Ack, Answer, Call, Engine, EngineConfig, Looked, OnFailure, Output, PluginLimits, PluginSpec, TableReader, Wait,
};
use ctwarden_guest::{Component, Host, Instance, Limits, LogStream, Runtime};
use ctwarden_model::{
    Flow, FlowKey, Grants, Mode, Now, PluginName, PrefixMap, Reply, SetName, Steady, TableStatistics, Timestamp,
    Verdict, VerdictKind,
};

/// The most rounds that an engine needs to end a few hundred verdicts.
const ROUNDS: usize = 10_000;

/// The guest that makes verdicts from the bytes of a message.
const GUEST: &str = "guest-arbitrary";

static COMPONENT: LazyLock<Component> = LazyLock::new(|| {
    let folder = std::env::var_os("CTWARDEN_GUESTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/guests/components"),
        PathBuf::from,
    );
    let file = folder.join(GUEST).with_extension("wasm");
    let bytes = std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; build the guests with `cargo xtask guests`", file.display()));
    Runtime::new().unwrap().load(&bytes).unwrap()
});

/// A host that has one set and nothing else.
struct Nothing;

impl Host for Nothing {
    fn get(&mut self, _: &FlowKey) -> Option<Flow> {
        None
    }
    fn lookup(&mut self, _: &SetName, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, String> {
        Ok(vec![None; addresses.len()])
    }
    fn set(&mut self, _: &SetName) -> Result<Arc<PrefixMap<Arc<str>>>, String> {
        Ok(Arc::default())
    }
    fn table(&mut self) -> Option<TableStatistics> {
        None
    }
    fn memory_get(&mut self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn memory_set(&mut self, _: &str, _: Vec<u8>, _: Option<u32>) -> Result<(), String> {
        Ok(())
    }
    fn memory_remove(&mut self, _: &str) {}
    fn memory_keys(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn log(&mut self, _: LogStream, _: &str) {}
}

/// Checks that nothing panics and that every verdict ends.
pub(crate) fn check(bytes: &[u8]) {
    let name = PluginName::new("fuzzed").unwrap();
    let Ok(mut instance) = COMPONENT.instantiate(name.clone(), Limits::default(), Box::new(Nothing)) else { return };
    let Ok(subscription) = instance.configure(Timestamp(1), "{}") else { return };
    let spec = PluginSpec {
        name,
        mode: Mode::Enforce,
        wants: VerdictKind::ALL.into_iter().collect(),
        codes: [].into(),
        grants: Grants {
            kinds: VerdictKind::ALL.into_iter().collect(),
            mark_mask: u32::MAX,
            label_mask: u128::MAX,
            block_sets: [SetName("banned".into())].into(),
            ..Grants::default()
        },
        subscription: ctwarden_model::Subscription { needs: VerdictKind::ALL.into_iter().collect(), ..subscription },
        limits: PluginLimits::default(),
        on_failure: OnFailure::default(),
    };
    if let Some(verdicts) = crossed(&mut instance, bytes) {
        judged(spec, verdicts);
    }
}

/// The verdicts of the bytes on the host's side. `None` if the guest failed.
fn crossed(instance: &mut Instance, bytes: &[u8]) -> Option<Vec<Verdict>> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    instance.message(Timestamp(2), &text).ok()?.ok().map(|reply| reply.verdicts)
}

fn judged(spec: PluginSpec, verdicts: Vec<Verdict>) {
    let mut now = Now { wall: Timestamp(1_000_000_000_000), steady: Steady(5_000_000_000) };
    let config = EngineConfig::default();
    let mut engine = Engine::new(config.clone(), now);
    engine.handle_plugins(now, config, vec![spec]);
    engine.handle_message(now, "fuzzed", "x".to_owned(), Wait::default()).unwrap();
    let mut verdicts = Some(verdicts);
    for _ in 0..ROUNDS {
        let mut idle = true;
        while let Some(output) = engine.poll(TableReader::Free) {
            idle = false;
            match output {
                Output::Effect(effect, _) => engine.handle_ack(now, effect, Ack::Done),
                Output::Lookup(lookup) => engine.handle_lookup(now, lookup.id, Looked::Gone),
                Output::Call(delivery) => {
                    let answer = match delivery.what {
                        Call::Message { .. } => {
                            let verdicts = verdicts.take().unwrap_or_default();
                            Answer::Reply(Reply { text: String::new(), verdicts })
                        }
                        Call::Judge(_) | Call::JudgeExpectations(_) | Call::Concluded(_) | Call::Tick(_) => {
                            Answer::Verdicts(Vec::new())
                        }
                    };
                    engine.handle_answer(now, delivery.call, answer);
                }
                Output::Sweep(sweep) => engine.handle_sweep_end(now, sweep.id, true),
                Output::Selection(_) | Output::Restart(_) | Output::Reply(..) | Output::Record(_) | Output::Exit(_) => {
                }
            }
        }
        if idle {
            match engine.poll_timeout() {
                Some(next) if !engine.is_quiet() => {
                    now.steady = now.steady.max(next);
                    engine.handle_timeout(now);
                }
                _ => break,
            }
        }
    }
    assert!(engine.is_quiet(), "a verdict has not ended");
}
