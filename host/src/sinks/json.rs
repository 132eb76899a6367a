//! The one place that turns a record into its JSON line.
//!
//! Names are stable: a name never gets another meaning, and readers skip names that they do not know. A key is left
//! out, never null, if its value is unknown or does not apply. Every line has
//!
//! | key | value |
//! |---|---|
//! | `time` | RFC 3339 in UTC with nanoseconds, always 30 characters |
//! | `record` | `verdict`, `fault`, `notice` or `flow` |
//!
//! A **verdict** has `plugin`, `mode` (`observe`, `enforce`), `action` (delete, mark, labels, timeout, alert, log,
//! block, unblock, protect, sweep), `outcome` (applied, gone, replaced, refused, over-budget, not-granted, protected,
//! observed, superseded), `code`, `reason`, `took_us` (microseconds from the verdict to its outcome). If they apply, it
//! also has: `flow` (`id`, `zone`, `protocol` as a name or else its number, both as a string, `src`, `dst`, then
//! `src_port` and `dst_port`, or `icmp_type`, `icmp_code` and `icmp_id`, or `src_key` and `dst_key`), `selection` (the
//! `filter`, in the words of the configuration with `sets` by name, and the `limit`), `tally` (flows by outcome),
//! `refusal` and `errno`. The key of the action's own value is one of: `mark` (`value`, `mask`), `labels` (`set`,
//! `clear`: bit numbers), `timeout_seconds`, `alert` (`severity` 0 to 7, `title`, `key`, `fields`), `fields` of a log,
//! `block` and `unblock` (`set`, `network`, `seconds`), `protect_seconds`. In `fields`, a name that was given twice has
//! a list.
//!
//! A **flow** goes only to clients that follow flows. It has `event` (new, ended), `flow`, `reply` (the other direction,
//! without `id` and `zone`, if it is known) and `mark`, and at its end `packets` and `bytes` of both directions if the
//! kernel counts them.
//!
//! A **fault** has `plugin`, `fault` (trap, panic, out-of-time, stuck, out-of-memory, too-much, exited, configuration),
//! `text`, `entries` (of the void call), `restart_ms` (left out if the daemon ends instead) and `quarantined`.
//!
//! A **notice** has `notice` (overrun, swept, restarted, breaker-opened, breaker-closed, paused, resumed,
//! mode-changed, missed, records-folded, comes-back, set-changed, set-lines-skipped, set-refused, claims-changed,
//! firewall-repaired, reloaded, reload-failed, warned, warning-over, started, stopping, records-lost). If they apply, it
//! also has `plugin`, `mode`, `set`, `rows`, `complete`, `took_us`, `seconds`, `entries`, `text`, `lost` and, for folded
//! records, `verdicts` (kind to outcome to count). A paused plugin without `seconds` is paused until it is resumed. A
//! changed set has `networks`, and `lines`, `entries` and `skipped` of the list that was read last. A refused set has
//! `lines` and `wrong` if the list could be read. Changed claims have `set`, `source`, `change` (added, removed, ended,
//! evicted), `members` (the first 32), `count` (of all members), and if they apply `until` (RFC 3339) and `reason`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ctwarden_control::plain_json;
use ctwarden_model::{
    Action, ChangedSet, Family, FaultRecord, Fields, Filter, Flow, FlowKey, FoldedCount, LabelChange, Layer4, Masked,
    MaskedAddress, Notice, Outcome, PartValue, PortRange, PrefixSet, Record, Refusal, Selection, Tally, Target,
    Timestamp, Tuple, VerdictRecord,
};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::rfc3339::Rfc3339;

/// Longest list of a filter in a record. A longer list is cut, and the record has the number of omitted values.
const LIST_MAX: usize = 32;

/// The record as one line, without the line's end.
///
/// # Errors
/// None in practice: every key is a string and every value is finite.
pub(crate) fn line(record: &Record) -> serde_json::Result<String> {
    plain_json::to_string(&RecordJson(record))
}

/// The line that replaces missing records, so that no reader takes a loss for silence.
///
/// # Errors
/// As [`line()`].
pub(crate) fn lost_line(at: Timestamp, lost: u64) -> serde_json::Result<String> {
    plain_json::to_string(&LostJson { at, lost })
}

/// The line of a flow that begins or ends, for clients that follow flows. `flow` is the entry, if it was read in full.
///
/// # Errors
/// As [`line()`].
pub(crate) fn flow_line(
    at: Timestamp,
    event: &'static str,
    key: &FlowKey,
    flow: Option<&Flow>,
) -> serde_json::Result<String> {
    plain_json::to_string(&FlowNewsJson { at, event, key, flow })
}

