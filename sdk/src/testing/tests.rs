//! Tests of the harness: it delivers what the host would, and fails a test if the host would refuse a verdict.

use std::time::Duration;

use super::{Harness, Host, flow, json, start};
use crate::outcome::Report;
use crate::prelude::*;
use crate::table::Statistics;
use crate::verdict::Action;

/// Answers as the last message says, so that a test can make it misbehave.
struct Puppet(String);

impl Policy for Puppet {
    type Config = Nothing;
    const WANTS: &[VerdictKind] = &[VerdictKind::Delete, VerdictKind::Log, VerdictKind::Alert];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        Ok(Self(String::new()))
    }

    fn subscription(&self) -> Subscription {
        Subscription::to(&[Kind::New, Kind::Row])
            .needs([VerdictKind::Delete, VerdictKind::Log])
            .only(Filter::new().tcp().dst_port(22))
            .only(Filter::new().label(5))
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        match self.0.as_str() {
            "mark" => mark(1).into(),
            "alert" => alert("word").into(),
            "code" => delete().because("no code", "").into(),
            "set" => delete().on(Filter::new().in_set("lost")).into(),
            "ask" => {
                let helper = flow.helper().unwrap_or_default();
                let fetched = flow.key().fetch().and_then(|entry| entry.mark());
                let listed = sets::contains("list", flow.src()).unwrap_or(false);
                let entries = table::statistics().map(|figures| figures.entries);
                log([("all", format!("{helper} {fetched:?} {listed} {entries:?}"))]).into()
            }
            _ => delete().into(),
        }
    }

    fn tick(&mut self, _: Timestamp) -> Verdicts {
        delete().into()
    }

    fn message(&mut self, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
        self.0 = text.to_owned();
        match text {
            "remember" => memory::set_for("k", b"v", Lifetime::from_secs(60))?,
            "recall" => return Ok(reply(format!("{:?} {:?}", memory::get("k"), memory::keys("")))),
            _ => {}
        }
        Ok(reply(now.as_secs().to_string()))
    }
}

impl Outcomes for Puppet {
    fn concluded(&mut self, report: &Report, _: Timestamp) -> Verdicts {
        let flow = report.flow().map(|key| key.original.dst_port);
        log([("heard", format!("{} {:?} {:?} {}", report.code(), flow, report.outcome(), report.detail()))]).into()
    }
}

