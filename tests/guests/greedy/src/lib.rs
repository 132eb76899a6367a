//! Filters by as many values as its configuration and messages say, in its subscription and in selections.
//!
//! This guest shows that matching flows against the filters of one plugin does not delay other plugins.
//!
//! Its configuration has `filters` and `ranges`: the filters of its subscription, and the port ranges of each. A
//! message is two numbers: the number of deletes, and the number of port ranges in the selection of each.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::bindings::ctwarden::conntrack::types::PortRange;
use plugin::{
    Action, Batch, Descriptor, Filter, Guest, Reply, Selection, Subscription, Target, Verdict, VerdictKinds, any_flow,
    descriptor, everything, verdict,
};

/// A policy that judges nothing and asks for much.
pub struct Greedy;

/// Odd ports, so that no two can be merged into one range.
fn ports(ranges: u32) -> Vec<PortRange> {
    let odd = (0..=u16::MAX).filter(|port| port % 2 == 1).cycle();
    odd.zip(0..ranges).map(|(port, _)| PortRange { first: port, last: port }).collect()
}

fn filter(ranges: u32) -> Filter {
    Filter { src_ports: ports(ranges), ..any_flow() }
}

/// The number after this name in a flat JSON object. 0 if there is none.
fn number(configuration: &str, name: &str) -> u32 {
    let behind = configuration.split_once(&format!("\"{name}\":")).map_or("", |(_, behind)| behind);
    let digits = behind.trim_start().split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

impl Guest for Greedy {
    fn describe() -> Descriptor {
        Descriptor { configuration_schema: "{}".to_owned(), ..descriptor() }
    }

    fn configure(_now: u64, configuration: String) -> Result<Subscription, String> {
        let ranges = number(&configuration, "ranges");
        let filters = (0..number(&configuration, "filters")).map(|_| filter(ranges)).collect();
        Ok(Subscription { needs: VerdictKinds::DELETE, filters, ..everything() })
    }

    fn judge(_batch: Batch) -> Vec<Verdict> {
        Vec::new()
    }

    fn tick(_now: u64) -> Vec<Verdict> {
        Vec::new()
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        let numbers: Option<(u32, u32)> =
            text.split_once(' ').and_then(|(count, ranges)| Some((count.parse().ok()?, ranges.parse().ok()?)));
        let (count, ranges) = numbers.ok_or("two numbers")?;
        let selection = |_| Target::Matching(Selection { filter: filter(ranges), limit: 0 });
        let verdicts = (0..count).map(selection).map(|target| verdict(target, Action::Delete, "greedy")).collect();
        Ok(Reply { text: String::new(), verdicts })
    }

    fn stop() {}
}

plugin::export_plugin!(Greedy);
