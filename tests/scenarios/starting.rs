//! Errors of a configuration or a plugin at the start: one clear line each, and nothing is started.
//!
//! The line is all that a person has at that moment. It therefore names the file, the plugin and the solution.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ctwarden_tests::{Policy, Said, Scene, ctwarden, insert, table};

/// Starts the daemon with the present configuration, which must fail, and returns the lines of the error. `check`
/// prints the same lines.
fn refused(scene: &Scene) -> Vec<String> {
    if table().is_empty() {
        insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    }
    let lines = |said: &str| -> Vec<String> { said.lines().map(str::to_owned).collect() };
    let said = scene.verb("run").failed();
    assert!(!scene.control().exists(), "it listens: {said}");
    assert!(!scene.path("records.jsonl").exists(), "it has begun to write records: {said}");
    assert_eq!(table()[0].mark, 0, "a plugin ran");
    assert_eq!(lines(&said), lines(&scene.verb("check").failed()));
    lines(&said)
}

/// A valid plugin beside the wrong one. The daemon must not start it either.
fn good() -> Policy {
    Policy::scripted(&["row udp 53: mark 1/1", "new udp 53: mark 1/1"])
}

/// The only error line for a component with these bytes.
fn refused_component(bytes: &[u8]) -> Option<String> {
    let scene = Scene::new()?;
    scene.write("odd.wasm", bytes);
    scene.configure(format!("{}{}", good(), Policy::new("odd", "odd")));
    let mut lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("plugin odd") && lines[0].contains("odd.wasm"), "{lines:?}");
    assert!(lines[0].contains("ctwarden.toml:"), "{lines:?}");
    lines.pop()
}

#[test]
fn a_core_module_is_told_from_a_component() {
    let Some(said) = refused_component(b"\0asm\x01\0\0\0") else { return };
    assert!(said.contains("core module") && said.contains("wasm32-wasip2"), "{said}");
}

#[test]
fn what_is_no_webassembly_is_told_so() {
    let Some(said) = refused_component(b"#!/bin/sh\necho no\n") else { return };
    assert!(said.contains("not webassembly"), "{said}");
}

#[test]
fn a_component_of_another_world_is_told_what_it_lacks() {
    // Layer 1, version 13, and no content.
    let Some(said) = refused_component(b"\0asm\x0d\0\x01\0") else { return };
    assert!(said.contains("ctwarden:conntrack/policy@0.1") && said.contains("lacks"), "{said}");
}

#[test]
fn a_component_of_another_line_is_told_both_versions() {
    let name = b"ctwarden:conntrack/policy@0.9.0";
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // An instance without exports, exported by this name (component-model, Binary.md: sections 5 and 11).
    bytes.extend([5, 3, 1, 1, 0]);
    let length = u8::try_from(name.len()).unwrap();
    bytes.extend([11, length + 6, 1, 0, length]);
    bytes.extend(name);
    bytes.extend([5, 0, 0]);
    let Some(said) = refused_component(&bytes) else { return };
    assert!(said.contains("0.9.0") && said.contains("0.1.0"), "{said}");
}

#[test]
fn a_broken_component_is_told_so() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(Policy::scripted(&[]));
    let whole = fs::read(scene.path("guest-scripted.wasm")).unwrap();
    drop(scene);
    let Some(said) = refused_component(&whole[..whole.len() / 2]) else { return };
    assert!(said.contains("not a valid component"), "{said}");
}

#[test]
fn a_missing_component_is_named() {
    let Some(scene) = Scene::new() else { return };
    scene.write("none.wasm", "");
    scene.configure(format!("{}{}", good(), Policy::new("none", "none")));
    fs::remove_file(scene.path("none.wasm")).unwrap();
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("plugin none")
            && lines[0].contains(&format!("there is no {}", scene.path("none.wasm").display())),
        "{lines:?}"
    );
}

