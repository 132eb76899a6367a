//! `-o json`: one object per line, with every attribute that the other outputs have. Every command that prints entries
//! supports it.
//!
//! The original has no JSON, so its text for the same entry is the reference.

use ctwarden_tests::{Listener, Said, Scene, conntrack, original, remove, with_label_map};
use serde_json::Value;

use super::world::{FEW, LABELS, Traffic, fill, many};

fn objects(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The attributes of the object, as words of the original's `-o extended,id,labels,ktimestamp`. Leaves out attributes
/// whose values the two outputs write differently.
fn words_of(object: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = vec![text(&object["family"]), text(&object["protocol_number"]), text(&object["timeout"])];
    words.extend(object.get("state").map(text));
    for direction in ["original", "reply"] {
        let names = [
            ("src", "src"),
            ("dst", "dst"),
            ("src_port", "sport"),
            ("dst_port", "dport"),
            ("icmp_type", "type"),
            ("icmp_code", "code"),
            ("icmp_id", "id"),
            ("packets", "packets"),
            ("bytes", "bytes"),
        ];
        let direction = &object[direction];
        words.extend(names.iter().filter_map(|(key, name)| Some(format!("{name}={}", text(direction.get(key)?)))));
        for (key, name) in [("src_key", "srckey"), ("dst_key", "dstkey")] {
            words.extend(direction.get(key).and_then(Value::as_u64).map(|key| format!("{name}={key:#x}")));
        }
    }
    for (key, name) in [("mark", "mark"), ("use", "use"), ("id", "id"), ("helper", "helper"), ("secctx", "secctx")] {
        words.extend(object.get(key).map(|value| format!("{name}={}", text(value))));
    }
    words
}

#[test]
fn each_object_says_what_the_text_says() {
    let Some(scene) = Scene::new() else { return };
    let _traffic = Traffic::new(&scene);
    fill(&many());
    with_label_map(LABELS, || {
        let listed = Said::of(original(&["-L", "-o", "extended,id,labels,ktimestamp"]), "").good();
        let objects = objects(&Said::of(conntrack(&["-L", "-o", "json"]), "").good());
        assert_eq!(objects.len(), listed.lines().count());
        for (object, line) in objects.iter().zip(listed.lines()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for word in words_of(object) {
                // A second may pass between the two listings.
                let timeout = word
                    .parse::<u64>()
                    .is_ok_and(|seconds| words[4].parse::<u64>().is_ok_and(|other| seconds.abs_diff(other) <= 3));
                // DCCP's ports are zeros that the original makes up: the kernel has none.
                assert!(timeout || words.contains(&word.as_str()), "{word} of {object}\n{line}");
            }
            let flag = |name: &str| object["status"].as_array().unwrap().iter().any(|status| status == name);
            assert_eq!(flag("ASSURED"), words.contains(&"[ASSURED]"), "{object}");
            assert_eq!(flag("SEEN_REPLY"), !words.contains(&"[UNREPLIED]"), "{object}");
            assert!(object["started_ns"].as_u64().is_some_and(|start| start > 1_600_000_000_000_000_000), "{object}");
            let labels = object.get("label_names").map(|names| {
                let names: Vec<&str> = names.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                format!("labels={}", names.join(","))
            });
            assert_eq!(labels.is_some(), line.contains(" labels="), "{object}\n{line}");
            assert!(labels.is_none_or(|labels| words.contains(&labels.as_str())), "{object}\n{line}");
            let zone = words.iter().find_map(|word| word.strip_prefix("zone="));
            assert!(zone.is_none_or(|zone| zone.parse().is_ok_and(|zone: u64| object["zone"] == zone)), "{object}");
        }
        // Attributes that the original prints in no output.
        let with = |key: &str| objects.iter().filter(|object| object.get(key).is_some()).count();
        assert_eq!(with("master"), 1, "of the data connection");
        assert!(objects.iter().any(|object| object["original"].get("vtag").is_some()));
        assert!(objects.iter().any(|object| object["reply"].get("window_scale").is_some()));
        for half in ["original", "reply"] {
            assert!(objects.iter().any(|object| object[half].get("zone").is_some()), "{half}");
        }
        let expectations = Said::of(conntrack(&["-L", "expect", "-o", "json"]), "").good();
        let expectation: Value = serde_json::from_str(expectations.trim()).unwrap();
        assert_eq!((&expectation["helper"], &expectation["expected"]["dst_port"]), (&"ftp".into(), &20_022.into()));
        assert_eq!(expectation["master"]["dst_port"], 21, "{expectation}");
    });
}

#[test]
fn every_command_that_prints_entries_prints_objects() {
    let Some(_scene) = Scene::new() else { return };
    // Flows that are older than the listener have no events (nf_conntrack_events=2).
    let listener = [Listener::start(conntrack(&["-E", "-o", "json"]))];
    fill(FEW);
    let tcp = "-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80";
    for (line, count) in [
        (format!("-G {tcp} -o json"), 1),
        ("-L -p tcp -o json".to_owned(), 3),
        ("-L -s 203.0.113.1 -o json".to_owned(), 0),
        (format!("-U {tcp} -m 77 -o json"), 1),
        ("-D -p tcp -f ipv4 -o json".to_owned(), 2),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = Said::of(conntrack(&words), "").good();
        let objects = objects(&said);
        assert_eq!(objects.len(), count, "{line}: {said}");
        assert!(objects.iter().all(|object| object["protocol"] == "tcp" && object["id"].is_u64()), "{said}");
    }
    remove("-p udp -s 10.0.0.1");
    Listener::wait_for_all(&listener);
    let [heard] = listener.map(Listener::stop);
    let events = objects(&heard.out);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let (new, later) = kinds.split_at(FEW.lines().count());
    assert!(new.iter().all(|kind| *kind == "new"), "{}", heard.out);
    assert_eq!(later, ["update", "destroy", "destroy", "destroy"], "{}", heard.out);
    assert_eq!((&events[new.len()]["mark"], &events[new.len() + 3]["protocol"]), (&77.into(), &"udp".into()));
    assert!(events.iter().all(|event| event["portid"].is_u64()), "{}", heard.out);
}