/// A filter as records have it: its parts by name.
pub(crate) fn filter_in_words(filter: &Filter) -> String {
    plain_json::to_string(&FilterJson(filter)).unwrap_or_default()
}

struct FlowNewsJson<'a> {
    at: Timestamp,
    event: &'static str,
    key: &'a FlowKey,
    flow: Option<&'a Flow>,
}

impl Serialize for FlowNewsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        begin(&mut map, self.at, "flow")?;
        map.serialize_entry("event", self.event)?;
        map.serialize_entry("flow", &FlowJson(self.key))?;
        if let Some(flow) = self.flow {
            map.serialize_entry("reply", &TupleJson(&flow.tuples.reply))?;
            if let Some(mark) = flow.mark {
                map.serialize_entry("mark", &mark.0)?;
            }
            if let (Some(original), Some(reply)) = (flow.counters.original, flow.counters.reply) {
                map.serialize_entry("packets", &original.packets.saturating_add(reply.packets))?;
                map.serialize_entry("bytes", &original.bytes.saturating_add(reply.bytes))?;
            }
        }
        map.end()
    }
}

struct TupleJson<'a>(&'a Tuple);

impl Serialize for TupleJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        tuple(&mut map, self.0)?;
        map.end()
    }
}

struct RecordJson<'a>(&'a Record);

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Record::Verdict(record) => verdict(&mut map, record)?,
            Record::Fault(record) => fault(&mut map, record)?,
            Record::Notice(at, record) => notice(&mut map, *at, record)?,
        }
        map.end()
    }
}

struct LostJson {
    at: Timestamp,
    lost: u64,
}

impl Serialize for LostJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        begin(&mut map, self.at, "notice")?;
        map.serialize_entry("notice", "records-lost")?;
        map.serialize_entry("lost", &self.lost)?;
        map.end()
    }
}

fn begin<M: SerializeMap>(map: &mut M, at: Timestamp, record: &str) -> Result<(), M::Error> {
    map.serialize_entry("time", &format_args!("{}", Rfc3339(at)))?;
    map.serialize_entry("record", record)
}

fn verdict<M: SerializeMap>(map: &mut M, record: &VerdictRecord) -> Result<(), M::Error> {
    begin(map, record.at, "verdict")?;
    map.serialize_entry("plugin", record.plugin.as_str())?;
    map.serialize_entry("mode", record.mode.name())?;
    map.serialize_entry("action", record.verdict.action.kind().name())?;
    map.serialize_entry("outcome", record.outcome.name())?;
    if let Outcome::Refused(refusal) = record.outcome {
        map.serialize_entry("refusal", &record.refusal())?;
        if let Refusal::Kernel(errno) = refusal {
            map.serialize_entry("errno", &errno)?;
        }
    }
    map.serialize_entry("code", &record.verdict.code)?;
    map.serialize_entry("reason", &record.verdict.reason)?;
    if let Some(flow) = &record.flow {
        map.serialize_entry("flow", &FlowJson(flow))?;
    }
    if let Target::Matching(selection) = &record.verdict.target {
        map.serialize_entry("selection", &SelectionJson(selection))?;
    }
    action(map, &record.verdict.action)?;
    if let Some(tally) = &record.tally {
        map.serialize_entry("tally", &TallyJson(tally))?;
    }
    map.serialize_entry("took_us", &micros(record.took))
}

fn action<M: SerializeMap>(map: &mut M, action: &Action) -> Result<(), M::Error> {
    match action {
        // The refusal says what was wrong.
        Action::Delete | Action::Kill | Action::Sweep | Action::Malformed(..) => Ok(()),
        Action::Mark(mark) => map.serialize_entry("mark", &MaskedJson(*mark)),
        Action::Labels(change) => map.serialize_entry("labels", &LabelsJson(*change)),
        Action::Timeout(seconds) => map.serialize_entry("timeout_seconds", seconds),
        Action::Alert(alert) => {
            let alert = AlertJson {
                severity: alert.severity,
                title: &alert.title,
                key: &alert.key,
                fields: FieldsJson(&alert.fields),
            };
            map.serialize_entry("alert", &alert)
        }
        Action::Log(fields) => map.serialize_entry("fields", &FieldsJson(fields)),
        Action::Block(block) => {
            let block = BlockJson { set: &block.set.0, network: block.network.to_string(), seconds: block.seconds };
            map.serialize_entry("block", &block)
        }
        Action::Unblock(unblock) => {
            let unblock = BlockJson { set: &unblock.set.0, network: unblock.network.to_string(), seconds: None };
            map.serialize_entry("unblock", &unblock)
        }
        Action::Protect(seconds) => map.serialize_entry("protect_seconds", seconds),
    }
}

