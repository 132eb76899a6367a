//! Measures what a compiled rule costs for each flow.
//!
//! Run: `cargo run --release -p ctwarden-rules --example rule_cost`.
//!
//! For each rule, it prints the nanoseconds that the condition takes for one flow: the fastest of 20 runs over 1,024
//! different flows. The lookup of a set is left out, because it is a call of the host for a whole batch.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use ctwarden_net::Protocol;
use ctwarden_rules::{
    Action, Counters, Decision, Ends, Flow, Judge, Key, Kind, Listed, Memory, Rules, Source, Tools, Volume,
};

/// Every set contains every fourth address.
struct Sets(usize);

impl Source for Sets {
    fn turn_to(&mut self, place: usize) {
        self.0 = place;
    }
    fn helper(&mut self) -> Option<String> {
        None
    }
    fn labels(&mut self) -> Option<u128> {
        Some(0)
    }
    fn look_up(&mut self, _: usize) -> Listed<'_> {
        if self.0.is_multiple_of(4) { Listed::With("DE") } else { Listed::No }
    }
}

/// No counters and no memory.
struct Nothing;

impl Counters for Nothing {
    fn add_all(&mut self, _: usize, additions: &[(Key, u64)]) -> Result<Vec<u64>, String> {
        Ok(vec![0; additions.len()])
    }
    fn add_all_distinct(&mut self, _: usize, additions: &[(Key, Key)]) -> Result<Vec<u64>, String> {
        Ok(vec![0; additions.len()])
    }
}

impl Memory for Nothing {
    fn get(&mut self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn set(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
        Ok(())
    }
}

fn flow(number: u32) -> Flow {
    let address = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits));
    let (src, dst) = (address(0x0a00_0000 | number.wrapping_mul(40_503)), address(0xc633_6400 | (number % 256)));
    let port = u16::try_from(number % 60_000).unwrap_or(0);
    let volume = Volume { packets: number.into(), bytes: u64::from(number) * 700 };
    Flow {
        kind: Kind::New,
        id: number,
        zone: 0,
        protocol: if number.is_multiple_of(3) { Protocol::UDP } else { Protocol::TCP },
        original: Ends { src, dst, src_port: 40_000, dst_port: port },
        reply: Ends { src: dst, dst: src, src_port: port, dst_port: 40_000 },
        status: Some(number % 512),
        state: Some(3),
        timeout: Some(number),
        mark: Some(number % 64),
        original_volume: Some(volume),
        reply_volume: Some(volume),
        started: Some(1_767_225_600_000_000_000),
        stopped: None,
        now: 1_767_225_700_000_000_000,
    }
}

/// Returns the nanoseconds for one flow in the fastest of 20 runs. Slower runs were delayed by other work.
fn best(flows: &[Flow], mut work: impl FnMut(&Flow)) -> f64 {
    best_batch(flows, |flows| flows.iter().for_each(&mut work))
}

/// Does the same for work on all flows at once.
fn best_batch(flows: &[Flow], mut work: impl FnMut(&[Flow])) -> f64 {
    let run = |_| {
        let begun = Instant::now();
        for _ in 0..20 {
            work(flows);
        }
        begun.elapsed().as_nanos() as f64 / 20.0 / flows.len() as f64
    };
    (0..20).map(run).fold(f64::INFINITY, f64::min)
}

const RULES: [(&str, &str, &str); 10] = [
    ("port", "", "flow.dst_port == 22"),
    ("ports", "", "flow.dst_port in [22, 80, 443, 8080, 8443]"),
    ("network", "", "flow.src in \"10.0.0.0/8\""),
    ("networks", "original-dst = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '203.0.113.0/24']", ""),
    ("set", "", "flow.src in sets.banned"),
    ("country", "", "sets.countries[flow.src] in [\"RU\", \"KP\"]"),
    ("mark", "", "math.bitAnd(flow.mark, 0x0f) == 3 && flow.status.assured && !flow.status.dying"),
    (
        "idle",
        "protocols = ['tcp'], states = ['ESTABLISHED']",
        "flow.timeout < duration(\"10m\") && flow.age > duration(\"1m\")",
    ),
    (
        "hours",
        "protocols = ['tcp'], dst-ports = ['1-30000']",
        "now.getHours(\"+01:00\") >= 7 && now.getHours(\"+01:00\") < 19",
    ),
    ("ratio", "", "flow.bytes > 1000 * flow.packets && (flow.dst_port == 53 || flow.dst_port == 853)"),
];

fn rule((name, matching, when): &(&str, &str, &str), more: &str) -> String {
    let matching = if matching.is_empty() { String::new() } else { format!("match = {{ {matching} }}\n") };
    let when = if when.is_empty() { String::new() } else { format!("when = '{when}'\n") };
    format!("[[rule]]\nname = '{name}'\n{matching}{when}{more}")
}

fn read(text: &str) -> Result<Rules, Box<dyn std::error::Error>> {
    ctwarden_rules::file::read(text, &|_| Ok(())).map_err(|problems| format!("{text}: {problems:?}").into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flows: Vec<Flow> = (0..1024).map(flow).collect();
    let mut source = Sets(0);
    let empty = best(&flows, |flow| {
        black_box(black_box(flow).zone);
    });
    println!("the loop alone: {empty:.1} ns");
    let mut sum = 0.0;
    for written in &RULES {
        let rules = read(&rule(written, "then = 'log'\n"))?;
        let rule = rules.rules().first().ok_or("no rule")?;
        let took = best(&flows, |flow| {
            source.0 = source.0.wrapping_add(1);
            black_box(rule.holds(black_box(flow), &mut source));
        });
        sum += took;
        println!("{:10} {took:5.1} ns", written.0);
    }
    println!("mean of the {} conditions: {:.1} ns", RULES.len(), sum / RULES.len() as f64);

    // The whole judge. No rule applies, so the judge builds no verdict.
    let never = "on = ['update']\nthen = 'log'\n";
    for more in [never, "on = ['new']\nthen = { mark = '0/0' }\n"] {
        let text: String = RULES.iter().map(|written| rule(written, more)).collect();
        let mut judge = Judge::new(read(&text)?);
        let mut decisions: Vec<Decision> = Vec::new();
        let took = best_batch(&flows, |flows| {
            for (place, flow) in flows.iter().enumerate() {
                source.turn_to(place);
                judge.look(place, *black_box(flow), &mut source);
            }
            let mut tools = Tools { source: &mut source, counters: &mut Nothing, memory: &mut Nothing };
            judge.decide(&mut tools, &mut decisions);
        });
        let what = if more == never { "no rule takes the kind" } else { "every condition is evaluated" };
        println!("judge with 10 rules, {what}: {took:.1} ns a flow, {:.1} ns a rule and flow", took / 10.0);
        assert!(!decisions.iter().any(|decision| decision.action == Action::Delete));
    }
    Ok(())
}
