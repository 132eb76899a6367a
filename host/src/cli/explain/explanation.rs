//! How the kernel, the replica and ctwarden apply one filter, as text and as JSON.
//!
//! This module decides nothing. The codec's filters give what the kernel applies, and the model gives which parts the
//! replica knows. Only the reasons for the parts that are left to ctwarden are written here, because the author of a
//! filter can often write it so that fewer parts are left.

use ctwarden_model::{Family, Filter, FilterPart, InDump};
use serde_json::{Value, json};

use crate::cli::split::{DumpSplit, EventSplit, Parts, can_be_heard, list, names, parts};

/// The cost of every dump, whatever its filter.
const WALK: &str = "the kernel always walks its whole hash table, including the entries of other network namespaces; \
                    it examines the entries that it leaves out, but does not send them";

/// How a filter is applied, and by which part.
pub(super) struct Explanation {
    given: Parts,
    dumped: DumpSplit,
    /// The parts that the kernel does not apply in a dump, and why.
    left: Vec<(FilterPart, &'static str)>,
    copied: Option<Copied>,
    heard: Option<EventSplit>,
    /// Whether the event filter can test none of the parts, not even one alone.
    unheard: bool,
}

/// How the replica answers the filter.
struct Copied {
    /// Parts for which the replica has an index.
    index: Parts,
    /// Parts that the replica compares in its own data.
    compared: Parts,
    /// Parts for which ctwarden reads each found flow from the kernel.
    read: Parts,
}

impl Explanation {
    /// Explains the filter.
    pub(super) fn of(filter: &Filter) -> Self {
        let filters = std::slice::from_ref(filter);
        let dumped = DumpSplit::of(filters);
        let family = family_of(&dumped);
        let left = dumped.left.iter().map(|part| (*part, why_left(*part, family))).collect();
        let of_copy = |holds: fn(FilterPart) -> bool| parts(filters, |filter, part| filter.has(part) && holds(part));
        let copied = Copied {
            index: of_copy(|part| part.is_in_replica() && part.addresses().is_some()),
            compared: of_copy(|part| part.is_in_replica() && part.addresses().is_none()),
            read: of_copy(|part| !part.is_in_replica()),
        };
        // Without an index each flow of the table would have to be read from the kernel.
        let is_answered = !copied.index.is_empty() || !copied.compared.is_empty() && copied.read.is_empty();
        Self {
            given: parts(filters, Filter::has),
            dumped,
            left,
            copied: is_answered.then_some(copied),
            heard: EventSplit::of(filters),
            unheard: !FilterPart::ALL.into_iter().any(|part| can_be_heard(filter, part)),
        }
    }