fn fault<M: SerializeMap>(map: &mut M, record: &FaultRecord) -> Result<(), M::Error> {
    begin(map, record.at, "fault")?;
    map.serialize_entry("plugin", record.plugin.as_str())?;
    map.serialize_entry("fault", record.fault.name())?;
    map.serialize_entry("text", &format_args!("{}", record.fault))?;
    map.serialize_entry("entries", &record.entries)?;
    if let Ok(milliseconds) = u64::try_from(record.restart_in.as_millis())
        && record.restart_in != Duration::MAX
    {
        map.serialize_entry("restart_ms", &milliseconds)?;
    }
    map.serialize_entry("quarantined", &record.quarantined)
}

fn notice<M: SerializeMap>(map: &mut M, at: Timestamp, notice: &Notice) -> Result<(), M::Error> {
    begin(map, at, "notice")?;
    map.serialize_entry("notice", notice_name(notice))?;
    match notice {
        Notice::Overrun | Notice::Reloaded | Notice::Started | Notice::Stopping => Ok(()),
        Notice::Swept { rows, complete, took } => {
            map.serialize_entry("rows", rows)?;
            map.serialize_entry("complete", complete)?;
            map.serialize_entry("took_us", &micros(*took))
        }
        Notice::Restarted(plugin) | Notice::BreakerClosed(plugin) | Notice::Resumed(plugin) => {
            map.serialize_entry("plugin", plugin.as_str())
        }
        Notice::Paused(plugin, length) => {
            map.serialize_entry("plugin", plugin.as_str())?;
            length.iter().try_for_each(|length| map.serialize_entry("seconds", &length.as_secs()))
        }
        Notice::ModeChanged(plugin, mode) => {
            map.serialize_entry("plugin", plugin.as_str())?;
            map.serialize_entry("mode", mode.name())
        }
        Notice::BreakerOpened(plugin, rest) => {
            map.serialize_entry("plugin", plugin.as_str())?;
            map.serialize_entry("seconds", &rest.as_secs())
        }
        Notice::Missed(plugin, entries) => {
            map.serialize_entry("plugin", plugin.as_str())?;
            map.serialize_entry("entries", entries)
        }
        Notice::RecordsFolded(plugin, counts) => {
            map.serialize_entry("plugin", plugin.as_str())?;
            map.serialize_entry("verdicts", &FoldedJson(counts))
        }
        Notice::ComesBack { plugin, flow, times, blocked } => {
            map.serialize_entry("plugin", plugin.as_str())?;
            map.serialize_entry("flow", &FlowJson(flow))?;
            map.serialize_entry("times", times)?;
            if let Some((set, network)) = blocked {
                let block = BlockJson { set: &set.0, network: network.to_string(), seconds: None };
                map.serialize_entry("block", &block)?;
            }
            Ok(())
        }
        Notice::SetChanged(set) => changed_set(map, set),
        Notice::SetLinesSkipped(set, text) => {
            changed_set(map, set)?;
            map.serialize_entry("text", text)
        }
        Notice::ClaimsChanged(change) => {
            map.serialize_entry("set", &change.set.0)?;
            map.serialize_entry("source", &change.source)?;
            map.serialize_entry("change", change.what.name())?;
            let members: Vec<String> = change.members.iter().map(ToString::to_string).collect();
            map.serialize_entry("members", &members)?;
            map.serialize_entry("count", &change.count)?;
            if let Some(until) = change.until {
                map.serialize_entry("until", &format_args!("{}", Rfc3339(until)))?;
            }
            if !change.reason.is_empty() {
                map.serialize_entry("reason", &change.reason)?;
            }
            Ok(())
        }
        Notice::FirewallRepaired(text) => map.serialize_entry("text", text),
        Notice::SetRefused { set, counts, text } => {
            map.serialize_entry("set", &set.0)?;
            if let Some(counts) = counts {
                map.serialize_entry("lines", &counts.lines)?;
                map.serialize_entry("wrong", &counts.bad)?;
            }
            map.serialize_entry("text", text)
        }
        Notice::ReloadFailed(text) => map.serialize_entry("text", text),
        Notice::Warned { about, text } => {
            map.serialize_entry("about", about)?;
            map.serialize_entry("text", text)
        }
        Notice::WarningOver(about) => map.serialize_entry("about", about),
    }
}

