//! Applies rules to flows: the state between flows, and what the rules decide.

use std::collections::HashMap;

use ctwarden_net::{Masked, Prefix};

use crate::counters::{Counters, Key};
use crate::flow::{Flow, Kind, Source, Volume};
use crate::returns::{self, Memory};
use crate::rule::Rule;
use crate::rules::Rules;
use crate::then::{Block, End};
use crate::threshold::{Measure, Per, Threshold};
use crate::totals::Totals;

/// Greatest number of keys whose alert or block is remembered.
const REMEMBERED: usize = 57_344;
const SECOND: u64 = 1_000_000_000;
/// For this long, a rule without a window blocks the same network only once.
const ONCE: u64 = 60 * SECOND;

/// What a rule decides about a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index of the rule.
    pub rule: usize,
    /// What is to be done.
    pub action: Action,
    /// Text for people; may be empty.
    pub reason: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the tracking of the flow.
    Delete,
    /// End the connection of the flow.
    Kill,
    /// Change the mark.
    Mark(Masked),
    /// Set and clear label bits.
    Labels {
        /// Bits to set.
        set: u128,
        /// Bits to clear.
        clear: u128,
    },
    /// Let the flow expire in this many seconds.
    Timeout(u32),
    /// Put a network into an nftables set.
    Block {
        /// Name of the set.
        set: String,
        /// The network.
        network: Prefix,
        /// For how long.
        seconds: u32,
    },
    /// Alert people.
    Alert {
        /// The title.
        title: String,
        /// Number of the severity.
        severity: u8,
        /// Alerts with the same key are one alert.
        key: String,
        /// Names and values.
        fields: Vec<(String, String)>,
    },
    /// Write a record.
    Log(Vec<(String, String)>),
}

/// Rules at work.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    totals: Totals,
    /// Whether any rule counts bytes or packets.
    volumes: bool,
    /// Until when a rule does not alert, log or block again for a key.
    acted: HashMap<(usize, Key), u64>,
    /// Flows that could not be counted, and why the last of them could not.
    uncounted: (u64, String),
}

/// What the judge may use: the values of a flow, counters and memory.
pub struct Tools<'t, S, C, M> {
    /// Values of the flow.
    pub source: &'t mut S,
    /// Counters.
    pub counters: &'t mut C,
    /// Memory.
    pub memory: &'t mut M,
}

impl Judge {
    /// Puts rules to work.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let volume = |rule: &Rule| {
            rule.threshold().is_some_and(|threshold| matches!(threshold.measure, Measure::Bytes | Measure::Packets))
        };
        let volumes = rules.rules().iter().any(volume);
        Self { rules, totals: Totals::default(), volumes, acted: HashMap::new(), uncounted: (0, String::new()) }
    }

    /// Returns the rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Judges a flow and adds what the rules decide.
    pub fn judge<S: Source, C: Counters, M: Memory>(
        &mut self,
        flow: &Flow,
        tools: &mut Tools<'_, S, C, M>,
        decisions: &mut Vec<Decision>,
    ) {
        let volume = if self.volumes { self.totals.since_last(flow) } else { None };
        for (index, rule) in self.rules.rules().iter().enumerate() {
            if !rule.kinds().contains(&flow.kind) || rule.holds(flow, tools.source) != Some(true) {
                continue;
            }
            let reached = match rule.threshold() {
                None => None,
                Some(threshold) => match count(threshold, rule.counter(), flow, volume, tools.counters) {
                    Ok(Some(reached)) => Some(reached),
                    Ok(None) => continue,
                    Err(why) => {
                        self.uncounted = (self.uncounted.0.saturating_add(1), why);
                        continue;
                    }
                },
            };
            let case = Case { index, rule, flow, reached };
            case.touch_flow(tools.source, decisions);
            case.tell(&mut self.acted, tools.memory, decisions);
        }
    }

    /// A sweep of every flow begins.
    pub const fn sweep_begins(&mut self) {
        self.totals.sweep_begins();
    }

    /// A sweep of every flow ended. It was complete.
    pub fn sweep_ends(&mut self) {
        self.totals.sweep_ends();
    }

    /// Forgets what is old.
    pub fn tidy(&mut self, now: u64, memory: &mut impl Memory) {
        self.acted.retain(|_, until| *until > now);
        if self.rules.rules().iter().any(|rule| rule.then().block.is_some()) {
            returns::purge(now, memory);
        }
    }

    /// Returns how many flows were not counted since the last call, and why the last of them was not.
    pub fn uncounted(&mut self) -> Option<(u64, String)> {
        let uncounted = std::mem::take(&mut self.uncounted);
        (uncounted.0 > 0).then_some(uncounted)
    }
}

/// Adds the flow to its counter. Returns key and number if the threshold is reached.
fn count(
    threshold: &Threshold,
    counter: usize,
    flow: &Flow,
    volume: Option<Volume>,
    counters: &mut impl Counters,
) -> Result<Option<(Key, u64)>, String> {
    let key = threshold.per.key(flow);
    let value = match threshold.measure {
        Measure::Count => counters.add(counter, key, 1, flow.now)?,
        Measure::Bytes | Measure::Packets => {
            let Some(volume) = volume else { return Ok(None) };
            let amount = if threshold.measure == Measure::Bytes { volume.bytes } else { volume.packets };
            counters.add(counter, key, amount, flow.now)?
        }
        Measure::Distinct(of) => match of.value(flow) {
            Some(value) => counters.add_distinct(counter, key, value, flow.now)?,
            None => return Ok(None),
        },
    };
    Ok((value >= threshold.least).then_some((key, value)))
}

