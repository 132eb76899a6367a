//! What the kernel leaves out for a set of plugins, and what ctwarden has to match itself.
//!
//! This module decides nothing. As in the daemon, the engine gives the subscriptions, [`Listening`] the event groups,
//! and the filters of the codec what the kernel applies. This module describes the result, because it can make a
//! difference of a factor of a hundred.

use ctwarden_engine::{Engine, EngineConfig, Output, PluginSpec, SweepRequest, TableReader};
use ctwarden_model::{EventKinds, Filter, PluginName};
use ctwarden_reader::Listening;
use ctwarden_wire::EventFilter;
use serde_json::{Value, json};

use crate::cli::split::{DumpSplit, EventSplit, Parts, list, names, parts};
use crate::clock;
use crate::config::ReplicaUse;

/// The requests to the kernel at the start.
pub(super) struct Pushdown {
    replica: ReplicaUse,
    listening: Listening,
    sweep: Option<SweepRequest>,
    /// Plugins whose verdicts select flows by filter.
    selecting: Vec<PluginName>,
    /// Plugins that subscribe to events of every flow.
    hearing_all: Vec<PluginName>,
}

impl Pushdown {
    /// Computes the requests for these plugins, as if there were no others.
    pub(super) fn of<'a>(
        config: &EngineConfig,
        replica: ReplicaUse,
        plugins: impl IntoIterator<Item = &'a PluginSpec>,
    ) -> Self {
        let plugins: Vec<PluginSpec> = plugins.into_iter().cloned().collect();
        let named =
            |is: fn(&PluginSpec) -> bool| plugins.iter().filter(|spec| is(spec)).map(|s| s.name.clone()).collect();
        let selecting = named(|spec| spec.subscription.selects);
        let hearing_all = named(|spec| {
            let (kinds, filters) = (spec.subscription.kinds, &spec.subscription.filters);
            (kinds.new || kinds.update || kinds.destroy) && filters.is_empty()
        });
        let now = clock::now();
        let mut engine = Engine::new(config.clone(), now);
        engine.handle_plugins(now, config.clone(), plugins);
        let subscribed = engine.subscribed();
        let keeps_replica = replica.is_wanted(subscribed.selects);
        let listening = Listening::new(subscribed, keeps_replica);
        let mut outputs = std::iter::from_fn(|| engine.poll(TableReader::Free));
        let sweep = outputs.find_map(|output| match output {
            Output::Sweep(request) => Some(request),
            Output::Effect(..)
            | Output::Lookup(_)
            | Output::Call(_)
            | Output::Selection(_)
            | Output::Restart(_)
            | Output::Reply(..)
            | Output::Record(_)
            | Output::Exit(_) => None,
        });
        Self { replica, listening, sweep, selecting, hearing_all }
    }

    /// Whether the daemon keeps a replica of the table.
    pub(super) const fn keeps_replica(&self) -> bool {
        self.listening.replica
    }

    /// A name and a text for each kind of request.
    pub(super) fn lines(&self) -> [(&'static str, String); 4] {
        [("groups", self.groups()), ("events", self.events()), ("sweeps", self.sweeps()), ("replica", self.replica())]
    }

    fn joined(&self) -> Vec<&'static str> {
        let EventKinds { row: _, new, update, destroy } = self.listening.kinds;
        let expectations = self.listening.expectations;
        let groups = [("new", new), ("update", update), ("destroy", destroy), ("expectations", expectations)];
        groups.into_iter().filter_map(|(name, joined)| joined.then_some(name)).collect()
    }

    fn groups(&self) -> String {
        let joined = self.joined();
        if joined.is_empty() { "none".to_owned() } else { joined.join(", ") }
    }

    fn events(&self) -> String {
        if !self.hears_flows() {
            return "no flow events".to_owned();
        }
        match EventSplit::of(&self.listening.filters) {
            Some(EventSplit { instructions, kernel, left }) => {
                let (asked, left) = (list(&kernel), and_left(&left));
                format!("the kernel drops other events, by {asked} ({instructions} instructions){left}")
            }
            None => format!("the kernel drops none: {}", self.why_all()),
        }
    }

    const fn hears_flows(&self) -> bool {
        let EventKinds { row: _, new, update, destroy } = self.listening.kinds;
        new || update || destroy
    }

    /// Why the kernel drops no event.
    fn why_all(&self) -> String {
        let filters = &self.listening.filters;
        if self.listening.replica {
            "the replica follows every flow".to_owned()
        } else if !self.hearing_all.is_empty() {
            format!("{} every flow", who(&self.hearing_all, "wants", "want"))
        } else if let Some(filter) = filters.iter().find(|filter| EventFilter::of(&[(*filter).clone()]).is_none()) {
            let given = parts([filter], Filter::has);
            format!("the kernel cannot filter events by {}", list(&given))
        } else {
            "the filter program would be longer than the kernel accepts".to_owned()
        }
    }

    fn sweeps(&self) -> String {
        let Some(request) = &self.sweep else { return "none at the start".to_owned() };
        let dumped = DumpSplit::of(&request.filters);
        format!("{}{}", dumped.given(), and_left(&dumped.left))
    }

    /// The same as JSON; a request that is not made is null.
    pub(super) fn to_json(&self) -> Value {
        let events = self.hears_flows().then(|| match EventSplit::of(&self.listening.filters) {
            Some(heard) => heard.to_json(),
            None => json!({ "kernel": [], "instructions": 0, "why": self.why_all() }),
        });
        let sweeps = self.sweep.as_ref().map(|request| {
            let dumped = DumpSplit::of(&request.filters);
            json!({ "kernel": dumped.asked_json(), "left": names(&dumped.left) })
        });
        json!({
            "groups": self.joined(),
            "events": events,
            "sweeps": sweeps,
            "replica": { "kept": self.listening.replica, "why": self.replica() },
        })
    }

    fn replica(&self) -> String {
        let flows_by_filter = "flows by filter (selects)";
        match (self.replica, self.listening.replica) {
            (ReplicaUse::On, _) => "kept, because [daemon] replica is on".to_owned(),
            (ReplicaUse::Off, _) if self.selecting.is_empty() => "not kept, because [daemon] replica is off".to_owned(),
            (ReplicaUse::Off, _) => {
                let who = who(&self.selecting, "names", "name");
                format!(
                    "not kept, because [daemon] replica is off; {who} {flows_by_filter}, and each search takes a sweep"
                )
            }
            (ReplicaUse::Auto, true) => {
                format!("kept, because {} {flows_by_filter}", who(&self.selecting, "names", "name"))
            }
            (ReplicaUse::Auto, false) => format!("not kept, because no plugin names {flows_by_filter}"),
        }
    }
}

