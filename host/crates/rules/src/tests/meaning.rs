//! What a condition means: by examples, and against CEL's own interpreter.

use std::collections::HashMap;

use cel::{Context, Program, Value};
use ctwarden_net::Protocol;
use proptest::prelude::*;

use super::{World, flow, when};
use crate::compile::Compiler;
use crate::expression::Expression;
use crate::field::{NAMES, Named, Type};
use crate::flow::{Flow, Volume};
use crate::lookups::Lookups;
use crate::predicate::Predicate;

fn holds(condition: &str, flow: &Flow, world: &mut World) -> Option<bool> {
    when(condition).rules()[0].holds(flow, world)
}

#[test]
fn every_field_has_its_value() {
    for condition in [
        "flow.family == 4",
        "flow.family == \"ipv4\"",
        "flow.zone == 3",
        "flow.protocol == \"tcp\"",
        "flow.protocol == 6",
        "flow.protocol in [\"tcp\", 17]",
        "flow.original.src == \"192.0.2.1\"",
        "flow.src == \"192.0.2.1\"",
        "flow.src == ip(\"192.0.2.1\")",
        "\"192.0.2.1\" == flow.src",
        "flow.original.dst in \"198.51.100.0/24\"",
        "flow.dst in cidr(\"198.51.100.0/24\")",
        "flow.dst in [\"10.0.0.0/8\", \"198.51.100.1\", \"2001:db8::/32\"]",
        "flow.reply.src == flow.original.dst && flow.reply.dst == flow.src",
        "flow.original.src != flow.original.dst",
        "flow.src_port == 40000 && flow.dst_port == 443",
        "flow.reply.src_port == 443 && flow.reply.dst_port == 40000",
        "flow.dst_port in [80, 443]",
        "flow.status == 14",
        "flow.status.assured && flow.status.seen_reply && !flow.status.dying",
        "flow.state == 3",
        "flow.mark == 0x12u",
        "math.bitAnd(flow.mark, 0xf) == 2",
        "0x10 == math.bitAnd(0xf0, flow.mark)",
        "math.bitOr(flow.mark, 1) == 0x13",
        "3 in flow.labels && !(4 in flow.labels)",
        "flow.helper == \"ftp\" && flow.helper in [\"sip\", \"ftp\"]",
        "flow.bytes == 1400 && flow.packets == 5",
        "flow.original.bytes == 400 && flow.original.packets == 3",
        "flow.reply.bytes == 1000 && flow.reply.packets == 2",
        "flow.reply.bytes / flow.reply.packets == 500",
        "flow.bytes > 2 * flow.original.bytes",
        "flow.timeout == duration(\"2m\")",
        "flow.timeout > duration(\"1m\") + duration(\"30s\")",
        "flow.age >= duration(\"90s\") && flow.age < duration(\"91s\")",
        "now - flow.started == duration(\"90s\")",
        "flow.started < timestamp(\"2026-01-01T00:00:00Z\")",
        "now >= timestamp(\"2026-01-01T01:00:00+01:00\")",
        "now.getHours() == 0 && now.getHours(\"+02:00\") == 2 && now.getHours(\"-01:00\") == 23",
        "now.getDayOfWeek() == 4 && now.getMinutes() == 0",
        "has(flow.mark) && has(flow.helper) && has(flow.labels) && !has(flow.stopped)",
        "flow.dst_port == 443 ? flow.zone == 3 : flow.zone == 4",
        "flow.status.assured == true",
        "flow.zone == 9 || flow.zone == 3",
        "!(flow.zone == 9)",
        "-1 < flow.zone - 1",
    ] {
        let mut world = World { helper: Some("ftp".to_owned()), labels: Some(1 << 3), ..World::default() };
        assert_eq!(holds(condition, &flow(), &mut world), Some(true), "{condition}");
        let inverse = format!("!({condition})");
        assert_eq!(holds(&inverse, &flow(), &mut world), Some(false), "{inverse}");
    }
}

#[test]
fn every_name_is_tested_above() {
    let text = include_str!("meaning.rs");
    for name in crate::names() {
        let tested = text.contains(name) || name == "flow.stopped";
        assert!(tested, "{name}");
    }
}