    /// A name and its lines for each kind of request.
    pub(super) fn lines(&self) -> [(&'static str, Vec<String>); 6] {
        let given = if self.given.is_empty() { "every flow".to_owned() } else { list(&self.given) };
        let left = self.left.iter().map(|(part, why)| format!("{}: {why}", part.name())).collect::<Vec<_>>();
        let left = if left.is_empty() { vec!["nothing".to_owned()] } else { left };
        [
            ("filter", vec![given]),
            ("sweeps", vec![self.dumped.given()]),
            ("left", left),
            ("walk", vec![WALK.to_owned()]),
            ("replica", self.replica()),
            ("events", vec![self.events()]),
        ]
    }

    fn replica(&self) -> Vec<String> {
        let Some(Copied { index, compared, read }) = &self.copied else {
            return vec![
                "the replica cannot find these flows, as it keeps only ids, zones and tuples: each search takes a sweep"
                    .to_owned(),
            ];
        };
        if index.is_empty() {
            let of_each = list(compared);
            return vec![
                format!("the replica finds these flows without a sweep, by comparing {of_each} of every flow"),
                "to deliver them as dump entries takes a sweep".to_owned(),
            ];
        }
        let compared = if compared.is_empty() { String::new() } else { format!(", and compares {}", list(compared)) };
        let mut lines = vec![format!("the replica finds these flows without a sweep, by {}{compared}", list(index))];
        if !read.is_empty() {
            lines.push(format!(
                "ctwarden reads each found flow from the kernel, for {}; above a quarter of the table it sweeps",
                list(read)
            ));
        }
        lines
    }

    fn events(&self) -> String {
        match &self.heard {
            Some(EventSplit { instructions, kernel, left }) => {
                let left = if left.is_empty() { String::new() } else { format!("; ctwarden matches {}", list(left)) };
                format!("the kernel drops other events, by {} ({instructions} instructions){left}", list(kernel))
            }
            None if self.given.is_empty() => "the kernel drops none: the filter matches every flow".to_owned(),
            None if self.unheard => {
                format!("the kernel drops none: it cannot filter events by {}", list(&self.given))
            }
            None => "the kernel drops none: the filter program would be longer than the kernel accepts".to_owned(),
        }
    }

    /// The same facts as JSON.
    pub(super) fn to_json(&self) -> Value {
        let left = self.left.iter().map(|(part, why)| (part.name().to_owned(), json!(why)));
        let replica = match &self.copied {
            None => json!({ "answers": false }),
            Some(Copied { index, compared, read }) => json!({
                "answers": true,
                "finds-by": names(index),
                "compares": names(compared),
                "reads-from-kernel": names(read),
            }),
        };
        let events = match &self.heard {
            None => json!({ "kernel": [], "left": names(&self.given), "instructions": 0 }),
            Some(heard) => heard.to_json(),
        };
        json!({
            "filter": names(&self.given),
            "sweeps": {
                "kernel": self.dumped.asked_json(),
                "left": left.collect::<serde_json::Map<_, _>>(),
                "walks": "whole-table",
            },
            "replica": replica,
            "events": events,
        })
    }
}

/// The family in the kernel's filter.
fn family_of(dumped: &DumpSplit) -> Option<Family> {
    let (_, name) = dumped.kernel.iter().find(|(part, _)| *part == FilterPart::Family)?;
    if name == "ipv6" { Some(Family::Ipv6) } else { Some(Family::Ipv4) }
}

/// Why the kernel does not apply a part in dumps.
const fn why_left(part: FilterPart, family: Option<Family>) -> &'static str {
    match (part.in_dump(), family) {
        (InDump::Nothing, _) => "the kernel's filter has no such part",
        (InDump::Zone, _) => {
            "the kernel accepts one zone, and cannot distinguish zone 0 from a zone in one direction only"
        }
        (InDump::Bits, _) => "an empty mask matches every entry, and the kernel refuses it",
        (InDump::Family, _) => "the other parts match no entry of that family",
        (InDump::Protocol | InDump::Address | InDump::Port, Some(Family::Ipv6)) => {
            "never used with IPv6: the kernel's comparison of IPv6 tuples is inverted (seen up to Linux 6.18)"
        }
        (InDump::Protocol | InDump::Address | InDump::Port, None) => {
            "the kernel compares tuples of one family; add family = \"ipv4\" if the filter is not for IPv6"
        }
        (InDump::Port, Some(Family::Ipv4)) => "the kernel accepts one port, and only with one protocol, tcp or udp",
        (InDump::Protocol, Some(Family::Ipv4)) => "the kernel accepts one protocol",
        (InDump::Address, Some(Family::Ipv4)) => "the kernel accepts one whole address, but no network and no list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn told(filter: &str) -> [Vec<String>; 6] {
        let filter = config::one_filter(filter).unwrap_or_else(|problems| panic!("{problems}"));
        Explanation::of(&filter).lines().map(|(_, lines)| lines)
    }

    #[test]
    fn what_the_kernel_does_is_told_from_what_is_left_and_why() {
        let [given, sweeps, left, walk, replica, events] = told(
            "protocols = [\"tcp\"], original-src = [\"192.0.2.1\"], src-ports = [53], dst-ports = [80, 443], zones = [7], \
             labels = [1]",
        );
        assert_eq!(given, ["protocols, zones, original-src, src-ports, dst-ports, labels"]);
        assert_eq!(
            sweeps,
            ["the kernel sends entries with family ipv4, protocols tcp, zones 7, original-src 192.0.2.1, src-ports 53"]
        );
        assert_eq!(
            left,
            [
                "dst-ports: the kernel accepts one port, and only with one protocol, tcp or udp",
                "labels: the kernel's filter has no such part"
            ]
        );
        assert!(walk.concat().contains("whole hash table"));
        assert_eq!(
            replica,
            [
                "the replica finds these flows without a sweep, by original-src, and compares protocols, zones, \
                 src-ports, dst-ports",
                "ctwarden reads each found flow from the kernel, for labels; above a quarter of the table it sweeps"
            ]
        );
        let events = events.concat();
        assert!(
            events.starts_with(
                "the kernel drops other events, by protocols, zones, original-src, src-ports, dst-ports ("
            ),
            "{events}"
        );
        assert!(events.ends_with(" instructions); ctwarden matches labels"), "{events}");
    }