fn and_left(left: &Parts) -> String {
    if left.is_empty() { String::new() } else { format!("; ctwarden matches {}", list(left)) }
}

fn who(names: &[PluginName], one: &str, many: &str) -> String {
    let verb = if names.len() == 1 { one } else { many };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    format!("{} {verb}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use ctwarden_engine::{OnFailure, PluginLimits};
    use ctwarden_model::{
        EventKinds, Family, Grants, Masked, Mode, PortRange, Prefix, Protocol, Subscription, VerdictKinds, Zone,
    };

    use super::*;

    const EVENTS: EventKinds = EventKinds { new: true, update: false, destroy: true, row: false };
    const ALL: EventKinds = EventKinds { new: true, update: true, destroy: true, row: true };

    fn plugin(name: &str, kinds: EventKinds, filters: Vec<Filter>, selects: bool) -> PluginSpec {
        PluginSpec {
            name: PluginName::new(name).unwrap(),
            mode: Mode::Observe,
            wants: VerdictKinds::NONE,
            codes: [].into(),
            grants: Grants::default(),
            subscription: Subscription { kinds, filters, selects, ..Subscription::default() },
            limits: PluginLimits::default(),
            on_failure: OnFailure::Restart,
        }
    }

    fn told(replica: ReplicaUse, plugins: &[PluginSpec]) -> [String; 4] {
        Pushdown::of(&EngineConfig::default(), replica, plugins).lines().map(|(_, text)| text)
    }

    fn from(address: &str) -> Filter {
        Filter { original_src: [address.parse::<Prefix>().unwrap()].into_iter().collect(), ..Filter::default() }
    }

    #[test]
    fn what_the_kernel_does_is_told_from_what_is_left() {
        let web = Filter {
            protocols: [Protocol::TCP].into(),
            dst_ports: [PortRange { first: 80, last: 80 }, PortRange { first: 443, last: 443 }].into(),
            labels: 1,
            zones: [Zone(7)].into(),
            ..from("192.0.2.1/32")
        };
        let [groups, events, sweeps, replica] = told(ReplicaUse::Auto, &[plugin("web", ALL, vec![web], false)]);
        assert_eq!(groups, "new, update, destroy");
        assert!(
            events.starts_with("the kernel drops other events, by protocols, zones, original-src, dst-ports ("),
            "{events}"
        );
        assert!(events.ends_with(" instructions); ctwarden matches labels"), "{events}");
        assert_eq!(
            sweeps,
            "the kernel sends entries with family ipv4, protocols tcp, zones 7, original-src 192.0.2.1; \
             ctwarden matches dst-ports, labels"
        );
        assert_eq!(replica, "not kept, because no plugin names flows by filter (selects)");
    }

    #[test]
    fn programs_are_told_the_same() {
        let web = Filter { dst_ports: [PortRange { first: 80, last: 80 }].into(), labels: 1, ..from("192.0.2.1/32") };
        let plugin = plugin("web", ALL, vec![web], false);
        let mut told = Pushdown::of(&EngineConfig::default(), ReplicaUse::Auto, [&plugin]).to_json();
        assert!(told["events"]["instructions"].take().as_u64() > Some(10));
        let expected = json!({
            "groups": ["new", "update", "destroy"],
            "events": { "kernel": ["original-src", "dst-ports"], "left": ["labels"], "instructions": null },
            "sweeps": {
                "kernel": { "family": "ipv4", "original-src": "192.0.2.1" },
                "left": ["dst-ports", "labels"],
            },
            "replica": { "kept": false, "why": "not kept, because no plugin names flows by filter (selects)" },
        });
        assert_eq!(told, expected);
        let none = Pushdown::of(&EngineConfig::default(), ReplicaUse::On, []).to_json();
        assert_eq!(none["events"]["why"], "the replica follows every flow");
        assert_eq!((&none["sweeps"], &none["replica"]["kept"]), (&Value::Null, &json!(true)));
    }

    #[test]
    fn an_address_of_ipv6_is_left_to_us_in_sweeps_but_not_in_events() {
        let six = from("2001:db8::1/128");
        let [_, events, sweeps, _] = told(ReplicaUse::Auto, &[plugin("six", ALL, vec![six], false)]);
        assert!(events.contains("by original-src ("), "{events}");
        assert_eq!(sweeps, "the kernel sends entries with family ipv6; ctwarden matches original-src");
    }

    #[test]
    fn together_only_what_all_agree_on_is_asked() {
        let marked = |value| Filter { mark: Masked::new(value, 0xf).ok(), ..from("192.0.2.1/32") };
        let (one, other) = (plugin("one", ALL, vec![marked(1)], false), plugin("other", ALL, vec![marked(3)], false));
        let [_, _, alone, _] = told(ReplicaUse::Auto, std::slice::from_ref(&one));
        assert_eq!(alone, "the kernel sends entries with family ipv4, original-src 192.0.2.1, mark 0x1/0xf");
        let [_, _, both, _] = told(ReplicaUse::Auto, &[one, other]);
        assert_eq!(
            both,
            "the kernel sends entries with family ipv4, original-src 192.0.2.1, mark 0x1/0xd; ctwarden matches mark"
        );
    }

    #[test]
    fn why_nothing_is_left_out_is_said() {
        let every = plugin("every", EVENTS, vec![], false);
        let [groups, events, sweeps, _] =
            told(ReplicaUse::Auto, &[every, plugin("six", EVENTS, vec![from("::/0")], false)]);
        assert_eq!(groups, "new, destroy");
        assert_eq!(events, "the kernel drops none: every wants every flow");
        assert_eq!(sweeps, "none at the start");
        let labelled = Filter { labels: 4, ..Filter::default() };
        let [_, events, _, _] = told(ReplicaUse::Auto, &[plugin("labelled", EVENTS, vec![labelled], false)]);
        assert_eq!(events, "the kernel drops none: the kernel cannot filter events by labels");
        let many = |n: u32| Filter { mark: Masked::new(n, u32::MAX).ok(), ..Filter::default() };
        let [_, events, _, _] = told(ReplicaUse::Auto, &[plugin("many", EVENTS, (0..2000).map(many).collect(), false)]);
        assert_eq!(events, "the kernel drops none: the filter program would be longer than the kernel accepts");
        let quiet = EventKinds { row: true, ..EventKinds::default() };
        let four = Filter { family: Some(Family::Ipv4), ..Filter::default() };
        let [groups, events, sweeps, _] = told(ReplicaUse::Auto, &[plugin("quiet", quiet, vec![four], false)]);
        assert_eq!((groups.as_str(), events.as_str()), ("none", "no flow events"));
        assert_eq!(sweeps, "the kernel sends entries with family ipv4");
    }

    #[test]
    fn the_copy_hears_of_every_flow_and_who_wants_it_is_named() {
        let ban = plugin("ban", EventKinds::default(), vec![from("192.0.2.1/32")], true);
        let [groups, events, _, replica] = told(ReplicaUse::Auto, std::slice::from_ref(&ban));
        assert_eq!(groups, "new, destroy");
        assert_eq!(events, "the kernel drops none: the replica follows every flow");
        assert_eq!(replica, "kept, because ban names flows by filter (selects)");
        let [groups, _, _, replica] = told(ReplicaUse::Off, &[ban]);
        assert_eq!(groups, "none");
        assert_eq!(
            replica,
            "not kept, because [daemon] replica is off; ban names flows by filter (selects), and each search takes a \
             sweep"
        );
        let [_, _, _, replica] = told(ReplicaUse::On, &[]);
        assert_eq!(replica, "kept, because [daemon] replica is on");
    }
}
