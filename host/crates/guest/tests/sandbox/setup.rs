//! Guests, batches and limits for the tests.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ctwarden_guest::{Component, Instance, Limits, Runtime};
use ctwarden_model::{
    Batch, Cause, Entries, Event, EventKind, Flow, FlowId, Layer4, PerDirection, PluginName, Protocol, Timestamp, Tuple,
};

use crate::host::{Recorded, Recorder};

/// A flow to this port provokes a guest (`tests/guests/plugin.rs`).
pub(crate) const PROVOCATION: u16 = 6666;

/// One runtime for all tests, as in the daemon.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub(crate) fn runtime() -> &'static Runtime {
    &RUNTIME
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The folder with the sources of the guests.
pub(crate) fn sources() -> PathBuf {
    workspace().join("tests/guests")
}

/// The bytes of a guest.
pub(crate) fn bytes(guest: &str) -> Vec<u8> {
    let folder =
        std::env::var_os("CTWARDEN_GUESTS").map_or_else(|| workspace().join("target/guests/components"), PathBuf::from);
    let file = folder.join(format!("{guest}.wasm"));
    std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; build the guests with `cargo xtask guests`", file.display()))
}

pub(crate) fn load(guest: &str) -> Component {
    runtime().load(&bytes(guest)).unwrap()
}

/// Limits that are short enough for tests.
pub(crate) fn limits() -> Limits {
    Limits { call_cpu: Duration::from_millis(500), call_wall: Duration::from_secs(20), ..Limits::default() }
}

/// The time that the tests give to plugins.
pub(crate) const NOW: Timestamp = Timestamp(7);

/// Starts an instance without configuring it. Returns it with the record of its calls to the host.
pub(crate) fn start(guest: &str, limits: Limits) -> (Instance, Recorded) {
    let (host, recorded) = Recorder::new();
    let name = PluginName::new(guest).unwrap();
    (load(guest).instantiate(name, limits, Box::new(host)).unwrap(), recorded)
}

pub(crate) fn configured(guest: &str, configuration: &str, limits: Limits) -> (Instance, Recorded) {
    let (mut instance, recorded) = start(guest, limits);
    instance.configure(NOW, configuration).unwrap();
    (instance, recorded)
}

pub(crate) fn tuple(src: &str, dst: &str, protocol: Protocol, layer4: Layer4) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol, layer4 }
}

/// A TCP flow from 192.0.2.1 to this destination port.
pub(crate) fn flow(port: u16) -> Flow {
    let original = tuple("192.0.2.1", "198.51.100.2", Protocol::TCP, Layer4::Ports { src: 40_000, dst: port });
    let reply = tuple("198.51.100.2", "192.0.2.1", Protocol::TCP, Layer4::Ports { src: port, dst: 40_000 });
    let mut flow = Flow::new(PerDirection { original, reply });
    flow.id = Some(FlowId(u32::from(port)));
    flow
}

pub(crate) fn batch(flows: impl IntoIterator<Item = Flow>) -> Batch {
    let event = |flow| Event { kind: EventKind::New, by_us: false, flow };
    let events: Vec<Event> = flows.into_iter().map(event).collect();
    Batch { cause: Cause::Events, now: Timestamp(1), missed: 0, entries: Entries::all(Arc::new(events)) }
}

/// A batch with one flow to each of the ports.
pub(crate) fn flows(ports: impl IntoIterator<Item = u16>) -> Batch {
    batch(ports.into_iter().map(flow))
}
