//! How one filter is carried out, in words and as JSON.
//!
//! It decides nothing: the codec's filters say what they ask the kernel for, and the replica what it can be asked.
//! Only why something is left is told here, because whoever writes a filter can often write it so that less is.

use ctwarden_model::{Family, Filter, FilterPart, InDump};
use serde_json::{Value, json};

use crate::cli::split::{Dumped, Heard, Parts, can_be_heard, list, names, parts};

/// What the kernel does with every dump, whatever is asked of it.
const WALK: &str = "the kernel goes through its whole hash table, with the entries of other namespaces, whatever it is asked: an \
                    entry that it leaves out is looked at, but not written and sent";

/// How a filter is carried out.
pub(super) struct Explanation {
    given: Parts,
    dumped: Dumped,
    /// The parts that the kernel does not do in a dump, and why.
    left: Vec<(FilterPart, &'static str)>,
    copied: Option<Copied>,
    heard: Option<Heard>,
    /// Whether each part by itself is nothing that a program can look at.
    unheard: bool,
}

/// What the replica does.
struct Copied {
    /// Parts that it has an index for.
    index: Parts,
    /// Parts that it compares in what it keeps.
    compared: Parts,
    /// Parts for which each flow that was found is read from the kernel.
    read: Parts,
}

impl Explanation {
    /// Of the filter.
    pub(super) fn of(filter: &Filter) -> Self {
        let filters = std::slice::from_ref(filter);
        let dumped = Dumped::of(filters);
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
            heard: Heard::of(filters),
            unheard: !FilterPart::ALL.into_iter().any(|part| can_be_heard(filter, part)),
        }
    }

    /// A name and its lines for each kind of work.
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
                "the replica cannot find its flows, as it knows names and tuples only: a sweep each time".to_owned(),
            ];
        };
        if index.is_empty() {
            let of_each = list(compared);
            return vec![
                format!("the replica finds its flows without a sweep, by comparing {of_each} of each"),
                "rows of them take a sweep".to_owned(),
            ];
        }
        let compared = if compared.is_empty() { String::new() } else { format!(", and compares {}", list(compared)) };
        let mut lines = vec![format!("the replica finds its flows without a sweep, by {}{compared}", list(index))];
        if !read.is_empty() {
            lines.push(format!(
                "each flow that it finds is read from the kernel, for {}; more than a quarter of the table by a sweep",
                list(read)
            ));
        }
        lines
    }

    fn events(&self) -> String {
        match &self.heard {
            Some(Heard { instructions, kernel, left }) => {
                let left = if left.is_empty() { String::new() } else { format!("; ctwarden matches {}", list(left)) };
                format!("the kernel drops others, by {} ({instructions} instructions){left}", list(kernel))
            }
            None if self.given.is_empty() => "none is left out by the kernel: every flow is wanted".to_owned(),
            None if self.unheard => {
                format!("none is left out by the kernel: it cannot be asked for {}", list(&self.given))
            }
            None => "none is left out by the kernel: the program would be longer than the kernel takes".to_owned(),
        }
    }

    /// For programs.
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

/// The family that the kernel is asked for.
fn family_of(dumped: &Dumped) -> Option<Family> {
    let (_, name) = dumped.kernel.iter().find(|(part, _)| *part == FilterPart::Family)?;
    if name == "ipv6" { Some(Family::Ipv6) } else { Some(Family::Ipv4) }
}