fn changed_set<M: SerializeMap>(map: &mut M, set: &ChangedSet) -> Result<(), M::Error> {
    map.serialize_entry("set", &set.name.0)?;
    map.serialize_entry("networks", &set.networks)?;
    let Some(counts) = &set.counts else { return Ok(()) };
    map.serialize_entry("lines", &counts.lines)?;
    map.serialize_entry("entries", &counts.entries)?;
    map.serialize_entry("skipped", &counts.bad)
}

/// Name of a notice, as the line has it.
pub(super) const fn notice_name(notice: &Notice) -> &'static str {
    match notice {
        Notice::Overrun => "overrun",
        Notice::Swept { .. } => "swept",
        Notice::Restarted(_) => "restarted",
        Notice::BreakerOpened(..) => "breaker-opened",
        Notice::BreakerClosed(_) => "breaker-closed",
        Notice::Paused(..) => "paused",
        Notice::Resumed(_) => "resumed",
        Notice::ModeChanged(..) => "mode-changed",
        Notice::Missed(..) => "missed",
        Notice::RecordsFolded(..) => "records-folded",
        Notice::ComesBack { .. } => "comes-back",
        Notice::SetChanged(_) => "set-changed",
        Notice::SetLinesSkipped(..) => "set-lines-skipped",
        Notice::SetRefused { .. } => "set-refused",
        Notice::ClaimsChanged(_) => "claims-changed",
        Notice::FirewallRepaired(_) => "firewall-repaired",
        Notice::Reloaded => "reloaded",
        Notice::ReloadFailed(_) => "reload-failed",
        Notice::Warned { .. } => "warned",
        Notice::WarningOver(_) => "warning-over",
        Notice::Started => "started",
        Notice::Stopping => "stopping",
    }
}

/// Kinds of verdicts, and in each the counts by outcome.
struct FoldedJson<'a>(&'a [FoldedCount]);

impl Serialize for FoldedJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut kinds: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for folded in self.0 {
            kinds.entry(folded.kind.name()).or_default().insert(folded.outcome, folded.count);
        }
        kinds.serialize(serializer)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

struct FlowJson<'a>(&'a FlowKey);

impl Serialize for FlowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.0.id.0)?;
        map.serialize_entry("zone", &self.0.zone.0)?;
        tuple(&mut map, &self.0.original)?;
        map.end()
    }
}

fn tuple<M: SerializeMap>(map: &mut M, tuple: &Tuple) -> Result<(), M::Error> {
    map.serialize_entry("protocol", &format_args!("{}", tuple.protocol))?;
    address(map, "src", tuple.src)?;
    address(map, "dst", tuple.dst)?;
    match tuple.layer4 {
        Layer4::None => Ok(()),
        Layer4::Ports { src, dst } => {
            map.serialize_entry("src_port", &src)?;
            map.serialize_entry("dst_port", &dst)
        }
        Layer4::Icmp { id, kind, code } => {
            map.serialize_entry("icmp_type", &kind)?;
            map.serialize_entry("icmp_code", &code)?;
            map.serialize_entry("icmp_id", &id)
        }
        Layer4::Keys { src, dst } => {
            map.serialize_entry("src_key", &src)?;
            map.serialize_entry("dst_key", &dst)
        }
    }
}

fn address<M: SerializeMap>(map: &mut M, name: &str, address: IpAddr) -> Result<(), M::Error> {
    map.serialize_entry(name, &format_args!("{address}"))
}

struct MaskedJson(Masked);

impl Serialize for MaskedJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("value", &self.0.value())?;
        map.serialize_entry("mask", &self.0.mask())?;
        map.end()
    }
}

struct LabelsJson(LabelChange);

impl Serialize for LabelsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("set", &bits(self.0.set))?;
        map.serialize_entry("clear", &bits(self.0.clear))?;
        map.end()
    }
}

fn bits(mask: u128) -> Vec<u8> {
    (0..128).filter(|bit| mask >> bit & 1 == 1).collect()
}

#[derive(serde::Serialize)]
struct AlertJson<'a> {
    severity: u8,
    title: &'a str,
    key: &'a str,
    fields: FieldsJson<'a>,
}

#[derive(serde::Serialize)]
struct BlockJson<'a> {
    set: &'a str,
    network: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
}

