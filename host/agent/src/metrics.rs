//! The metrics: what each number of the status is called.
//!
//! No label holds an address or anything else that a remote host can choose: labels are names of the configuration and
//! of this project. `docs/metrics.md` lists all metrics.

use std::fmt;
use std::sync::atomic::AtomicU64;

use ctwarden_control::{Outcomes, PluginReport, SetReport, StatusReport};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::tally::Tally;

type Labels = Vec<(&'static str, String)>;

/// A registry that is filled once for each answer.
struct Page(Registry);

impl Page {
    fn counter(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn seconds(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Counter<f64, AtomicU64>>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.0.register(name, help, family);
    }
}

/// The page of metrics. Without a status, the daemon does not answer.
pub(crate) fn text(status: Option<&StatusReport>, tally: &Tally) -> Result<String, fmt::Error> {
    let mut page = Page(Registry::default());
    page.gauge("ctwarden_up", "Whether the daemon answers", one(u64::from(status.is_some())));
    of_agent(&mut page, tally);
    if let Some(status) = status {
        of_daemon(&mut page, status);
        of_plugins(&mut page, &status.plugins);
        of_sets(&mut page, &status.sets);
    }
    let mut text = String::new();
    encode(&mut text, &page.0)?;
    Ok(text)
}

fn one(value: u64) -> [(Labels, u64); 1] {
    [(Vec::new(), value)]
}

fn of_agent(page: &mut Page, tally: &Tally) {
    page.counter("ctwarden_agent_records", "Records that the agent has seen", one(tally.followed.get()));
    let sink = |name: &str| vec![("sink", name.to_owned())];
    page.counter(
        "ctwarden_agent_sent",
        "Records that the agent has sent, by sink",
        [(sink("syslog"), tally.syslog_sent.get()), (sink("webhook"), tally.webhook_sent.get())],
    );
    page.counter(
        "ctwarden_agent_lost",
        "Records that the agent could not send, by sink",
        [
            (sink("follow"), tally.missed.get()),
            (sink("syslog"), tally.syslog_lost.get()),
            (sink("webhook"), tally.webhook_lost.get()),
        ],
    );
    page.gauge("ctwarden_agent_waiting", "Alerts that wait for the webhook", one(tally.webhook_waiting.get()));
}

fn of_daemon(page: &mut Page, status: &StatusReport) {
    page.gauge("ctwarden_info", "The version of the daemon", [(vec![("version", status.version.clone())], 1)]);
    page.gauge("ctwarden_uptime_seconds", "Time since the start of the daemon", one(status.uptime_ms / 1_000));
    page.counter("ctwarden_events", "Events that the kernel sent", one(status.events));
    page.counter("ctwarden_sweeps", "Sweeps of the table that ended complete", one(status.sweeps));
    page.counter("ctwarden_sweep_entries", "Entries that sweeps read", one(status.rows));
    page.counter("ctwarden_records", "Records that were written", one(status.records));
    page.gauge("ctwarden_followers", "Clients that follow records", one(status.followers));
    page.gauge("ctwarden_warnings", "Conditions that keep policies from working", one(count(status.warnings.len())));
    let table = status.table.unwrap_or_default();
    let loss = |stage: &str, cause: &str| vec![("stage", stage.to_owned()), ("cause", cause.to_owned())];
    page.counter(
        "ctwarden_lost",
        "What was lost on the way, by stage and cause",
        [
            (loss("table", "insert-failed"), table.insert_failed),
            (loss("table", "dropped"), table.dropped),
            (loss("table", "evicted-early"), table.early_dropped),
            (loss("events", "overrun"), status.overruns),
            (loss("events", "unreadable"), status.unreadable),
            (loss("sweeps", "interrupted"), status.sweeps_interrupted),
            (loss("replica", "turned-away"), status.replica.map_or(0, |replica| replica.turned_away)),
            (loss("queues", "full"), sum(&status.plugins, |plugin| plugin.missed)),
            (loss("records", "folded"), sum(&status.plugins, |plugin| plugin.folded)),
            (loss("records", "destination"), status.records_lost),
            (loss("followers", "slow"), status.followers_lost),
            (loss("log", "destination"), status.log_lines_lost),
        ],
    );
    if let Some(table) = &status.table {
        page.gauge("ctwarden_table_entries", "Entries of the conntrack table", one(u64::from(table.entries)));
        page.gauge(
            "ctwarden_table_limit_entries",
            "Maximum of the conntrack table; 0 is unlimited",
            one(u64::from(table.maximum)),
        );
    }
    if let Some(replica) = &status.replica {
        page.gauge("ctwarden_replica_flows", "Flows of the replica", one(replica.flows));
        page.gauge("ctwarden_replica_bytes", "Memory of the replica", one(replica.bytes));
        page.gauge("ctwarden_replica_limit_bytes", "Memory limit of the replica", one(replica.limit));
        page.gauge(
            "ctwarden_replica_complete",
            "Whether the replica holds every flow",
            one(u64::from(replica.complete && replica.hears)),
        );
    }
}

fn of_plugins(page: &mut Page, plugins: &[PluginReport]) {
    let each = |value: fn(&PluginReport) -> u64| {
        plugins.iter().map(move |plugin| (of_plugin(plugin), value(plugin))).collect::<Vec<_>>()
    };
    page.counter(
        "ctwarden_verdicts",
        "Verdicts by plugin, kind and outcome",
        plugins.iter().flat_map(|plugin| by_outcome(of_plugin(plugin), &plugin.verdicts)),
    );
    page.counter(
        "ctwarden_verdict_flows",
        "Flows of verdicts by plugin, kind and outcome",
        plugins.iter().flat_map(|plugin| by_outcome(of_plugin(plugin), &plugin.flows)),
    );
    page.counter(
        "ctwarden_verdict_codes",
        "Verdicts by plugin, code, kind and outcome",
        plugins.iter().flat_map(|plugin| {
            plugin.codes.iter().flat_map(|(code, outcomes)| {
                let mut labels = of_plugin(plugin);
                labels.push(("code", code.clone()));
                by_outcome(labels, outcomes)
            })
        }),
    );
    page.counter("ctwarden_plugin_calls", "Calls of the plugin", each(|plugin| plugin.calls));
    page.seconds(
        "ctwarden_plugin_cpu_seconds",
        "Processor time of the plugin",
        plugins.iter().map(|plugin| (of_plugin(plugin), plugin.cpu_us as f64 / 1e6)),
    );
    page.counter("ctwarden_plugin_entries", "Entries that were delivered", each(|plugin| plugin.delivered));
    page.counter("ctwarden_plugin_missed_entries", "Entries that found the queue full", each(|plugin| plugin.missed));
    page.counter("ctwarden_plugin_faults", "Failed calls", each(|plugin| plugin.faults));
    page.gauge("ctwarden_plugin_queue_entries", "Entries that wait for the plugin", each(|plugin| plugin.queue));
    page.gauge("ctwarden_plugin_queue_limit_entries", "Most entries that may wait", each(|plugin| plugin.queue_limit));
    page.gauge(
        "ctwarden_plugin_enforcing",
        "Whether the mode of the plugin is enforce",
        each(|plugin| u64::from(plugin.mode == "enforce")),
    );
    page.gauge(
        "ctwarden_plugin_state",
        "The state of the plugin: 1 for the state of the label",
        plugins.iter().map(|plugin| {
            let mut labels = of_plugin(plugin);
            labels.push(("state", plugin.state.name().to_owned()));
            (labels, 1)
        }),
    );
    page.counter(
        "ctwarden_counter_evictions",
        "Keys of counters that were evicted for lack of memory",
        plugins.iter().flat_map(|plugin| {
            plugin.counters.iter().map(|counter| {
                let mut labels = of_plugin(plugin);
                labels.push(("counter", counter.name.clone()));
                (labels, counter.evictions)
            })
        }),
    );
}

fn of_sets(page: &mut Page, sets: &[SetReport]) {
    let labels = |set: &SetReport| vec![("set", set.name.clone())];
    page.gauge(
        "ctwarden_set_networks",
        "Networks of the address set",
        sets.iter().map(|set| (labels(set), set.networks)),
    );
    let mirrored = || sets.iter().filter_map(|set| Some((labels(set), set.firewall.as_ref()?)));
    page.gauge(
        "ctwarden_set_firewall_ranges",
        "Ranges of the set in the packet filter",
        mirrored().map(|(labels, firewall)| (labels, firewall.elements)),
    );
    page.gauge(
        "ctwarden_set_held_back_networks",
        "Networks that are not blocked because they hold protected addresses",
        mirrored().map(|(labels, firewall)| (labels, firewall.held_back)),
    );
    page.gauge(
        "ctwarden_set_firewall_failing",
        "Whether the packet filter does not follow the set",
        mirrored().map(|(labels, firewall)| (labels, u64::from(firewall.error.is_some()))),
    );
    let listed = || sets.iter().filter_map(|set| Some((labels(set), set.list.as_ref()?)));
    page.gauge(
        "ctwarden_feed_entries",
        "Entries of the list in use",
        listed().map(|(labels, list)| (labels, list.entries)),
    );
    page.gauge(
        "ctwarden_feed_skipped_lines",
        "Lines of the list that are wrong",
        listed().map(|(labels, list)| (labels, list.skipped)),
    );
    page.gauge(
        "ctwarden_feed_read_timestamp_seconds",
        "When the list in use was read",
        listed()
            .filter_map(|(labels, list)| Some((labels, ctwarden_control::parse_time(&list.read)?.0 / 1_000_000_000))),
    );
    page.gauge(
        "ctwarden_feed_refused",
        "Whether the list in the file is refused",
        sets.iter().filter(|set| set.file.is_some()).map(|set| (labels(set), u64::from(set.refused.is_some()))),
    );
}

fn of_plugin(plugin: &PluginReport) -> Labels {
    vec![("plugin", plugin.name.clone())]
}

fn by_outcome(labels: Labels, outcomes: &Outcomes) -> Vec<(Labels, u64)> {
    let row = |kind: &String, outcome: &String, count: u64| {
        let mut labels = labels.clone();
        labels.extend([("kind", kind.clone()), ("outcome", outcome.clone())]);
        (labels, count)
    };
    let rows = outcomes.iter().flat_map(|(kind, outcomes)| {
        outcomes.iter().map(|(outcome, count)| row(kind, outcome, *count)).collect::<Vec<_>>()
    });
    rows.collect()
}

fn sum(plugins: &[PluginReport], value: impl Fn(&PluginReport) -> u64) -> u64 {
    plugins.iter().map(value).fold(0, u64::saturating_add)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