#[test]
fn a_policy_hears_what_became_of_its_verdicts() {
    let mut policy = puppet("");
    let answer = policy.event(flow().tcp().to("198.51.100.1:22"));
    let heard = policy.conclude(&answer[0], Outcome::Refused, "the kernel says no");
    assert_eq!(heard.lines(), [r#"log [("heard", "delete Some(22) Refused the kernel says no")]: log"#]);
}

#[test]
fn a_key_in_memory_ends_after_its_lifetime() {
    let mut policy = puppet("remember");
    let recalled = |policy: &mut Harness<Puppet>| policy.message("recall").unwrap().text().to_owned();
    policy.advance(Duration::from_millis(59_999));
    assert_eq!(recalled(&mut policy), "Some([118]) [\"k\"]");
    let mut policy = policy.restart().unwrap();
    policy.advance(Duration::from_millis(1));
    assert_eq!(recalled(&mut policy), "None []");
}

fn puppet(behaviour: &str) -> Harness<Puppet> {
    let mut policy = start(json!({})).unwrap();
    policy.message(behaviour).unwrap();
    policy
}

#[test]
fn only_what_was_subscribed_to_is_delivered() {
    let mut policy = puppet("");
    let ssh = || flow().to("198.51.100.1:22");
    let labelled = flow().labels(&[5]);
    let answer =
        policy.events([flow(), ssh().updated(), ssh(), labelled.by_us(), flow().labels(&[5]), ssh().destroyed()]);
    assert_eq!(answer.entries(VerdictKind::Delete), [0, 1], "counted among those that are delivered");
    assert!(policy.event(flow()).is_empty());
    assert_eq!(policy.sweep([flow(), ssh().updated()]).len(), 1);
}

#[test]
#[should_panic(expected = "the host would refuse \"mark 0x1/0xffffffff on entry 0: mark\": WANTS does not list mark")]
fn a_kind_that_is_not_wanted_fails_the_test() {
    puppet("mark").event(flow().to("198.51.100.1:22"));
}

#[test]
#[should_panic(expected = "the needs of its subscription do not list alert")]
fn a_kind_that_is_not_needed_fails_the_test() {
    puppet("alert").event(flow().to("198.51.100.1:22"));
}

#[test]
#[should_panic(expected = "the code \"no code\" is empty or has characters other than letters, digits and -")]
fn a_code_that_is_none_fails_the_test() {
    puppet("code").event(flow().to("198.51.100.1:22"));
}

#[test]
#[should_panic(expected = "the host would refuse \"delete on every match: delete\": there is no set lost")]
fn a_set_that_is_not_there_fails_the_test() {
    puppet("set").event(flow().to("198.51.100.1:22"));
}

#[test]
#[should_panic(expected = "it names no flow; name one with on()")]
fn a_deletion_of_nothing_fails_the_test() {
    puppet("").tick();
}

#[test]
fn a_policy_finds_what_the_host_has() {
    let ssh = flow().to("198.51.100.1:22").mark(9).helper("ssh-helper");
    let figures = Statistics { entries: 12, ..Statistics::default() };
    let host = Host::new().set("list", ["192.0.2.0/24 value"]).statistics(figures).holding(&ssh);
    let mut policy: Harness<Puppet> = host.start(json!({})).unwrap();
    policy.message("ask").unwrap();
    let answer = policy.event(ssh);
    let [verdict] = &answer[..] else { panic!("{:?}", answer.lines()) };
    let Action::Log(fields) = verdict.action() else { panic!("{verdict}") };
    assert_eq!(fields[0].1, "ssh-helper Some(9) true Some(12)");
}

#[test]
fn a_master_has_a_protocol() {
    let control = flow().udp().from("192.0.2.1:5060").to("198.51.100.1:5060");
    let media = flow().udp().expected_by(&control);
    let host = Host { rare: vec![media.rare], ..Host::new() };
    let told = super::imports::on(&mut host.clone(), || crate::host::details::master(0));
    let master = FlowTuple::from(told.unwrap());
    assert_eq!(master.to_string(), "udp 192.0.2.1:5060 > 198.51.100.1:5060");
}

#[test]
fn time_passes_when_the_test_says_so() {
    let mut policy = puppet("");
    let first: u64 = policy.message("").unwrap().text().parse().unwrap();
    policy.advance(Duration::from_secs(90));
    let second: u64 = policy.message("").unwrap().text().parse().unwrap();
    assert_eq!(second - first, 90);
}

#[test]
fn pings_are_echo_requests_of_their_family() {
    for (flow, protocol, kind, answer) in [
        (flow().ping(7), Protocol::ICMP, 8, 0),
        (flow().ping(7).from("2001:db8::1").to("2001:db8::2"), Protocol::ICMPV6, 128, 129 << 8),
    ] {
        let entry = Entry::from_wit(flow.record());
        assert_eq!(entry.protocol(), protocol);
        assert_eq!(entry.icmp(), Some(Icmp { id: 7, kind, code: 0 }));
        assert_eq!((entry.reply().src_port, entry.reply().dst_port), (7, answer));
        assert_eq!((entry.src_port(), entry.dst_port()), (None, None));
    }
}

/// Counts as its messages say.
struct Counting;

const RATE: Counter<Sum> = Counter::sum("rate", Duration::from_secs(10));
const PORTS: Counter<Distinct> = Counter::distinct("ports", Duration::from_millis(1));
const UNNAMED: Counter<Sum> = Counter::sum("unnamed", Duration::from_secs(10));

impl Policy for Counting {
    type Config = Nothing;
    const WANTS: &[VerdictKind] = &[];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        match RATE.add("early", 1) {
            Ok(_) => Err("a counter exists before configure has returned".into()),
            Err(_) => Ok(Self),
        }
    }

    fn subscription(&self) -> Subscription {
        Subscription::default().counter(&RATE).counter(&PORTS)
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        Verdicts::none()
    }

    fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(reply(match name {
            "add" => RATE.add(rest, 2)?.to_string(),
            "see" => PORTS.add("source", rest)?.to_string(),
            "value" => RATE.value(rest)?.to_string(),
            "reset" => RATE.reset(rest).map(|()| String::new())?,
            "all" => format!("{:?}", RATE.add_all(["a", "b", "a"].map(|key| (key.into(), 1)))?),
            "largest" => {
                RATE.largest(2)?.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
            }
            _ => UNNAMED.add(rest, 1)?.to_string(),
        }))
    }
}

