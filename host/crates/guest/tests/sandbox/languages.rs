//! One policy, written in several languages and compiled for the released interface: each component loads, and each
//! gives the same verdicts on the same flows.

use std::time::Duration;

use ctwarden_guest::{Component, Instance, Limits};
use ctwarden_model::{
    Action, Batch, Cause, EventKinds, Extent, Filter, Flow, Layer4, PluginName, Protocol, ReasonCode, Selection,
    Target, Verdict, VerdictKind,
};

use crate::host::{Recorded, Recorder};
use crate::setup::{NOW, batch, bytes, runtime, sources, tuple};

/// Components in `tests/components`. They were compiled once, as plugins of users are.
const KEPT: [&str; 2] = ["ban-kill-c", "ban-kill-rust"];

/// Components that `cargo xtask components` builds, because they are too large to keep.
const BUILT: [&str; 2] = ["ban-kill-javascript", "ban-kill-python"];

/// A runtime in a component takes more memory and time than a compiled policy.
fn limits() -> Limits {
    Limits { memory_bytes: 512 << 20, call_cpu: Duration::from_secs(20), ..Limits::default() }
}

fn start(component: &Component) -> (Instance, Recorded) {
    let (host, recorded) = Recorder::new();
    let name = PluginName::new("ban-kill").unwrap();
    (component.instantiate(name, limits(), Box::new(host)).unwrap(), recorded)
}

/// Flows from two senders, in turn.
fn capture() -> Batch {
    let flow = |src: &str, port| {
        let (to, back) = (Layer4::Ports { src: 40_000, dst: port }, Layer4::Ports { src: port, dst: 40_000 });
        let original = tuple(src, "198.51.100.2", Protocol::TCP, to);
        let reply = tuple("198.51.100.2", src, Protocol::TCP, back);
        Flow::new(ctwarden_model::PerDirection { original, reply })
    };
    batch([flow("192.0.2.1", 22), flow("192.0.2.7", 22), flow("192.0.2.1", 80), flow("192.0.2.7", 443)])
}

fn delete(target: Target) -> Verdict {
    Verdict { target, action: Action::Delete, code: "banned".to_owned(), reason: String::new() }
}

fn bans_and_ends_flows(name: &str, bytes: &[u8]) {
    let component = runtime().load(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let descriptor = component.describe(limits()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((descriptor.name.as_str(), descriptor.configuration_schema), ("ban-kill", None), "{name}");
    assert_eq!(descriptor.wants, [VerdictKind::Delete].into_iter().collect(), "{name}");
    let code = ReasonCode { code: "banned".to_owned(), meaning: "The sender is banned.".to_owned() };
    assert_eq!(descriptor.codes, [code], "{name}");

    let (mut instance, recorded) = start(&component);
    let subscription = instance.configure(NOW, "{}").unwrap_or_else(|error| panic!("{name}: {error}"));
    let kinds = EventKinds { row: true, new: true, ..EventKinds::default() };
    assert_eq!((subscription.kinds, subscription.selects), (kinds, true), "{name}");
    assert_eq!(instance.judge(&capture()).unwrap(), [], "{name}: nobody is banned");

    let said = instance.message(NOW, "unban 192.0.2.7").unwrap().unwrap_err();
    assert_eq!(said, "write ban ADDRESS", "{name}");
    let reply = instance.message(NOW, "ban 192.0.2.7").unwrap().unwrap();
    assert_eq!(reply.text, "192.0.2.7 is banned", "{name}");
    let either = ["192.0.2.7".parse().unwrap()].into_iter().collect();
    let selection = Selection { filter: Filter { either, ..Filter::default() }, limit: None };
    assert_eq!(reply.verdicts, [delete(Target::Matching(Box::new(selection)))], "{name}");
    let judged = [delete(Target::Entry(1)), delete(Target::Entry(3))];
    assert_eq!(instance.judge(&capture()).unwrap(), judged, "{name}");
    for cause in [Cause::SweepBegin(Extent::Subscribed), Cause::SweepComplete, Cause::Overrun] {
        let turn = Batch { cause, ..batch([]) };
        assert_eq!(instance.judge(&turn).unwrap(), [], "{name}");
    }
    instance.stop().unwrap();

    // Another instance finds the ban in its memory.
    let remembered = recorded.with(|seen| seen.memory.clone());
    assert_eq!(remembered.keys().collect::<Vec<_>>(), ["ban/192.0.2.7"], "{name}");
    let (mut instance, recorded) = start(&component);
    recorded.with(|seen| seen.memory = remembered);
    instance.configure(NOW, "{}").unwrap();
    assert_eq!(instance.judge(&capture()).unwrap(), judged, "{name}");
}

#[test]
fn a_kept_component_of_each_language_gives_its_verdicts() {
    for name in KEPT {
        let file = sources().join("../components").join(format!("{name}.wasm"));
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        bans_and_ends_flows(name, &bytes);
    }
}

#[test]
pub(crate) fn the_rust_source_is_the_policy_of_the_kept_component() {
    bans_and_ends_flows("ban-kill", &bytes("ban-kill"));
}

#[test]
fn a_built_component_of_each_language_gives_its_verdicts() {
    let folder = sources().join("../../target/guests/languages");
    for name in BUILT {
        match std::fs::read(folder.join(format!("{name}.wasm"))) {
            Ok(bytes) => bans_and_ends_flows(name, &bytes),
            Err(error) => {
                let told = format!("{name}: {error}; build it with `cargo xtask components`");
                assert!(std::env::var_os("CI").is_none(), "{told}");
                eprintln!("skipped: {told}");
            }
        }
    }
}
