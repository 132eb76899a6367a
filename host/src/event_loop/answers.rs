//! Answers to control socket requests: status at once, messages when the outcomes of their verdicts are known.

use std::collections::BTreeMap;

use ctwarden_engine::{MessageOutcome, PluginStatus, Shortfall, Ticket, VerdictCounts, Wait};
use ctwarden_model::{Outcome, SetName, Tally, Timestamp, VerdictKind};
use ctwarden_replica::Replica;
use tokio::sync::oneshot;

use super::missing_grants::PluginGrants;
use super::{Claiming, EventLoop};
use crate::address_sets::AddressSet;
use crate::clock;
use crate::control::{self, ClaimsOfSet, ControlRequest, Request, Response, Sent, StatusReport};
use crate::plugins::{CounterSize, PluginThread};
use crate::set_file::Results;
use crate::sinks::Rfc3339;

/// Clients that wait for the result of a message.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<Ticket, oneshot::Sender<Response>>);

impl Waiting {
    pub(super) fn settle(&mut self, ticket: Ticket, outcome: MessageOutcome, claiming: &Claiming) {
        if let Some(answer) = self.0.remove(&ticket) {
            claiming.answer_after_commit(answer, sent(outcome));
        }
    }
}

fn sent(outcome: MessageOutcome) -> Response {
    match outcome.result {
        Err(why) => Response::Error(why),
        Ok(text) => {
            let mut outcomes = by_kind(&outcome.verdicts);
            let flows = by_outcome(&outcome.flows);
            if !flows.is_empty() {
                outcomes.insert("flows".to_owned(), flows);
            }
            let mut shortfalls: Vec<String> = outcome.shortfalls.iter().map(in_words).collect();
            let taken_only = outcome.wait == Wait::Answer;
            let resting = outcome.shortfalls.iter().any(|shortfall| shortfall.goes_on);
            let open = [
                ("still open", outcome.open.saturating_sub(outcome.sweeping)),
                ("waiting for a dump of the table", outcome.sweeping),
            ];
            let open: BTreeMap<String, u64> = open
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name.to_owned(), count))
                .collect();
            if !taken_only && !resting {
                let what = "the records show their outcomes";
                shortfalls
                    .extend(open.iter().map(|(name, count)| format!("{} {name}: {what}", counted(*count, "verdict"))));
            }
            if !open.is_empty() {
                outcomes.insert("verdicts".to_owned(), open);
            }
            Response::Sent(Sent { text, outcomes, refusals: outcome.refusals, shortfalls, taken_only })
        }
    }
}