#[test]
fn counters_count_over_their_window() {
    let mut policy = start::<Counting>(json!({})).unwrap();
    let said = |policy: &mut Harness<Counting>, text: &str| policy.message(text).map(|reply| reply.text().to_owned());
    assert_eq!(said(&mut policy, "add a").unwrap(), "2");
    policy.advance(Duration::from_secs(10));
    assert_eq!(said(&mut policy, "add a").unwrap(), "4");
    policy.advance(Duration::from_secs(1));
    assert_eq!(said(&mut policy, "value a").unwrap(), "2");
    assert_eq!(said(&mut policy, "all").unwrap(), "[3, 1, 4]");
    assert_eq!(said(&mut policy, "largest").unwrap(), "a=4 b=1");
    assert_eq!(said(&mut policy, "reset a").unwrap(), "");
    assert_eq!(said(&mut policy, "largest").unwrap(), "b=1");
    for (port, number) in [("22", "1"), ("80", "2"), ("22", "2")] {
        assert_eq!(said(&mut policy, &format!("see {port}")).unwrap(), number);
    }
    policy.advance(Duration::from_secs(2));
    assert_eq!(said(&mut policy, "see 22").unwrap(), "1", "the window is a second at least");
    assert!(said(&mut policy, "other").unwrap_err().contains("there is no counter \"unnamed\""));
    assert!(said(&mut policy, &format!("add {}", "x".repeat(257))).unwrap_err().contains("longer than 256 bytes"));
    let mut policy = policy.restart().unwrap();
    assert_eq!(said(&mut policy, "value b").unwrap(), "0", "a restart begins again");
}

#[test]
fn keys_of_counters_are_shown_as_they_are_meant() {
    let (four, six): (std::net::IpAddr, std::net::IpAddr) = ([192, 0, 2, 1].into(), "2001:db8::1".parse().unwrap());
    let shown = [
        CounterKey::from("a text"),
        CounterKey::from(443),
        CounterKey::from(four),
        CounterKey::from((four, six)),
        CounterKey::from((four, Protocol::TCP, 443)),
        CounterKey::from((six, Protocol::UDP, 53)),
        CounterKey::from(Prefix::around(four, 24)),
    ];
    let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
    let expected = [
        "a text",
        "443",
        "192.0.2.1",
        "192.0.2.1 2001:db8::1",
        "tcp 192.0.2.1:443",
        "udp [2001:db8::1]:53",
        "192.0.2.0/24",
    ];
    assert_eq!(shown, expected);
}

/// Has two counters of one name.
struct Overdone;

impl Policy for Overdone {
    type Config = Nothing;
    const WANTS: &[VerdictKind] = &[];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn subscription(&self) -> Subscription {
        Subscription::default().counter(&RATE).counter(&RATE)
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        Verdicts::none()
    }
}

#[test]
fn counters_that_the_host_would_refuse_fail_the_start() {
    let refused = start::<Overdone>(json!({})).map(|_| ()).unwrap_err();
    assert_eq!(refused, "two counters have the name rate; give each its own");
}
