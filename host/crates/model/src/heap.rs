//! Memory that a value holds outside itself, so that queues can be bounded in bytes.
//!
//! Strings and lists count with their allocated capacity. Networks count with an estimate that is never far too low,
//! because the exact figure would need a walk. Values that share the networks of a named set do not count them.

use alloc::vec::Vec;

use crate::{
    Action, Alert, Fault, Fields, Filter, Flaw, Notice, PartValue, Prefix, PrefixSet, Record, Selection, Target,
    Verdict,
};

/// The two reference counts of an `Arc`, in front of the shared list.
const SHARED_BYTES: usize = 16;

fn list<T>(list: &Vec<T>) -> usize {
    list.capacity().saturating_mul(size_of::<T>())
}

fn sum<const N: usize>(parts: [usize; N]) -> usize {
    parts.into_iter().fold(0, usize::saturating_add)
}

fn fields(fields: &Fields) -> usize {
    fields
        .iter()
        .map(|(name, value)| name.capacity().saturating_add(value.capacity()))
        .fold(list(fields), usize::saturating_add)
}

/// Bytes of a list that copies of a filter share. Each copy counts the whole list.
fn shared<T>(values: &[T]) -> usize {
    if values.is_empty() { 0 } else { size_of_val(values).saturating_add(SHARED_BYTES) }
}

fn networks(networks: &PrefixSet) -> usize {
    match networks.len() {
        0 => 0,
        count => count.saturating_mul(size_of::<Prefix>()).saturating_add(SHARED_BYTES),
    }
}

impl Filter {
    /// Bytes that the filter has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let rare = self.rare.as_deref().map_or(0, size_of_val);
        self.parts().map(|(_, value)| value.heap_bytes()).fold(rare, usize::saturating_add)
    }
}

impl PartValue<'_> {
    fn heap_bytes(self) -> usize {
        match self {
            Self::Protocols(values) => shared(values),
            Self::Zones(values) => shared(values),
            Self::States(values) => shared(values),
            Self::Ports(ranges) => shared(ranges),
            Self::Networks(prefixes) => networks(prefixes),
            Self::Sets(sets) => sets.iter().map(|set| set.name.0.capacity()).fold(list(sets), usize::saturating_add),
            Self::Family(_)
            | Self::Bits(_)
            | Self::Seconds(_)
            | Self::Labels(_)
            | Self::Nothing
            | Self::Id(_)
            | Self::Zone(_)
            | Self::MaskedAddress(_)
            | Self::Icmp(_)
            | Self::Nat(_) => 0,
        }
    }
}

impl Verdict {
    /// Bytes that the verdict has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let target = match &self.target {
            Target::Matching(selection) => size_of::<Selection>().saturating_add(selection.filter.heap_bytes()),
            Target::Entry(_) | Target::Key(_) | Target::None => 0,
        };
        sum([target, self.action.heap_bytes(), self.code.capacity(), self.reason.capacity()])
    }
}

impl Action {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Alert(Alert { severity: _, title, key, fields: given }) => {
                sum([title.capacity(), key.capacity(), fields(given)])
            }
            Self::Log(given) => fields(given),
            Self::Block(block) => block.set.0.capacity(),
            Self::Unblock(unblock) => unblock.set.0.capacity(),
            Self::Malformed(_, Flaw::Set(why)) => why.capacity(),
            Self::Malformed(_, Flaw::Value(_))
            | Self::Delete
            | Self::Kill
            | Self::Mark(_)
            | Self::Labels(_)
            | Self::Timeout(_)
            | Self::Protect(_)
            | Self::Sweep => 0,
        }
    }
}

