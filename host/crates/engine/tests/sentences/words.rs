//! The vocabulary of the tests: plugins, flows, events and verdicts, each made by one short call.
//!
//! The code of a verdict identifies it, so that one line can show its record.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use ctwarden_engine::{EngineBounds, EngineConfig, OnFailure, PluginLimits, PluginSpec};
use ctwarden_model::{
    Action, Alert, Block, ChangedSet, Event, EventKind, EventKinds, Filter, Flow, FlowId, FlowKey, Grants, LabelChange,
    Layer4, ListCounts, Mark, Masked, Mode, PerDirection, PluginName, Prefix, PrefixSet, Protocol, Selection, SetName,
    Status, Subscription, Target, Tuple, Unblock, Verdict, VerdictKind, VerdictKinds, Zone,
};

/// A plugin that may do everything, enforces, and wants all events but no rows.
pub(crate) fn plugin(name: &str) -> PluginSpec {
    let all: VerdictKinds = VerdictKind::ALL.into_iter().collect();
    PluginSpec {
        name: PluginName::new(name).unwrap(),
        mode: Mode::Enforce,
        wants: all,
        codes: [].into(),
        grants: Grants {
            kinds: all,
            mark_mask: u32::MAX,
            label_mask: u128::MAX,
            block_sets: [SetName("banned".into())].into(),
            read_sets: [].into(),
        },
        subscription: Subscription {
            needs: all,
            kinds: EventKinds { row: false, new: true, update: true, destroy: true },
            ..Subscription::default()
        },
        limits: PluginLimits { table_share_per_minute: 100, ..PluginLimits::default() },
        on_failure: OnFailure::Restart,
    }
}

/// Small changes of a plugin's specification.
pub(crate) trait Spec: Sized {
    fn with(self, change: impl FnOnce(&mut PluginSpec)) -> Self;

    fn observes(self) -> Self {
        self.with(|spec| spec.mode = Mode::Observe)
    }

    fn sweeps(self) -> Self {
        self.with(|spec| spec.subscription.kinds.row = true)
    }

    fn sweeps_every(self, seconds: u64) -> Self {
        self.sweeps().with(|spec| spec.subscription.sweep_every = Some(Duration::from_secs(seconds)))
    }

    fn ticks_every(self, millis: u64) -> Self {
        self.with(|spec| spec.subscription.tick_every = Some(Duration::from_millis(millis)))
    }

    fn marks_only(self, mask: u32) -> Self {
        self.with(|spec| spec.grants.mark_mask = mask)
    }

    fn queues(self, entries: usize) -> Self {
        self.with(|spec| spec.limits.queue_entries = entries)
    }
}

impl Spec for PluginSpec {
    fn with(mut self, change: impl FnOnce(&mut PluginSpec)) -> Self {
        change(&mut self);
        self
    }
}

pub(crate) fn address(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}

pub(crate) fn server() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

fn tuple(src: IpAddr, dst: IpAddr, ports: (u16, u16)) -> Tuple {
    let layer4 = Layer4::Ports { src: ports.0, dst: ports.1 };
    Tuple { src, dst, protocol: Protocol::TCP, layer4 }
}

/// Flow `n` as a dump reports it: from 10.0.0.n port 1000 to port 80 of the server, with id `n`.
pub(crate) fn flow(n: u8) -> Flow {
    let original = tuple(address(n), server(), (1000, 80));
    let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
    flow.id = Some(FlowId(n.into()));
    flow.zone = Zone(0);
    flow.status = Some(Status::CONFIRMED);
    flow.timeout = Some(60);
    flow.mark = Some(Mark(0));
    flow
}

/// The fields of a flow that never change: id, zone and tuples. A program with a replica knows only these.
pub(crate) fn known(whole: &Flow) -> Flow {
    let mut flow = Flow::new(whole.tuples);
    flow.id = whole.id;
    flow.zone = whole.zone;
    flow
}

pub(crate) fn key_of(n: u8) -> FlowKey {
    flow(n).key()
}