#[test]
fn a_file_that_others_can_write_to_is_refused_with_the_chmod() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(good());
    let component = scene.path("guest-scripted.wasm");
    fs::set_permissions(&component, Permissions::from_mode(0o666)).unwrap();
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("chmod") && lines[0].contains(&component.display().to_string()), "{lines:?}");
    fs::set_permissions(&component, Permissions::from_mode(0o644)).unwrap();

    let configuration = scene.configuration();
    fs::set_permissions(&configuration, Permissions::from_mode(0o602)).unwrap();
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("chmod") && lines[0].contains("ctwarden.toml"), "{lines:?}");
    fs::set_permissions(&configuration, Permissions::from_mode(0o600)).unwrap();

    fs::set_permissions(scene.folder(), Permissions::from_mode(0o777)).unwrap();
    assert!(refused(&scene).iter().all(|line| line.contains("chmod")));
    fs::set_permissions(scene.folder(), Permissions::from_mode(0o755)).unwrap();
    assert!(scene.verb("check").is_good(), "the way out that is told mends it");
}

#[test]
fn a_configuration_that_the_plugin_does_not_take_is_told_with_its_key() {
    let Some(scene) = Scene::new() else { return };
    let odd = |config: &str| format!("{}{}", good(), Policy::new("odd", "guest-scripted").config(config));
    scene.configure(odd("sweep-every = \"often\"\nrulez = []"));
    let lines = refused(&scene);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("plugin odd") && line.contains("[plugin.config]")), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("sweep-every")) && lines.iter().any(|line| line.contains("rulez")),
        "{lines:?}"
    );

    scene.configure(odd("rules = [\"always delete\"]"));
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("plugin odd") && lines[0].contains("always delete: write WHEN: WHAT"), "{lines:?}");
}

#[test]
fn every_mistake_in_the_file_is_named_with_its_line() {
    let Some(scene) = Scene::new() else { return };
    let other = Policy::new("other", "guest-scripted")
        .key("allow = [\"mark\", \"destroy\"]\nmark-mask = 0xf0\nmod = \"enforce\"");
    let first = Policy::new("first", "guest-scripted").key("allow = [\"mark\"]\nmark-mask = 0x30");
    let second = Policy::new("second", "guest-scripted").key("allow = [\"mark\", \"ban\"]\nmark-mask = 0x60");
    scene.configure(format!("{first}{second}{other}[[protect]]\nstates = [\"OPEN\"]\n"));
    let lines = refused(&scene);
    let text = fs::read_to_string(scene.configuration()).unwrap();
    let line_of = |part: &str| text.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (part, words) in [
        ("mod = ", vec!["mod", "plugin other", "mode"]),
        ("\"ban\"", vec!["ban", "plugin second", "delete"]),
        ("0x60", vec!["mark-mask", "plugin second", "plugin first", "0x20"]),
        ("OPEN", vec!["OPEN", "states"]),
    ] {
        let place = format!("ctwarden.toml:{}:", line_of(part));
        let found: Vec<_> = lines.iter().filter(|line| line.contains(&place)).collect();
        assert!(
            found.iter().any(|line| words.iter().all(|word| line.contains(word))),
            "{part} at {place} in {lines:#?}"
        );
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let Some(scene) = Scene::new() else { return };
    scene.write("ctwarden.toml", "[daemon]\ncontrol = \"open\n");
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ctwarden.toml:2:"), "{lines:?}");
    fs::remove_file(scene.configuration()).unwrap();
    let lines = refused(&scene);
    assert!(lines.len() == 1 && lines[0].contains("there is no") && lines[0].contains("ctwarden.toml"), "{lines:?}");
}

#[test]
fn a_second_daemon_on_the_same_socket_is_told_who_has_it() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(good());
    // The state folder and the records differ, so the two daemons share only the socket.
    let text = fs::read_to_string(scene.configuration())
        .unwrap()
        .replace("/state\"", "/other\"")
        .replace("/records", "/others");
    scene.write("second.toml", text);
    let mut second = ctwarden();
    second.arg("run").arg("--config").arg(scene.path("second.toml"));
    let said = Said::of(second, "").failed();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("control.sock") && said.contains(&daemon.id().to_string()), "{said}");
    assert!(!scene.path("others.jsonl").exists(), "{said}");
    assert!(daemon.verb("status").is_good(), "the first one goes on");
    let _ = daemon.stop();
    let again = scene.start_again();
    let _ = again.stop();
}