/// Why the kernel is not asked for a part in dumps.
const fn why_left(part: FilterPart, family: Option<Family>) -> &'static str {
    match (part.in_dump(), family) {
        (InDump::Nothing, _) => "the kernel's filter has no such part",
        (InDump::Zone, _) => {
            "the kernel takes one zone, and cannot tell zone 0 from flows with a zone in one direction only"
        }
        (InDump::Bits, _) => "an empty mask holds for every entry, and the kernel refuses it",
        (InDump::Family, _) => "the other parts hold for no entry of that family",
        (InDump::Protocol | InDump::Address | InDump::Port, Some(Family::Ipv6)) => {
            "never asked for with IPv6: the kernel's comparison of IPv6 tuples is inverted (seen up to Linux 6.18)"
        }
        (InDump::Protocol | InDump::Address | InDump::Port, None) => {
            "the kernel compares tuples of one family; give family = \"ipv4\" where no IPv6 is meant"
        }
        (InDump::Port, Some(Family::Ipv4)) => "the kernel takes one port, and only beside one protocol, tcp or udp",
        (InDump::Protocol, Some(Family::Ipv4)) => "the kernel takes one protocol",
        (InDump::Address, Some(Family::Ipv4)) => "the kernel takes one whole address, no network and no list",
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
            ["the kernel gives entries with family ipv4, protocols tcp, zones 7, original-src 192.0.2.1, src-ports 53"]
        );
        assert_eq!(
            left,
            [
                "dst-ports: the kernel takes one port, and only beside one protocol, tcp or udp",
                "labels: the kernel's filter has no such part"
            ]
        );
        assert!(walk.concat().contains("whole hash table"));
        assert_eq!(
            replica,
            [
                "the replica finds its flows without a sweep, by original-src, and compares protocols, zones, \
                 src-ports, dst-ports",
                "each flow that it finds is read from the kernel, for labels; more than a quarter of the table by a sweep"
            ]
        );
        let events = events.concat();
        assert!(
            events.starts_with("the kernel drops others, by protocols, zones, original-src, src-ports, dst-ports ("),
            "{events}"
        );
        assert!(events.ends_with(" instructions); ctwarden matches labels"), "{events}");
    }

    #[test]
    fn a_tuple_of_ipv6_is_never_left_to_a_dump() {
        let [_, sweeps, left, _, _, events] =
            told("original-dst = [\"2001:db8::1\"], protocols = [\"udp\"], dst-ports = [53]");
        assert_eq!(sweeps, ["the kernel gives entries with family ipv6"]);
        let why =
            "never asked for with IPv6: the kernel's comparison of IPv6 tuples is inverted (seen up to Linux 6.18)";
        assert_eq!(left, ["protocols", "original-dst", "dst-ports"].map(|part| format!("{part}: {why}")));
        assert!(events.concat().starts_with("the kernel drops others, by protocols, original-dst, dst-ports ("));
    }

    #[test]
    fn what_would_help_is_said() {
        for (filter, expected) in [
            (
                "src-ports = [53], protocols = [\"udp\"]",
                "protocols: the kernel compares tuples of one family; give family = \"ipv4\"",
            ),
            (
                "family = \"ipv4\", src-ports = [53]",
                "src-ports: the kernel takes one port, and only beside one protocol, tcp or udp",
            ),
            ("family = \"ipv4\", protocols = [\"tcp\", \"udp\"]", "protocols: the kernel takes one protocol"),
            ("reply-src = [\"192.0.2.0/24\"]", "reply-src: the kernel takes one whole address, no network and no list"),
            ("zones = [0]", "zones: the kernel takes one zone, and cannot tell zone 0"),
            ("zones = [1, 2]", "zones: the kernel takes one zone"),
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
            ["the replica cannot find its flows, as it knows names and tuples only: a sweep each time"]
        );
        assert_eq!(events, ["none is left out by the kernel: it cannot be asked for labels"]);
    }

    #[test]
    fn without_an_address_the_copy_compares_each_flow_or_takes_a_sweep() {
        let [_, _, _, _, replica, _] = told("protocols = [\"udp\"], dst-ports = [53]");
        assert_eq!(
            replica,
            [
                "the replica finds its flows without a sweep, by comparing protocols, dst-ports of each",
                "rows of them take a sweep"
            ]
        );
        let [_, _, _, _, replica, _] = told("dst-ports = [53], labels = [1]");
        assert!(replica.concat().ends_with("a sweep each time"), "{replica:?}");
    }

    #[test]
    fn nothing_is_every_flow() {
        let [given, sweeps, left, _, _, events] = told("");
        assert_eq!((given, sweeps), (vec!["every flow".to_owned()], vec!["the kernel gives every entry".to_owned()]));
        assert_eq!(
            (left, events),
            (vec!["nothing".to_owned()], vec!["none is left out by the kernel: every flow is wanted".to_owned()])
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