pub(crate) fn event(kind: EventKind, n: u8) -> Event {
    Event { kind, by_us: false, flow: flow(n) }
}

/// A `new` event of flow `n`, without a mark, as from the kernel.
pub(crate) fn new(n: u8) -> Event {
    let mut event = event(EventKind::New, n);
    event.flow.mark = None;
    event
}

pub(crate) fn destroy(n: u8) -> Event {
    event(EventKind::Destroy, n)
}

pub(crate) fn filter(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}

pub(crate) fn networks(list: &[&str]) -> PrefixSet {
    list.iter().map(|text| text.parse::<Prefix>().unwrap()).collect()
}

/// A filter for flows from 10.0.0.n.
pub(crate) fn from(n: u8) -> Filter {
    filter(|f| f.original_src = [Prefix::host(address(n))].into_iter().collect())
}

pub(crate) fn verdict(code: &str, target: Target, action: Action) -> Verdict {
    Verdict { target, action, code: code.into(), reason: String::new() }
}

pub(crate) fn entry(index: u32) -> Target {
    Target::Entry(index)
}

pub(crate) fn key(n: u8) -> Target {
    Target::Key(key_of(n))
}

pub(crate) fn matching(filter: Filter) -> Target {
    Target::Matching(Box::new(Selection { filter, limit: None }))
}

pub(crate) fn delete(code: &str, target: Target) -> Verdict {
    verdict(code, target, Action::Delete)
}

pub(crate) fn kill(code: &str, target: Target) -> Verdict {
    verdict(code, target, Action::Kill)
}

pub(crate) fn masked(value: u32, mask: u32) -> Masked {
    Masked::new(value, mask).unwrap()
}

pub(crate) fn mark(code: &str, target: Target, value: u32, mask: u32) -> Verdict {
    verdict(code, target, Action::Mark(masked(value, mask)))
}

pub(crate) fn labels(code: &str, target: Target, set: u128, clear: u128) -> Verdict {
    verdict(code, target, Action::Labels(LabelChange { set, clear }))
}

pub(crate) fn timeout(code: &str, target: Target, seconds: u32) -> Verdict {
    verdict(code, target, Action::Timeout(seconds))
}

pub(crate) fn protect(code: &str, target: Target, seconds: u32) -> Verdict {
    verdict(code, target, Action::Protect(seconds))
}

pub(crate) fn alert(code: &str, alert_key: &str) -> Verdict {
    let alert = Alert { severity: 4, title: "look".into(), key: alert_key.into(), fields: Vec::new() };
    verdict(code, Target::None, Action::Alert(alert))
}

pub(crate) fn log(code: &str) -> Verdict {
    verdict(code, Target::None, Action::Log(vec![("a".into(), "b".into())]))
}

pub(crate) fn sweep(code: &str, target: Target) -> Verdict {
    verdict(code, target, Action::Sweep)
}

pub(crate) fn block(code: &str, network: &str, seconds: Option<u32>) -> Verdict {
    block_in(code, "banned", network, seconds)
}

pub(crate) fn block_in(code: &str, set: &str, network: &str, seconds: Option<u32>) -> Verdict {
    let block = Block { set: SetName(set.into()), network: network.parse().unwrap(), service: None, seconds };
    verdict(code, Target::None, Action::Block(block))
}

pub(crate) fn unblock(code: &str, network: &str) -> Verdict {
    let unblock = Unblock { set: SetName("banned".into()), network: network.parse().unwrap(), service: None };
    verdict(code, Target::None, Action::Unblock(unblock))
}

/// The default configuration with other bounds.
pub(crate) fn bounded(change: impl FnOnce(&mut EngineBounds)) -> EngineConfig {
    let mut config = EngineConfig::default();
    change(&mut config.bounds);
    config
}

/// A set of that name that has changed.
pub(crate) fn changed(name: &SetName) -> ChangedSet {
    ChangedSet { name: name.clone(), networks: 1, counts: Some(ListCounts { lines: 1, entries: 1, bad: 0 }) }
}