#[test]
fn without_the_capability_it_says_how_to_grant_it() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(good());
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]);
    command.arg(ctwarden().get_program()).arg("run").arg("--config").arg(scene.configuration());
    let said = Said::of(command, "").failed();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("setcap cap_net_admin+ep"), "{said}");
    assert!(!scene.control().exists() && !scene.path("records.jsonl").exists());
    // Verbs that need no privilege work without it.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]);
    command.arg(ctwarden().get_program()).arg("check").arg("--config").arg(scene.configuration());
    assert!(Said::of(command, "").is_good());
}

#[test]
fn who_enforces_needs_its_grants_and_who_observes_is_warned() {
    let Some(scene) = Scene::new() else { return };
    let cap = |policy: Policy| policy.config("limit = 20\naction = \"delete\"").key("allow = [\"alert\", \"sweep\"]");
    let new = || Policy::new("cap", "connection-cap");
    scene.configure(format!("{}{}", good(), cap(new().enforce())));
    let lines = refused(&scene);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for words in ["plugin cap", "needs delete", "allow = [\"delete\", \"alert\", \"sweep\"]", "ctwarden.toml:"] {
        assert!(lines[0].contains(words), "{words} is not in {lines:?}");
    }

    // The daemon does not warn about a grant that only another configuration of the plugin would need.
    let daemon = scene.start(format!("{}{}", good(), cap(new())));
    daemon.wait_for_err(&["warning: plugin cap: its configuration needs delete"]);
    assert!(!daemon.err().contains("block"), "{}", daemon.err());
    let _ = daemon.stop();
}

#[test]
fn a_check_refuses_each_place_that_a_start_refuses_and_makes_nothing() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(good());
    let whole = fs::read_to_string(scene.configuration()).unwrap();
    let folder = scene.folder().display().to_string();
    scene.write("file", "");
    for (key, place, words) in [
        ("control", format!("{folder}/{}/control.sock", "x".repeat(100)), "at most 107"),
        ("control", format!("{folder}/file/control.sock"), "not a directory"),
        ("state", format!("{folder}/file"), "not a directory"),
        ("records", format!("{folder}/none/records.jsonl"), "there is no"),
        ("records", folder.clone(), "is a directory"),
    ] {
        let line = |line: &str| {
            if line.starts_with(&format!("{key} = ")) { format!("{key} = \"{place}\"\n") } else { format!("{line}\n") }
        };
        scene.write("ctwarden.toml", whole.lines().map(line).collect::<String>());
        let lines = refused(&scene);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!("daemon.{key}: ")) && lines[0].contains(words), "{lines:?}");
        assert!(!scene.path("state").exists(), "{lines:?}");
    }
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let Some(scene) = Scene::new() else { return };
    let block =
        |name: &str| format!("[block.{name}]\ntable = \"inet {name}\"\nipv4 = \"{name}4\"\nipv6 = \"{name}6\"\n");
    ctwarden_tests::load("table inet b { set other { type ipv4_addr; } }");
    scene.configure(format!("{}{}{}", block("a"), block("b"), Policy::new("none", "guest-trap").config("x = 1")));
    let lines = refused(&scene);
    for words in ["set a", "b4", "b6", "plugin none"] {
        assert!(lines.iter().any(|line| line.contains(words)), "{words} is not in {lines:#?}");
    }
}