#[test]
fn a_field_that_is_absent_makes_the_condition_unknown() {
    let bare = Flow {
        status: None,
        state: None,
        timeout: None,
        mark: None,
        original_volume: None,
        reply_volume: None,
        started: None,
        ..flow()
    };
    for (condition, expected) in [
        ("flow.mark == 0", None),
        ("flow.mark != 5", None),
        ("!has(flow.mark) || flow.mark == 0", Some(true)),
        ("flow.zone == 3 || flow.mark == 1", Some(true)),
        ("flow.zone == 4 && flow.mark == 1", Some(false)),
        ("flow.mark == 1 && flow.zone == 4", Some(false)),
        ("flow.zone == 3 && flow.mark == 1", None),
        ("flow.bytes > 5", None),
        ("flow.status.assured", None),
        ("flow.helper == \"ftp\"", None),
        ("3 in flow.labels", None),
        ("flow.age > duration(\"1s\")", None),
        ("flow.src in sets.lost", None),
        ("!(flow.src in sets.lost)", None),
    ] {
        assert_eq!(holds(condition, &bare, &mut World::default()), expected, "{condition}");
    }
    let ping = Flow { protocol: Protocol::ICMP, ..flow() };
    assert_eq!(holds("flow.dst_port == 443", &ping, &mut World::default()), None, "ICMP has no ports");
    let one_way = Flow { reply_volume: None, ..flow() };
    assert_eq!(holds("flow.bytes == 400", &one_way, &mut World::default()), Some(true));
}

#[test]
fn sets_are_looked_up_by_address() {
    let condition = "flow.src in sets.a || flow.dst in set(\"b-c\") || sets.a[flow.src] == \"DE\" || sets[\"d\"][flow.dst] in [\"x\", \"y\"]";
    let rules = when(condition);
    let lookups: Vec<String> =
        rules.lookups().iter().map(|lookup| format!("{} {:?}", lookup.set, lookup.address)).collect();
    assert_eq!(lookups, ["a OriginalSrc", "b-c OriginalDst", "d OriginalDst"]);
    assert_eq!(rules.rules()[0].reads(), ["a", "b-c", "d"]);
    let mut world = World::default();
    let listed = |values: [Option<&str>; 3]| (0..).zip(values.map(|value| value.map(str::to_owned))).collect();
    for (values, expected) in [
        ([None, None, None], false),
        ([Some("FR"), None, None], true),
        ([None, Some(""), None], true),
        ([None, None, Some("y")], true),
        ([None, None, Some("z")], false),
    ] {
        world.listed = listed(values);
        assert_eq!(rules.rules()[0].holds(&flow(), &mut world), Some(expected), "{values:?}");
    }
    let member = when("flow.zone == 1 && flow.src in sets.a && flow.dst in sets.b");
    assert_eq!(member.rules()[0].member_of().unwrap(), ["a"]);
    assert_eq!(when("!(flow.src in sets.a)").rules()[0].member_of(), None);
}

/// Fields whose value CEL's interpreter also knows here.
fn numbers() -> Vec<&'static str> {
    let is_number = |(name, named): &(&'static str, Named)| match named {
        Named::Number(_, Type::Int) if *name != "now" && name.starts_with("flow.") => Some(*name),
        Named::Number(..) | Named::Address(_) | Named::Helper | Named::Labels | Named::Bit(_) => None,
    };
    NAMES.iter().filter_map(is_number).filter(|name| *name != "flow.status").collect()
}

fn number() -> impl Strategy<Value = String> {
    let field = prop::sample::select(numbers()).prop_map(str::to_owned);
    let constant = (0_i64..20).prop_map(|number| number.to_string());
    let leaf = prop_oneof![4 => field, 1 => constant];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner)
            .prop_map(|(left, sign, right)| format!("({left} {sign} {right})"))
    })
}