    #[test]
    fn a_tuple_of_ipv6_is_never_left_to_a_dump() {
        let [_, sweeps, left, _, _, events] =
            told("original-dst = [\"2001:db8::1\"], protocols = [\"udp\"], dst-ports = [53]");
        assert_eq!(sweeps, ["the kernel sends entries with family ipv6"]);
        let why = "never used with IPv6: the kernel's comparison of IPv6 tuples is inverted (seen up to Linux 6.18)";
        assert_eq!(left, ["protocols", "original-dst", "dst-ports"].map(|part| format!("{part}: {why}")));
        assert!(events.concat().starts_with("the kernel drops other events, by protocols, original-dst, dst-ports ("));
    }

    #[test]
    fn what_would_help_is_said() {
        for (filter, expected) in [
            (
                "src-ports = [53], protocols = [\"udp\"]",
                "protocols: the kernel compares tuples of one family; add family = \"ipv4\"",
            ),
            (
                "family = \"ipv4\", src-ports = [53]",
                "src-ports: the kernel accepts one port, and only with one protocol, tcp or udp",
            ),
            ("family = \"ipv4\", protocols = [\"tcp\", \"udp\"]", "protocols: the kernel accepts one protocol"),
            (
                "reply-src = [\"192.0.2.0/24\"]",
                "reply-src: the kernel accepts one whole address, but no network and no list",
            ),
            ("zones = [0]", "zones: the kernel accepts one zone, and cannot distinguish zone 0"),
            ("zones = [1, 2]", "zones: the kernel accepts one zone"),
            ("either = [\"192.0.2.1\"]", "either: the kernel's filter has no such part"),
            ("states = [3], family = \"ipv4\"", "states: the kernel's filter has no such part"),
            (
                "family = \"ipv4\", protocols = [\"udp\"], src-ports = [53], mark = \"1/0xf\", status = [\"ASSURED\"]",
                "nothing",
            ),
        ] {
            let [_, _, left, ..] = told(filter);
            assert!(left.concat().starts_with(expected), "{filter}: {left:?}");
        }
    }

    #[test]
    fn a_filter_without_an_address_takes_a_sweep() {
        let [_, _, _, _, replica, events] = told("labels = [1]");
        assert_eq!(
            replica,
            ["the replica cannot find these flows, as it keeps only ids, zones and tuples: each search takes a sweep"]
        );
        assert_eq!(events, ["the kernel drops none: it cannot filter events by labels"]);
    }

    #[test]
    fn without_an_address_the_copy_compares_each_flow_or_takes_a_sweep() {
        let [_, _, _, _, replica, _] = told("protocols = [\"udp\"], dst-ports = [53]");
        assert_eq!(
            replica,
            [
                "the replica finds these flows without a sweep, by comparing protocols, dst-ports of every flow",
                "to deliver them as dump entries takes a sweep"
            ]
        );
        let [_, _, _, _, replica, _] = told("dst-ports = [53], labels = [1]");
        assert!(replica.concat().ends_with("each search takes a sweep"), "{replica:?}");
    }

    #[test]
    fn nothing_is_every_flow() {
        let [given, sweeps, left, _, _, events] = told("");
        assert_eq!((given, sweeps), (vec!["every flow".to_owned()], vec!["the kernel sends every entry".to_owned()]));
        assert_eq!(
            (left, events),
            (vec!["nothing".to_owned()], vec!["the kernel drops none: the filter matches every flow".to_owned()])
        );
    }

    #[test]
    fn programs_are_told_the_same() {
        let filter = config::one_filter("{ either = [\"2001:db8::/32\"], mark = 7, labels = [5] }").unwrap();
        let told = Explanation::of(&filter).to_json();
        let instructions = told["events"]["instructions"].as_u64().unwrap();
        assert!(instructions > 10);
        let none = "the kernel's filter has no such part";
        let expected = json!({
            "filter": ["either", "mark", "labels"],
            "sweeps": {
                "kernel": { "family": "ipv6", "mark": "0x7/0xffffffff" },
                "left": { "either": none, "labels": none },
                "walks": "whole-table",
            },
            "replica": { "answers": true, "finds-by": ["either"], "compares": [], "reads-from-kernel": ["mark", "labels"] },
            "events": { "kernel": ["either", "mark"], "left": ["labels"], "instructions": instructions },
        });
        assert_eq!(told, expected);
    }
}
