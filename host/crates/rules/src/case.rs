//! A rule that applies to a flow, and what follows from it.

use std::collections::HashMap;

use ctwarden_net::Prefix;

use crate::counters::Key;
use crate::decision::{Action, Decision};
use crate::flow::{Flow, Kind, Source};
use crate::returns::{self, Memory};
use crate::rule::Rule;
use crate::then::{Block, End};
use crate::threshold::{Measure, Per};

/// Greatest number of keys whose alert or block is remembered.
const REMEMBERED: usize = 57_344;
const SECOND: u64 = 1_000_000_000;
/// For this long, a rule without a window blocks the same network only once.
const ONCE: u64 = 60 * SECOND;

/// A rule that applies to a flow.
pub(crate) struct Case<'c> {
    pub(crate) place: usize,
    pub(crate) index: usize,
    pub(crate) rule: &'c Rule,
    pub(crate) flow: &'c Flow,
    /// Key and number of the threshold.
    pub(crate) reached: Option<(Key, u64)>,
}

/// Until when a rule does not alert, log or block again for a key.
pub(crate) type Acted = HashMap<(usize, Key), u64>;

impl Case<'_> {
    fn decide(&self, action: Action, decisions: &mut Vec<Decision>) {
        decisions.push(Decision { place: self.place, rule: self.index, action, reason: self.reason() });
    }

    /// What is done to the flow itself.
    pub(crate) fn touch_flow(&self, source: &mut impl Source, decisions: &mut Vec<Decision>) {
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
    pub(crate) fn tell(&self, acted: &mut Acted, memory: &mut impl Memory, decisions: &mut Vec<Decision>) {
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
fn is_due(acted: &mut Acted, key: (usize, Key), now: u64, pause: u64) -> bool {
    if acted.get(&key).is_some_and(|until| *until > now) {
        return false;
    }
    // Without room, the rule acts again. The host joins alerts of one key, and `tidy` makes room.
    if acted.len() < REMEMBERED {
        acted.insert(key, now.saturating_add(pause));
    }
    true
}