/// A rule that applies to a flow.
struct Case<'c> {
    index: usize,
    rule: &'c Rule,
    flow: &'c Flow,
    reached: Option<(Key, u64)>,
}

impl Case<'_> {
    fn decide(&self, action: Action, decisions: &mut Vec<Decision>) {
        decisions.push(Decision { rule: self.index, action, reason: self.reason() });
    }

    /// What is done to the flow itself.
    fn touch_flow(&self, source: &mut impl Source, decisions: &mut Vec<Decision>) {
        let then = self.rule.then();
        if self.flow.kind == Kind::Destroy || !then.touches_flow() {
            return;
        }
        if then.delete {
            self.decide(Action::Delete, decisions);
        }
        if then.kill {
            self.decide(Action::Kill, decisions);
        }
        // The kernel leaves out a mark of 0 that nobody has set, so an absent mark is 0.
        if let Some(mark) = then.mark.filter(|mark| !mark.matches(self.flow.mark.unwrap_or(0))) {
            self.decide(Action::Mark(mark), decisions);
        }
        if let Some((set, clear)) = then.labels {
            let present = source.labels().unwrap_or(0);
            let (set, clear) = (set & !present, clear & present);
            if set | clear != 0 {
                self.decide(Action::Labels { set, clear }, decisions);
            }
        }
        if let Some(seconds) = then.timeout.filter(|seconds| self.flow.timeout.is_none_or(|left| left > *seconds)) {
            self.decide(Action::Timeout(seconds), decisions);
        }
    }

    /// What is done once for a key: alert, log and block.
    fn tell(&self, acted: &mut HashMap<(usize, Key), u64>, memory: &mut impl Memory, decisions: &mut Vec<Decision>) {
        let then = self.rule.then();
        let now = self.flow.now;
        let window = self.rule.threshold().map(|threshold| u64::from(threshold.counter.window).saturating_mul(SECOND));
        let again = match (window, self.reached) {
            (Some(window), Some((key, _))) => is_due(acted, (self.index, key), now, window),
            _ => true,
        };
        if !again {
            return;
        }
        if let Some(block) = &then.block {
            let network = self.network(block);
            let due = window.is_some() || is_due(acted, (self.index, Key::Network(network)), now, ONCE);
            if due && let Some(seconds) = returns::seconds(block, self.rule.name(), network, now, memory) {
                self.decide(Action::Block { set: block.set.clone(), network, seconds }, decisions);
            }
        }
        if let Some(alert) = &then.alert {
            let key = self.reached.map(|(key, _)| key.to_string());
            let reached = key.as_deref().zip(self.reached.map(|(_, value)| value));
            let title = alert.title.fill(self.rule.name(), self.flow, reached);
            let about = key.clone().unwrap_or_else(|| self.flow.original.src.to_string());
            let key = format!("{} {about}", self.rule.name());
            self.decide(Action::Alert { title, severity: alert.severity, key, fields: self.fields() }, decisions);
        }
        if then.log {
            self.decide(Action::Log(self.fields()), decisions);
        }
    }

    /// The network to block: the network of the counter if it is that of the same end, or else the address.
    fn network(&self, block: &Block) -> Prefix {
        let ends = &self.flow.original;
        let address = if block.end == End::Source { ends.src } else { ends.dst };
        match (self.rule.threshold().map(|threshold| threshold.per), self.reached) {
            (Some(Per::Network { .. }), Some((Key::Network(network), _))) if network.contains(address) => network,
            _ => Prefix::host(address),
        }
    }

    fn reason(&self) -> String {
        let (Some(threshold), Some((key, value))) = (self.rule.threshold(), self.reached) else { return String::new() };
        let what = match threshold.measure {
            Measure::Count => "new flows",
            Measure::Bytes => "bytes",
            Measure::Packets => "packets",
            Measure::Distinct(_) => "different values",
        };
        format!("{key}: {value} {what} within {} s", threshold.counter.window)
    }

    fn fields(&self) -> Vec<(String, String)> {
        let (flow, ends) = (self.flow, &self.flow.original);
        let mut fields = vec![("src".to_owned(), ends.src.to_string()), ("dst".to_owned(), ends.dst.to_string())];
        let mut add = |name: &str, value: Option<String>| fields.extend(value.map(|value| (name.to_owned(), value)));
        add("protocol", Some(flow.protocol.to_string()));
        if flow.protocol.has_ports() {
            add("src-port", Some(ends.src_port.to_string()));
            add("dst-port", Some(ends.dst_port.to_string()));
        }
        add("bytes", flow.volume().map(|volume| volume.bytes.to_string()));
        add("packets", flow.volume().map(|volume| volume.packets.to_string()));
        add("started", flow.started.map(|time| (time / SECOND).to_string()));
        add("stopped", flow.stopped.map(|time| (time / SECOND).to_string()));
        if let Some((key, value)) = self.reached {
            add("key", Some(key.to_string()));
            add("value", Some(value.to_string()));
        }
        fields
    }
}

/// Whether a rule has not acted for the key for this long. If so, it acts now.
fn is_due(acted: &mut HashMap<(usize, Key), u64>, key: (usize, Key), now: u64, pause: u64) -> bool {
    if acted.get(&key).is_some_and(|until| *until > now) {
        return false;
    }
    // Without room, the rule acts again. The host joins alerts of one key, and `tidy` makes room.
    if acted.len() < REMEMBERED {
        acted.insert(key, now.saturating_add(pause));
    }
    true
}