impl Record {
    /// Bytes that the record holds, including the value itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let beside = match self {
            Self::Verdict(record) => sum([
                size_of_val(&**record),
                record.verdict.heap_bytes(),
                record.tally.as_deref().map_or(0, size_of_val),
            ]),
            Self::Fault(record) => size_of_val(&**record).saturating_add(match &record.fault {
                Fault::Trap(text) | Fault::Panic(text) | Fault::Configuration(text) => text.capacity(),
                Fault::OutOfTime { .. }
                | Fault::Stuck { .. }
                | Fault::OutOfMemory { .. }
                | Fault::TooMuch { .. }
                | Fault::Exited(_) => 0,
            }),
            Self::Notice(_, notice) => size_of_val(&**notice).saturating_add(match &**notice {
                Notice::ReloadFailed(text) => text.capacity(),
                Notice::Warned { about, text } => about.capacity().saturating_add(text.capacity()),
                Notice::WarningOver(about) => about.capacity(),
                Notice::SetChanged(set) => set.name.0.capacity(),
                Notice::SetLinesSkipped(set, why) => set.name.0.capacity().saturating_add(why.capacity()),
                Notice::SetRefused { set, text, counts: _ } => set.0.capacity().saturating_add(text.capacity()),
                Notice::ClaimsChanged(change) => size_of_val(&**change)
                    .saturating_add(size_of_val(&*change.members))
                    .saturating_add(change.set.0.capacity())
                    .saturating_add(change.source.capacity())
                    .saturating_add(change.reason.capacity()),
                Notice::FirewallRepaired(text) => text.capacity(),
                Notice::RecordsFolded(_, counts) => size_of_val(&**counts),
                Notice::ComesBack { blocked, .. } => blocked.as_ref().map_or(0, |(set, _)| set.0.capacity()),
                Notice::Overrun
                | Notice::Swept { .. }
                | Notice::Restarted(_)
                | Notice::BreakerOpened(..)
                | Notice::BreakerClosed(_)
                | Notice::Paused(..)
                | Notice::Resumed(_)
                | Notice::ModeChanged(..)
                | Notice::Missed(..)
                | Notice::Reloaded
                | Notice::Started
                | Notice::Stopping => 0,
            }),
        };
        size_of::<Self>().saturating_add(beside)
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::string::String;
    use core::time::Duration;

    use super::*;
    use crate::{Mode, Outcome, PluginName, PortRange, Timestamp, VerdictRecord};

    fn record(verdict: Verdict) -> Record {
        Record::Verdict(Box::new(VerdictRecord {
            at: Timestamp(0),
            plugin: PluginName::new("p").unwrap(),
            mode: Mode::Observe,
            verdict,
            flow: None,
            outcome: Outcome::NotGranted,
            tally: None,
            took: Duration::ZERO,
        }))
    }

    fn verdict(target: Target, action: Action, reason: usize) -> Verdict {
        Verdict { target, action, code: String::new(), reason: "x".repeat(reason) }
    }

    #[test]
    fn whatever_a_plugin_can_make_long_is_counted() {
        let plain = record(verdict(Target::None, Action::Sweep, 0)).bytes();
        assert!(plain >= size_of::<VerdictRecord>());
        let long = 100_000;
        let text = || "x".repeat(long);
        let ports: Vec<PortRange> = (0..50_000).step_by(2).map(|port| PortRange { first: port, last: port }).collect();
        let hosts = (0..10_000_u32).map(|n| Prefix::host(core::net::Ipv4Addr::from_bits(n).into())).collect();
        let alert = |title, key| Alert { severity: 4, title, key, fields: Vec::new() };
        let matching = |filter| Target::Matching(Box::new(Selection { filter, limit: None }));
        for (what, verdict) in [
            ("reason", verdict(Target::None, Action::Sweep, long)),
            ("title", verdict(Target::None, Action::Alert(alert(text(), String::new())), 0)),
            ("key", verdict(Target::None, Action::Alert(alert(String::new(), text())), 0)),
            ("field", verdict(Target::None, Action::Log([(text(), String::new())].into()), 0)),
            ("fields", verdict(Target::None, Action::Log(alloc::vec![(String::new(), String::new()); long]), 0)),
            ("flaw", verdict(Target::None, Action::Malformed(crate::VerdictKind::Delete, Flaw::Set(text())), 0)),
            ("ports", verdict(matching(Filter { src_ports: ports.into(), ..Filter::default() }), Action::Delete, 0)),
            ("networks", verdict(matching(Filter { either: hosts, ..Filter::default() }), Action::Delete, 0)),
        ] {
            assert!(record(verdict).bytes() >= plain + long, "{what}");
        }
    }
}
