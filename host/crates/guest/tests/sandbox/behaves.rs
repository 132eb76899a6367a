//! Behaviour without faults: the life of an instance, and the functions of the host.

use ctwarden_guest::{ConfigureError, LogStream};
use ctwarden_model::{Action, CounterKey, CounterKind, EventKinds, Target, Timestamp};

use crate::setup::{NOW, configured, flow, flows, limits, start};

#[test]
fn the_life_of_an_instance() {
    let (mut instance, recorded) = start("guest-good", limits());
    assert_eq!(instance.name().as_str(), "guest-good");
    let subscription = instance.configure(Timestamp(3), r#"{"a":1}"#).unwrap();
    assert_eq!(subscription.kinds, EventKinds { row: true, new: true, update: true, destroy: true });
    assert!(!subscription.expectations && subscription.tick_every.is_none() && subscription.filters.is_empty());
    let verdicts = instance.judge(&flows([80, 443])).unwrap();
    assert!(verdicts.iter().all(|verdict| verdict.code == "marked"));
    assert_eq!([&verdicts[0].target, &verdicts[1].target], [&Target::Entry(0), &Target::Entry(1)]);
    assert_eq!(instance.tick(NOW).unwrap()[0].reason, "7");
    // The instance keeps its memory between calls.
    let reply = instance.message(NOW, "configuration").unwrap().unwrap();
    assert_eq!(reply.text, r#"3 {"a":1}"#, "when it was configured, and with what");
    assert_eq!(reply.verdicts[0].action, Action::Sweep);
    assert!(instance.memory_bytes() > 0);
    instance.stop().unwrap();
    assert_eq!(recorded.with(|seen| seen.lines.clone()), [(LogStream::Output, "stopped".to_owned())]);
}

#[test]
fn a_plugins_own_error_is_no_fault() {
    let (mut instance, _) = configured("guest-good", "{}", limits());
    let said = instance.message(NOW, "nonsense").unwrap().unwrap_err();
    assert_eq!(said, "nonsense is nothing that this plugin knows");
    instance.judge(&flows([80])).unwrap();
}

#[test]
pub(crate) fn a_refusal_and_a_wrong_subscription_are_told_apart() {
    let configure = |json| start("guest-configure-refuses", limits()).0.configure(NOW, json);
    configure("{}").unwrap();
    assert_eq!(
        configure("[]").unwrap_err(),
        ConfigureError::Refused("[] is nothing that this plugin knows".to_owned())
    );
    assert_eq!(
        configure("\"fast tick\"").unwrap_err().to_string(),
        "its subscription is wrong: tick-every is 1 milliseconds, less than 10"
    );
    assert_eq!(
        configure("\"far label\"").unwrap_err().to_string(),
        "its subscription is wrong: filter 1: a label bit is above 127"
    );
    assert_eq!(
        configure("\"named set\"").unwrap_err().to_string(),
        "its subscription is wrong: filter 0: it names a set, and sets change while a subscription does not; name the \
         set in the subscription's sets and look addresses up in judge"
    );
}

#[test]
fn functions_of_the_host_answer() {
    let (mut instance, recorded) = configured("guest-good", "{}", limits());
    let mut ask = |text: &str| instance.message(NOW, text).unwrap().map(|reply| reply.text);
    assert_eq!(
        ask("table").unwrap(),
        "Some(Statistics { entries: 1, maximum: 2, insert-failed: 3, dropped: 4, early-dropped: 5, clashes: 6, invalid: 7 })"
    );
    assert_eq!(ask("lookup known").unwrap(), r#"[Some("value of 192.0.2.1"), None]"#);
    assert_eq!(ask("lookup other").unwrap_err(), "no set is called other");
    let asked = recorded.with(|seen| seen.lookups[0].clone());
    assert_eq!(asked, ("known".to_owned(), vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]));
    assert_eq!(ask("recall").unwrap(), "None");
    assert_eq!(ask("remember four").unwrap(), r#"["key"]"#);
    assert_eq!(ask("recall").unwrap(), "Some(4)");
    assert_eq!(recorded.with(|seen| seen.lifetimes["key"]), Some(60));
    assert_eq!(ask("forget").unwrap(), "None");
    // Details exist only for the batch that is judged, and no batch is judged now.
    assert_eq!(ask("detail").unwrap(), "None None");
}

#[test]
fn counters_take_keys_of_each_kind() {
    let (mut instance, recorded) = configured("guest-good", "{}", limits());
    let mut ask = |text: &str| instance.message(NOW, text).unwrap().map(|reply| reply.text);
    let specs = recorded.with(|seen| seen.counters.clone());
    let specs: Vec<_> = specs.iter().map(|spec| (spec.name(), spec.kind(), spec.window())).collect();
    assert_eq!(specs, [("rate", CounterKind::Sum, 60), ("ports", CounterKind::Distinct, 60)]);

    let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let keys = [
        CounterKey::Text("text".to_owned()),
        CounterKey::Number(443),
        CounterKey::Address(four),
        CounterKey::Pair(four, six),
        CounterKey::Service(six, 6, 443),
        CounterKey::Network("192.0.2.0/24".parse().unwrap()),
    ];
    assert_eq!(ask("count rate").unwrap(), format!("[1, 2, 3, 4, 5, 6] {} Ok(7)", u64::MAX));
    let added = recorded.with(|seen| seen.added.clone());
    let expected = keys.iter().cloned().zip(1..).chain([(CounterKey::Number(443), u64::MAX)]);
    assert_eq!(added, expected.collect::<Vec<_>>());
    assert_eq!(recorded.with(|seen| seen.reset.clone()), [CounterKey::Number(443)]);

    let largest =
        "[(Key::Number(80), 5), (Key::Network(Prefix { address: IpAddress::Ipv4(3221225984), length: 24 }), 6)]";
    assert_eq!(ask("distinct ports").unwrap(), format!("[0, 1, 2, 3, 4, 5] 6 {largest}"));
    let noted = recorded.with(|seen| seen.distinct.clone());
    let expected = keys.into_iter().chain([CounterKey::Number(80)]).map(|value| (CounterKey::Number(443), value));
    assert_eq!(noted, expected.collect::<Vec<_>>());

    let unknown =
        "there is no counter \"other\"; name it in subscription.counters, and use it after configure has returned";
    assert_eq!(ask("count other").unwrap_err(), unknown);
    assert_eq!(ask("overlong").unwrap_err(), "the text of a counter's key is longer than 256 bytes");
}

#[test]
fn a_request_for_an_entry_names_it_whole() {
    let (mut instance, recorded) = configured("guest-good", "\"echo\"", limits());
    let flow = flow(443);
    let verdicts = instance.judge(&crate::setup::batch([flow.clone()])).unwrap();
    assert_eq!(recorded.with(|seen| seen.keys.clone()), [flow.key()]);
    let Action::Log(fields) = &verdicts[0].action else { panic!("{verdicts:?}") };
    assert!(fields[0].1.ends_with("get=Some((Kind::Row, Some(9)))"), "{fields:?}");
}

#[test]
fn what_it_writes_is_logged_by_line() {
    let (mut instance, recorded) = configured("guest-good", "{}", limits());
    instance.message(NOW, "say two words").unwrap().unwrap();
    let line = |stream| (stream, "two words".to_owned());
    // The second line has no line end. The end of the call ends it.
    assert_eq!(recorded.with(|seen| seen.lines.clone()), [line(LogStream::Output), line(LogStream::Error)]);
}

#[test]
fn clock_and_random_work() {
    let (mut instance, _) = configured("guest-good", "{}", limits());
    let seconds: u64 = instance.message(NOW, "clock").unwrap().unwrap().text.parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(seconds) < 60, "{seconds} {now}");
    assert_eq!(instance.message(NOW, "random").unwrap().unwrap().text, "10");
}