fn condition() -> impl Strategy<Value = String> {
    let order = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let compared = (number(), order, number()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}"));
    let listed = (prop::sample::select(numbers()), prop::collection::vec(0_i64..20, 1..4))
        .prop_map(|(field, list)| format!("{field} in {list:?}"));
    prop_oneof![3 => compared, 1 => listed].prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
            inner.clone().prop_map(|inner| format!("!({inner})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

prop_compose! {
    fn any_flow()(
        numbers in prop::collection::vec(0_u16..20, 12),
        absent in prop::collection::vec(prop::bool::weighted(0.15), 5),
    ) -> Flow {
        let base = flow();
        let at = |index: usize| numbers[index];
        let volume = |index: usize| Volume { packets: at(index).into(), bytes: at(index + 1).into() };
        let given = |index: usize| !absent[index];
        let mut flow = Flow { zone: at(0), protocol: Protocol::UDP, ..base };
        flow.original.src_port = at(1);
        flow.original.dst_port = at(2);
        flow.reply.src_port = at(3);
        flow.reply.dst_port = at(4);
        flow.state = given(0).then_some(at(5) as u8);
        flow.mark = given(1).then_some(at(6).into());
        flow.original_volume = given(2).then_some(volume(7));
        flow.reply_volume = given(3).then_some(volume(9));
        flow
    }
}

/// The flow as CEL's interpreter sees it: tables of numbers, and an absent field is an absent key.
fn context(flow: &Flow) -> Context<'static, 'static> {
    let mut tables: HashMap<&str, HashMap<String, Value>> = HashMap::new();
    for name in numbers() {
        let Some((_, Named::Number(field, _))) = NAMES.iter().find(|(known, _)| *known == name) else { continue };
        let Some(value) = field.of(flow) else { continue };
        let path = name.trim_start_matches("flow.");
        let (table, key) = path.split_once('.').unwrap_or(("", path));
        tables.entry(table).or_default().insert(key.to_owned(), Value::Int(value));
    }
    let mut whole = tables.remove("").unwrap_or_default();
    for direction in ["original", "reply"] {
        whole.insert(direction.to_owned(), tables.remove(direction).unwrap_or_default().into());
    }
    let mut context = Context::default();
    context.add_variable_from_value("flow", Value::from(whole));
    context
}

fn compiled(condition: &str) -> Option<Predicate> {
    let expression = Expression::parse(condition).ok()?;
    let mut lookups = Lookups::default();
    let mut compiler = Compiler { expression: &expression, lookups: &mut lookups, protocols: &[] };
    let conjuncts = compiler.conjuncts(&expression.root).ok()?;
    Some(Predicate::all(conjuncts.into_iter().map(|conjunct| conjunct.predicate).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Where CEL's interpreter has an answer, the compiled condition has the same. Where a field is absent, a number does
    /// not fit or a division is by 0, the interpreter has an error. Then the compiled condition is unknown, unless the
    /// rest decides.
    #[test]
    fn a_compiled_condition_answers_as_the_interpreter(condition in condition(), flow in any_flow()) {
        // A comparison that has one answer for all flows is refused, and such an expression says nothing here.
        let Some(predicate) = compiled(&condition) else { return Ok(()) };
        let ours = predicate.holds(&flow, &mut World::default());
        let theirs = Program::compile(&condition).unwrap().execute(&context(&flow));
        if let Ok(Value::Bool(theirs)) = theirs {
            prop_assert_eq!(ours, Some(theirs), "{} {:?}", condition, predicate);
        }
    }

    #[test]
    fn what_is_impossible_by_the_domain_never_holds(condition in condition(), flow in any_flow()) {
        let Some(predicate) = compiled(&condition) else { return Ok(()) };
        let mut domain = crate::domain::Domain::default();
        if domain.require(&predicate).is_err() {
            prop_assert_ne!(predicate.holds(&flow, &mut World::default()), Some(true), "{}", condition);
        }
    }
}

#[test]
fn most_random_conditions_are_compiled_and_answered() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut known, total) = (0, 500);
    for _ in 0..total {
        let condition = condition().new_tree(&mut runner).unwrap().current();
        let flow = any_flow().new_tree(&mut runner).unwrap().current();
        let answer = compiled(&condition).and_then(|predicate| predicate.holds(&flow, &mut World::default()));
        known += usize::from(answer.is_some());
    }
    assert!(known > total / 4, "{known} of {total}");
}
