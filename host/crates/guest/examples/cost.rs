//! Measures the cost of the sandbox.
//!
//! Run: `cargo run --release -p ctwarden-guest --example cost [COMPONENT [CONFIGURATION]]`.
//!
//! Prints how long a component takes to compile, load, describe and instantiate, and the cost of a call and of each
//! entry in it. Without arguments, it uses the test guest that receives every entry and returns no verdicts.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ctwarden_guest::{CodeCache, ComponentKey, Host, Limits, LogStream, Runtime};
use ctwarden_model::{
    Batch, Cause, Counters, Entries, Event, EventKind, Flow, FlowId, FlowKey, Layer4, Mark, PerDirection, PluginName,
    PrefixMap, Protocol, ProtocolInfo, SetName, Status, TableStatistics, TcpState, Timestamp, Tuple,
};

/// A host without services that prints the plugin's output.
struct Nothing;

impl Host for Nothing {
    fn get(&mut self, _: &FlowKey) -> Option<Flow> {
        None
    }
    fn lookup(&mut self, _: &SetName, addresses: &[std::net::IpAddr]) -> Result<Vec<Option<String>>, String> {
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
    fn log(&mut self, stream: LogStream, line: &str) {
        eprintln!("{stream:?}: {line}");
    }
}

/// A row as a sweep reads it, without rare parts.
fn event(number: u32) -> Event {
    let tuple = |src: u32, dst: u32| Tuple {
        src: std::net::Ipv4Addr::from_bits(src).into(),
        dst: std::net::Ipv4Addr::from_bits(dst).into(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: number as u16, dst: 443 },
    };
    let mut flow = Flow::new(PerDirection {
        original: tuple(0x0a00_0000 | number, 0xc000_0201),
        reply: tuple(0xc000_0201, 0x0a00_0000 | number),
    });
    flow.id = Some(FlowId(number));
    flow.status = Some(Status(0x18e));
    flow.timeout = Some(431_999);
    flow.mark = Some(Mark(0));
    flow.info = Some(ProtocolInfo::Tcp {
        state: Some(TcpState::ESTABLISHED),
        window_scale: PerDirection::default(),
        flags: PerDirection::default(),
    });
    flow.counters.original = Some(Counters { packets: 12, bytes: 3400 });
    flow.counters.reply = Some(Counters { packets: 10, bytes: 5600 });
    flow.started = Some(Timestamp(1_700_000_000_000_000_000));
    Event { kind: EventKind::Row, by_us: false, flow }
}

/// Returns the time of one call in the fastest of 20 runs. Slower runs were delayed by other work on this machine.
fn best(calls: u32, mut call: impl FnMut()) -> Duration {
    (0..20)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..calls {
                call();
            }
            begun.elapsed() / calls
        })
        .min()
        .unwrap_or_default()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let made = work();
    println!("{what}: {:?}", begun.elapsed());
    made
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/guests/components/guest-good.wasm"),
        PathBuf::from,
    );
    let configuration = arguments.next().unwrap_or_else(|| "\"nothing\"".to_owned());
    let bytes = std::fs::read(&file)?;
    let runtime = timed("engine", Runtime::new)?;
    println!("component: {} bytes", bytes.len());
    let component = timed("compile", || runtime.load(&bytes))?;
    let folder = std::env::temp_dir().join(format!("ctwarden-cost-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let cache = CodeCache::open(&folder)?;
    cache.keep_code(&ComponentKey::new(&runtime, &bytes), &component.code()?)?;
    timed("load what was compiled before", || -> Result<_, Box<dyn std::error::Error>> {
        let code = cache.code(&ComponentKey::new(&runtime, &bytes)).ok_or("nothing was kept")?;
        Ok(runtime.load_code(&bytes, &code)?)
    })?;
    std::fs::remove_dir_all(&folder)?;
    timed("describe", || component.describe(Limits::default()))?;
    let name = PluginName::new("cost")?;
    let start = || component.instantiate(name.clone(), Limits::default(), Box::new(Nothing));
    let instantiate = best(100, || drop(start()));
    println!("instantiate: {instantiate:?}");
    let mut instance = start()?;
    instance.configure(Timestamp(1), &configuration)?;
    println!("tick: {:?}", best(10_000, || drop(instance.tick(Timestamp(1)))));
    for size in [0_u32, 1, 64, 256] {
        let events: Arc<Vec<Event>> = Arc::new((0..size).map(event).collect());
        let batch =
            Batch { cause: Cause::SweepRows, now: Timestamp(1), missed: 0, entries: Entries::all(Arc::clone(&events)) };
        let mut verdicts = 0;
        let took = best(100_000 / (size + 10), || verdicts = instance.judge(&batch).map_or(0, |answer| answer.len()));
        let each = took.as_nanos() as f64 / f64::from(size.max(1));
        println!("judge {size}: {took:?}, {each:.0} ns an entry, {verdicts} verdicts");
    }
    instance.stop()?;
    Ok(())
}
