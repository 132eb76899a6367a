//! What rules decide: thresholds, doubled blocks, volumes, and what happens once.

use std::net::IpAddr;

use super::counted::Counted;
use super::{NOW, Remembered, SECOND, World, flow, rules};
use crate::decision::{Action, Decision};
use crate::flow::{Flow, Kind, Volume};
use crate::judge::{Judge, Tools};

struct Scene {
    judge: Judge,
    counters: Counted,
    world: World,
    memory: Remembered,
}

impl Scene {
    fn new(text: &str) -> Self {
        let judge = Judge::new(rules(text));
        let counters = Counted::new(judge.rules().counters());
        Self { judge, counters, world: World::default(), memory: Remembered::default() }
    }

    fn judge(&mut self, flow: &Flow) -> Vec<Action> {
        self.batch(std::slice::from_ref(flow)).into_iter().map(|decision| decision.action).collect()
    }

    fn batch(&mut self, flows: &[Flow]) -> Vec<Decision> {
        for (place, flow) in flows.iter().enumerate() {
            (self.counters.now, self.memory.now) = (flow.now, flow.now);
            self.judge.look(place, *flow, &mut self.world);
        }
        let mut decisions = Vec::new();
        let (source, counters, memory) = (&mut self.world, &mut self.counters, &mut self.memory);
        self.judge.decide(&mut Tools { source, counters, memory }, &mut decisions);
        decisions
    }
}

fn from(last: u8, after: u64) -> Flow {
    let mut flow = Flow { now: NOW + after * SECOND, ..flow() };
    flow.original.src = IpAddr::from([192, 0, 2, last]);
    flow
}

fn blocked(last: u8, seconds: u32) -> Action {
    Action::Block { set: "drop".to_owned(), network: format!("192.0.2.{last}").parse().unwrap(), seconds }
}

#[test]
fn a_rule_applies_from_the_threshold_on_for_each_key_alone() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'cap'\nper = 'source'\ncount = 3\nwithin = '16s'\nthen = { delete = true, alert = '{key}: {value}' }\n",
    );
    assert!(scene.judge(&from(1, 0)).is_empty());
    assert!(scene.judge(&from(1, 1)).is_empty());
    assert!(scene.judge(&from(2, 1)).is_empty());
    let third = scene.judge(&from(1, 2));
    assert!(
        matches!(third.as_slice(), [Action::Delete, Action::Alert { title, .. }] if title == "192.0.2.1: 3"),
        "{third:?}"
    );
    assert_eq!(scene.judge(&from(1, 3)), [Action::Delete], "people are told once in a window");
    assert!(scene.judge(&from(1, 60)).is_empty(), "the window is over");
    assert!(scene.judge(&Flow { kind: Kind::Row, ..from(1, 61) }).is_empty(), "only new flows count");
}

#[test]
fn a_block_doubles_on_return_up_to_its_limit_and_is_forgotten() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'b'\nper = 'source'\ncount = 1\nwithin = '1s'\n\
         then = { block = { set = 'drop', for = '10s', at-most = '35s', forget-after = '100s' } }\n",
    );
    for (after, expected) in [
        (0, vec![blocked(1, 10)]),
        (5, vec![]),
        (11, vec![blocked(1, 20)]),
        (40, vec![blocked(1, 35)]),
        (80, vec![blocked(1, 35)]),
        (220, vec![blocked(1, 10)]),
    ] {
        assert_eq!(scene.judge(&from(1, after)), expected, "after {after} s");
    }
    assert_eq!(scene.judge(&from(2, 220)), [blocked(2, 10)]);
    let mut scene2 = Scene::new(
        "[[rule]]\nname = 'b'\nper = 'source'\ncount = 1\nwithin = '1s'\n\
         then = { block = { set = 'drop', for = '10s', at-most = '35s', forget-after = '100s' } }\n",
    );
    scene2.memory = scene.memory.clone();
    assert_eq!(scene2.judge(&from(1, 235)), [blocked(1, 20)], "also after a restart");
}

#[test]
fn a_block_without_a_limit_does_not_double_and_takes_the_network_of_the_counter() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'b'\nper = { network = 'source', ipv4 = 24 }\ncount = 2\nwithin = '1s'\n\
         then = { block = { set = 'drop', for = '10s' } }\n",
    );
    scene.judge(&from(1, 0));
    let network = Action::Block { set: "drop".to_owned(), network: "192.0.2.0/24".parse().unwrap(), seconds: 10 };
    assert_eq!(scene.judge(&from(2, 0)), std::slice::from_ref(&network));
    scene.judge(&from(1, 20));
    assert_eq!(scene.judge(&from(2, 20)), [network]);
    let mut scene =
        Scene::new("[[rule]]\nname = 'b'\nthen = { block = { set = 'drop', for = '2m', who = 'destination' } }\n");
    let destination = Action::Block { set: "drop".to_owned(), network: "198.51.100.1".parse().unwrap(), seconds: 120 };
    assert_eq!(scene.judge(&from(1, 0)), [destination]);
    assert!(scene.judge(&from(2, 1)).is_empty(), "the same network once");
}