#[test]
fn mistakes_of_the_text_hide_no_set_and_no_place_that_is_missing() {
    let Some(scene) = Scene::new() else { return };
    let block = "[block.a]\ntable = \"inet a\"\nipv4 = \"a4\"\nipv6 = false\n";
    let protect = "[[protect]]\nprotocols = [\"tpc\"]\n";
    scene.configure(format!("{protect}{block}{}", Policy::new("trap", "guest-trap")));
    let whole = fs::read_to_string(scene.configuration()).unwrap();
    scene.write("file", "no directory");
    let moved = |key: &str, line: &str| match line.strip_prefix("state = ") {
        Some(_) => format!("{key} = \"{}\"\n", scene.path("file").join("below").display()),
        None => format!("{line}\n"),
    };
    scene.write("ctwarden.toml", whole.lines().map(|line| moved("state", line)).collect::<String>());
    let lines = refused(&scene);
    for words in ["protocols", "set a", "daemon.state"] {
        assert!(lines.iter().any(|line| line.contains(words)), "{words} is not in {lines:#?}");
    }
    // The default that replaces an unreadable path is not the operator's, so no line complains about it.
    scene.write("ctwarden.toml", whole.lines().map(|line| moved("sate", line)).collect::<String>());
    let lines = refused(&scene);
    assert!(lines.iter().any(|line| line.contains("sate")) && !lines.iter().any(|line| line.contains("daemon.state")));
}

#[test]
fn bits_and_sets_that_are_not_granted_are_missed_before_anything_starts() {
    let Some(scene) = Scene::new() else { return };
    let sets = "[sets.office]\nentries = [\"192.0.2.0/24\"]\n";
    let policy = |granted: &str| {
        Policy::new("reaching", "guest-scripted")
            .key("allow = [\"mark\", \"labels\"]\nmark-mask = 0x0f\nlabel-bits = [1]")
            .key(granted)
            .config("needs = [\"mark\", \"labels\"]\nmark-bits = 0x1f\nlabel-bits = [1, 2]\nsets = [\"office\"]\nblock-sets = [\"blocke\"]")
    };
    scene.configure(format!("{sets}{}", policy("").enforce()));
    let lines = refused(&scene);
    for words in [
        "changes the mark bits 0x10, which are not granted; write mark-mask = 0x1f",
        "changes the label bits 2, which are not granted; write label-bits = [1, 2]",
        "blocks in the set blocke, and there is no [sets.blocke] with firewall = true",
        "reads the set office, which is not granted; write read-sets = [\"office\"]",
    ] {
        assert!(
            lines.iter().any(|line| line.contains("plugin reaching") && line.contains(words)),
            "{words}: {lines:#?}"
        );
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");

    scene.configure(format!("{sets}{}", policy("")));
    let said = scene.verb("check").good();
    assert!(said.contains("missing    mark bits 0x10; label bits 2; block sets blocke; address sets office"), "{said}");
    assert!(said.contains("is valid, with the 4 warnings above") && !said.contains("is valid\n"), "{said}");
    let daemon = scene.start_again();
    let status = daemon.verb("status").good();
    assert!(status.contains("not granted: its configuration changes the mark bits 0x10"), "{status}");
    let _ = daemon.stop();
}

#[test]
fn a_verdict_that_is_not_granted_is_told_once_where_people_look() {
    let Some(scene) = Scene::new() else { return };
    let policy = Policy::scripted_with(&["mark"], &["new udp 53: mark 0x10/0x10"]).key("mark-mask = 0x0f");
    let mut daemon = scene.start(policy);
    for source in 1..=3 {
        insert(&format!("-p udp -s 10.0.0.{source} -d 10.0.0.9 --sport 1000 --dport 53 -t 300"));
    }
    daemon.wait_for_many("the verdicts are refused", 3, |record| record.came("mark", "not-granted"));
    let status = daemon.verb("status").good();
    assert!(status.contains("not granted: a verdict was refused for lack of a grant: mark"), "{status}");
    daemon.wait_for_err(&["for lack of a grant"]);
    let told = daemon.err().lines().filter(|line| line.contains("for lack of a grant")).count();
    assert_eq!(told, 1, "{}", daemon.err());
    let _ = daemon.stop();
}