/// An object in the order of first mention. A repeated name has a list, so no value is lost.
struct FieldsJson<'a>(&'a Fields);

impl Serialize for FieldsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
        for (place, (name, value)) in self.0.iter().enumerate() {
            names.entry(name).or_insert_with(|| (place, Vec::new())).1.push(value);
        }
        let mut names: Vec<_> = names.into_iter().map(|(name, (place, values))| (place, name, values)).collect();
        names.sort_unstable_by_key(|(place, ..)| *place);
        let mut map = serializer.serialize_map(None)?;
        for (_, name, values) in names {
            match values.as_slice() {
                [value] => map.serialize_entry(name, value)?,
                again => map.serialize_entry(name, again)?,
            }
        }
        map.end()
    }
}

struct TallyJson<'a>(&'a Tally);

impl Serialize for TallyJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tally { matched, applied, gone, replaced, refused, over_budget, protected, observed, superseded } = *self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("matched", &matched)?;
        for (name, flows) in [
            ("applied", applied),
            ("gone", gone),
            ("replaced", replaced),
            ("refused", refused),
            ("over-budget", over_budget),
            ("protected", protected),
            ("observed", observed),
            ("superseded", superseded),
        ] {
            if flows != 0 {
                map.serialize_entry(name, &flows)?;
            }
        }
        map.end()
    }
}

struct SelectionJson<'a>(&'a Selection);

impl Serialize for SelectionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("filter", &FilterJson(&self.0.filter))?;
        if let Some(limit) = self.0.limit {
            map.serialize_entry("limit", &limit)?;
        }
        map.end()
    }
}

struct FilterJson<'a>(&'a Filter);

impl Serialize for FilterJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (part, value) in self.0.parts() {
            let mut name = part.name().replace('-', "_");
            if matches!(value, PartValue::Seconds(_)) {
                name.push_str("_seconds");
            }
            map.serialize_entry(&name, &PartJson(value))?;
        }
        map.end()
    }
}

struct PartJson<'a>(PartValue<'a>);

impl Serialize for PartJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PartValue::Family(Family::Ipv4) => "ipv4".serialize(serializer),
            PartValue::Family(Family::Ipv6) => "ipv6".serialize(serializer),
            PartValue::Protocols(protocols) => ListJson(protocols, ToString::to_string).serialize(serializer),
            PartValue::Zones(zones) => ListJson(zones, |zone| zone.0).serialize(serializer),
            PartValue::Networks(networks) => NetworksJson(networks).serialize(serializer),
            PartValue::Sets(sets) => ListJson(sets, |set| set.name.0.clone()).serialize(serializer),
            PartValue::Ports(ranges) => ListJson(ranges, PortRange::to_string).serialize(serializer),
            PartValue::States(states) => ListJson(states, |state: &u8| *state).serialize(serializer),
            PartValue::Bits(masked) => MaskedJson(masked).serialize(serializer),
            PartValue::Seconds(range) => format_args!("{}-{}", range.first, range.last).serialize(serializer),
            PartValue::Labels(labels) => bits(labels).serialize(serializer),
            PartValue::Nothing => true.serialize(serializer),
            PartValue::Id(id) => id.0.serialize(serializer),
            PartValue::Zone(zone) => zone.0.serialize(serializer),
            PartValue::MaskedAddress(MaskedAddress { address, mask }) => {
                format_args!("{address}/{mask}").serialize(serializer)
            }
            // No plugin can ask for these two. A change that lets plugins do so must define their form here.
            PartValue::Icmp(_) | PartValue::Nat(_) => serializer.serialize_unit(),
        }
    }
}

struct NetworksJson<'a>(&'a PrefixSet);

impl Serialize for NetworksJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for network in self.0.iter().take(LIST_MAX) {
            list.serialize_element(&format_args!("{network}"))?;
        }
        end_list(list, self.0.len())
    }
}

/// The values of a list in some form.
struct ListJson<'a, T, V>(&'a [T], fn(&T) -> V);

impl<T, V: Serialize> Serialize for ListJson<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for value in self.0.iter().take(LIST_MAX) {
            list.serialize_element(&(self.1)(value))?;
        }
        end_list(list, self.0.len())
    }
}

fn end_list<L: SerializeSeq>(mut list: L, length: usize) -> Result<L::Ok, L::Error> {
    let more = length.saturating_sub(LIST_MAX);
    if more > 0 {
        list.serialize_element(&format_args!("and {more} more"))?;
    }
    list.end()
}

#[cfg(test)]
mod tests;