#[test]
fn volumes_count_what_came_since_the_last_look() {
    let text = "[[rule]]\nname = 'v'\nper = 'source'\nbytes = '1000B'\nwithin = '1h'\nthen = 'log'\n";
    let mut scene = Scene::new(text);
    let seen = |id: u32, kind: Kind, bytes: u64| Flow {
        id,
        kind,
        original_volume: Some(Volume { packets: 1, bytes }),
        reply_volume: Some(Volume::default()),
        ..flow()
    };
    scene.judge.sweep_begins();
    assert!(scene.judge(&seen(1, Kind::Row, 50_000)).is_empty(), "from before the start");
    assert!(scene.judge(&seen(9, Kind::Destroy, 50_000)).is_empty(), "perhaps also from before the start");
    scene.judge.sweep_ends();
    scene.judge.sweep_begins();
    assert!(scene.judge(&seen(1, Kind::Row, 50_600)).is_empty());
    assert!(scene.judge(&seen(2, Kind::Row, 300)).is_empty(), "a flow that began since the last sweep counts from 0");
    scene.judge.sweep_ends();
    let logged = scene.judge(&seen(1, Kind::Destroy, 50_700));
    let [Action::Log(fields)] = logged.as_slice() else { panic!("{logged:?}") };
    assert!(fields.contains(&("value".to_owned(), "1000".to_owned())), "{fields:?}");
    assert!(scene.judge(&seen(3, Kind::Destroy, 5)).is_empty(), "logged once in a window");
    assert!(scene.judge(&Flow { original_volume: None, reply_volume: None, ..seen(3, Kind::Destroy, 5) }).is_empty());
}

#[test]
fn different_values_are_counted() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 's'\nper = 'source'\ndistinct = { of = 'dst-port', count = 3 }\nwithin = '10s'\nthen = 'alert'\n",
    );
    let to = |port: u16| {
        let mut flow = flow();
        flow.original.dst_port = port;
        flow
    };
    for port in [1, 1, 2, 2, 1] {
        assert!(scene.judge(&to(port)).is_empty());
    }
    assert_eq!(scene.judge(&to(3)).len(), 1);
}

#[test]
fn a_flow_that_is_already_right_is_left_alone() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'm'\nthen = { mark = '0x2/0xf', label = { set = [1], clear = [2] }, timeout = '5m' }\n",
    );
    scene.world.labels = Some(0b10);
    assert!(scene.judge(&flow()).is_empty(), "mark 0x12, label 1, timeout 120 s");
    scene.world.labels = Some(0b100);
    let wrong = Flow { mark: Some(0x11), timeout: Some(301), ..flow() };
    let set = Action::Labels { set: 0b10, clear: 0b100 };
    let decided = scene.judge(&wrong);
    assert_eq!(decided.len(), 3);
    assert!(decided.contains(&set) && decided.contains(&Action::Timeout(300)), "{decided:?}");
    let ended = "[[rule]]\nname = 'd'\non = ['new', 'destroy']\nthen = ['delete', 'log']\n";
    let decided = Scene::new(ended).judge(&Flow { kind: Kind::Destroy, ..flow() });
    assert!(matches!(decided.as_slice(), [Action::Log(_)]), "{decided:?}");
}

#[test]
fn a_batch_asks_each_counter_once_and_decides_in_order() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'many'\nper = 'source'\ncount = 2\nwithin = '1m'\nthen = 'delete'\n\
         [[rule]]\nname = 'all'\nthen = 'kill'\n\
         [[rule]]\nname = 'ports'\nper = 'source'\ndistinct = { of = 'dst-port', count = 2 }\nwithin = '1m'\nthen = { timeout = '1s' }\n",
    );
    let mut other_port = from(1, 0);
    other_port.original.dst_port = 22;
    let decided = scene.batch(&[from(1, 0), from(2, 0), other_port]);
    let places: Vec<(usize, usize)> = decided.iter().map(|decision| (decision.place, decision.rule)).collect();
    assert_eq!(places, [(0, 1), (1, 1), (2, 0), (2, 1), (2, 2)]);
    assert_eq!(decided[2].reason, "192.0.2.1: 2 new flows within 60 s");
    assert_eq!(scene.counters.asked, 2);
    assert_eq!(scene.batch(&[from(3, 0)]).len(), 1, "nothing is left of the batch before");
    assert!(scene.batch(&[]).is_empty());
    assert_eq!(scene.counters.asked, 4, "without an addition, no counter is asked");
}

#[test]
fn a_counter_that_fails_is_told_and_the_other_rules_go_on() {
    let mut scene = Scene::new(
        "[[rule]]\nname = 'a'\nper = 'source'\ncount = 1\nwithin = '1h'\nthen = 'log'\n\
         [[rule]]\nname = 'b'\nthen = 'delete'\n",
    );
    assert_eq!(scene.judge(&from(1, 0)).len(), 2);
    scene.counters.broken = true;
    assert_eq!(scene.batch(&[from(2, 0), from(3, 0)]).len(), 2);
    assert_eq!(scene.judge.uncounted(), Some((2, "the counter is broken".to_owned())));
    assert_eq!(scene.judge.uncounted(), None);
}

#[test]
fn the_example_is_read() {
    let text = include_str!("../../../../../plugins/rules/examples/rules.toml");
    let rules = rules(text);
    assert!(rules.rules().len() >= 6);
    assert_eq!(rules.counters().len(), 3);
}