/// Describes what failed of a request, and how to correct it.
fn in_words(shortfall: &Shortfall) -> String {
    let Shortfall { kind, outcome, of_flows, goes_on, count } = *shortfall;
    let what = format!("{kind}: {}", counted(count, if of_flows { "flow" } else { "verdict" }));
    let blocks = matches!(kind, VerdictKind::Block | VerdictKind::Unblock);
    match outcome {
        Outcome::Refused(refusal) => format!("{what} refused: {refusal}"),
        Outcome::OverBudget if goes_on => {
            format!(
                "{what} over budget for now: the rest continues as the budget refills, and the verdict's record shows \
                 the outcome"
            )
        }
        Outcome::OverBudget => format!("{what} over budget, so not done; [plugin.budget] limits the plugin"),
        Outcome::NotGranted if blocks => format!("{what} not granted; see allow and block-sets in its [[plugin]]"),
        Outcome::NotGranted => format!("{what} not granted; see allow in its [[plugin]]"),
        Outcome::Protected if blocks => {
            format!(
                "{what} protected: a [[protect]] names the address, or it belongs to this host, its gateway or no \
                 single host"
            )
        }
        Outcome::Protected => format!("{what} protected by [[protect]] or another policy"),
        Outcome::Observed => {
            format!("{what} observed: the plugin only observes, so nothing was done; `ctwarden status` shows why")
        }
        Outcome::Replaced => format!("{what} replaced: another flow has taken the tuple"),
        Outcome::Gone => format!("{what} gone: ended before the verdict"),
        Outcome::Superseded => format!("{what} superseded: a stronger verdict took precedence"),
        Outcome::Applied => format!("{what} applied"),
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn by_kind(counts: &VerdictCounts) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut kinds: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (kind, outcome, count) in counts.iter() {
        kinds.entry(kind.name().to_owned()).or_default().insert(outcome.to_owned(), count);
    }
    kinds
}

fn by_outcome(flows: &Tally) -> BTreeMap<String, u64> {
    let counts = Outcome::NAMES.into_iter().zip(flows.by_outcome());
    counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

fn replica_report(replica: &Replica, complete: bool, hears: bool) -> control::ReplicaReport {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    control::ReplicaReport {
        flows: count(replica.len()),
        bytes: count(replica.bytes()),
        limit: count(replica.limit()),
        complete,
        hears,
        turned_away: replica.turned_away(),
    }
}

fn set_report(name: &SetName, set: AddressSet) -> control::SetReport {
    let networks = set.all().map_or(0, |networks| count(networks.len()));
    control::SetReport {
        name: name.to_string(),
        networks,
        file: set.file.map(|file| file.display().to_string()),
        list: set.version.map(|version| {
            let Results { format, counts, skipped, read } = version.results();
            control::ListReport {
                format: format.name().to_owned(),
                lines: counts.lines,
                entries: counts.entries,
                skipped: counts.bad,
                first_skipped: skipped.clone(),
                read: Rfc3339(*read).to_string(),
            }
        }),
        refused: set.refused.map(|refusal| refusal.text),
        firewall: None,
    }
}

impl EventLoop {
    /// Answers a request, at once or when the answer is known.
    pub(super) fn answer(&mut self, asked: ControlRequest) {
        let response = match asked.request {
            Request::Status => Response::Status(Box::new(self.report())),
            Request::Add(add) => return self.add_to_set(&add, asked.answer),
            Request::Remove(remove) => return self.remove_from_set(&remove, asked.answer),
            Request::Claims(ClaimsOfSet { set }) => self.claims_of_set(&set),
            Request::Pause(pause) => self.pause(&pause),
            Request::Resume(resume) => self.resume(&resume),
            Request::Mode(change) => self.change_mode(&change),
            Request::Reload => return self.ask_to_reload(asked.answer),
            // The server hands this request to the followers itself.
            Request::Follow(_) => Response::Error("records cannot be followed here".to_owned()),
            Request::Send(control::Send { plugin, text, no_wait }) => {
                let wait = if no_wait { Wait::Answer } else { Wait::Outcomes };
                match self.engine.handle_message(clock::now(), &plugin, text, wait) {
                    Ok(ticket) => {
                        self.waiting.0.insert(ticket, asked.answer);
                        return;
                    }
                    Err(error) => Response::Error(error.to_string()),
                }
            }
        };
        let _ = asked.answer.send(response);
    }

    fn report(&mut self) -> StatusReport {
        let now = clock::now();
        self.sense(now.steady);
        let status = self.engine.status(now);
        let sinks = self.sinks.as_ref().map(crate::sinks::Sinks::counts).unwrap_or_default();
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            configuration: self.configuration.display().to_string(),
            uptime_ms: milliseconds(now.steady.since(self.started)),
            table: self.statistics.statistics().ok().map(|table| control::FlowTable {
                entries: table.entries,
                maximum: table.maximum,
                insert_failed: table.insert_failed,
                dropped: table.dropped,
                early_dropped: table.early_dropped,
            }),
            replica: self.reader.replica().map(|replica| {
                replica_report(replica, self.reader.is_replica_complete(), self.hearing.hears_every_flow())
            }),
            warnings: self.warnings.clone(),
            events: status.events,
            unreadable: self.events.unreadable(),
            overruns: status.overruns,
            sweeps: status.sweeps,
            sweeps_interrupted: status.sweeps_interrupted,
            rows: status.rows,
            sweeping: status.sweeping || self.sweeping.is_some() || self.reader.resync_at().is_some(),
            records: sinks.written,
            records_lost: sinks.lost,
            log_lines_lost: crate::log::lost(),
            followers: count(self.followers.number()),
            followers_lost: self.followers.lost(),
            plugins: status.plugins.iter().map(|plugin| self.plugin_report(plugin, now.wall)).collect(),
            sets: self.sets.all().into_iter().map(|(name, set)| self.set_report(&name, set)).collect(),
        }
    }

    fn set_report(&self, name: &SetName, set: AddressSet) -> control::SetReport {
        let firewall = self.firewall.state().sets.get(name).map(|state| control::FirewallReport {
            elements: count(state.elements),
            held_back: count(state.held_back.count),
            first_held_back: state.held_back.first.iter().map(ToString::to_string).collect(),
            error: state.error.clone(),
        });
        control::SetReport { firewall, ..set_report(name, set) }
    }

    fn plugin_report(&self, plugin: &PluginStatus, now: Timestamp) -> control::PluginReport {
        let (state, until_ms, reason) = control::condition(plugin, now);
        let about = self.granting.of(&plugin.name);
        control::PluginReport {
            name: plugin.name.to_string(),
            version: about.map(|about| about.version.clone()).unwrap_or_default(),
            not_granted: about.map(PluginGrants::not_granted).unwrap_or_default(),
            mode: plugin.mode.name().to_owned(),
            configured_mode: (plugin.mode != plugin.configured_mode).then(|| plugin.configured_mode.name().to_owned()),
            calls: plugin.calls,
            cpu_us: self.plugins.get(&plugin.id).map_or(0, |thread| microseconds(thread.processor_time())),
            state,
            until_ms,
            queue: count(plugin.queue_entries),
            queue_limit: count(plugin.queue_limit),
            delivered: plugin.entries,
            missed: plugin.missed,
            reason,
            verdicts: by_kind(&plugin.verdicts),
            folded: plugin.folded,
            flows: by_kind(&plugin.flows),
            codes: plugin.codes.iter().map(|(code, counts)| (code.to_owned(), by_kind(counts))).collect(),
            faults: plugin.faults.values().sum(),
            last_fault: plugin.last_fault.as_ref().map(|(at, fault)| control::Fault {
                time: Rfc3339(*at).to_string(),
                kind: fault.name().to_owned(),
                text: fault.to_string(),
            }),
            counters: self.plugins.get(&plugin.id).map(counters_report).unwrap_or_default(),
            last_refusal: plugin.last_refusal.as_ref().map(|(at, kind, why)| control::LastRefusal {
                time: Rfc3339(*at).to_string(),
                kind: kind.name().to_owned(),
                text: why.clone(),
            }),
        }
    }
}

fn counters_report(plugin: &PluginThread) -> Vec<control::CounterReport> {
    let report = |size: CounterSize| control::CounterReport {
        name: size.name,
        keys: count(size.keys),
        bytes: count(size.bytes),
        limit: count(size.limit),
        evictions: size.evictions,
    };
    plugin.counter_sizes().into_iter().map(report).collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn microseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
