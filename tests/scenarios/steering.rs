//! Pause, resume, another mode, and a reload that says what has changed.

use ctwarden_tests::{Policy, Scene, Udp, eventually, table};

fn marks() -> Policy {
    Policy::scripted(&["new udp: mark 1/0xf"])
}

fn flow(port: u16) {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
}

fn mark(port: u16) -> u32 {
    table().iter().find(|entry| entry.has_port(port)).unwrap().mark
}

#[test]
fn a_paused_plugin_observes_until_it_is_resumed() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks());
    assert_eq!(daemon.verb("pause scripted").good(), "scripted: paused until it is resumed or ctwarden starts again\n");
    flow(5001);
    daemon.wait_for("it observes", |record| record.came("mark", "observed") && record.has_port(5001));
    assert_eq!(mark(5001), 0);
    let status = daemon.plugin_status("scripted");
    assert_eq!((status["state"].as_str(), status["mode"].as_str()), (Some("paused"), Some("enforce")));
    assert!(daemon.verb("status").good().contains("paused"));
    assert_eq!(daemon.reload(), None);
    assert_eq!(daemon.plugin_status("scripted")["state"], "paused", "a reload does not end it");

    assert_eq!(daemon.verb("resume").good(), "scripted: resumed\n");
    assert_eq!(daemon.verb("resume scripted").good(), "scripted: was not paused\n");
    flow(5002);
    daemon.wait_for("it acts", |record| record.came("mark", "applied") && record.has_port(5002));
    assert_eq!(mark(5002), 1);
    daemon.wait_for("the pause", |record| record.is_notice("paused"));
    daemon.wait_for("its end", |record| record.is_notice("resumed"));

    assert!(daemon.verb("pause --for 1s").good().starts_with("scripted: paused until 20"));
    eventually("the pause ends", || (daemon.plugin_status("scripted")["state"] == "running").then_some(()));
    assert!(daemon.verb("pause nobody").failed().contains("no plugin is named \"nobody\""));
    assert!(daemon.verb("pause --for 0s").failed().contains("no time at all"));
    let _ = daemon.stop();
}

#[test]
fn another_mode_holds_until_a_reload_and_needs_all_grants() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks().observe());
    let said = daemon.verb("mode scripted enforce").good();
    assert_eq!(said, "scripted: mode enforce until the next reload or start; the configuration says observe\n");
    flow(5001);
    daemon.wait_for("it acts", |record| record.came("mark", "applied"));
    let status = daemon.plugin_status("scripted");
    assert_eq!((status["mode"].as_str(), status["configured_mode"].as_str()), (Some("enforce"), Some("observe")));
    let text = daemon.verb("status").good();
    assert!(text.contains("  mode: enforce until the next reload; the configuration says observe\n"), "{text}");
    assert_eq!(daemon.verb("mode scripted enforce").good(), "scripted: is in mode enforce already\n");
    daemon.wait_for("the change", |record| record.is_notice("mode-changed"));
    assert_eq!(daemon.reload(), None);
    assert_eq!(daemon.plugin_status("scripted")["mode"], "observe");

    let more = Policy::scripted_with(&["mark"], &["new udp: mark 2/0xf"]).key("mark-mask = 0xf").observe();
    scene.configure(more.to_string().replace("needs = [\"mark\"]", "needs = [\"mark\", \"timeout\"]"));
    assert_eq!(daemon.reload(), None);
    let said = daemon.verb("mode scripted enforce").failed();
    assert!(said.contains("plugin scripted cannot enforce: ") && said.contains("timeout"), "{said}");
    assert_eq!(daemon.plugin_status("scripted")["mode"], "observe");
    assert!(!daemon.verb("mode scripted stop").is_good());
    let _ = daemon.stop();
}

#[test]
fn a_plugin_that_may_kill_can_begin_to_enforce() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&["new udp: mark 1/0xf"]).observe());
    let table = || std::process::Command::new("nft").args(["list", "table", "inet", "ctwarden"]).output().unwrap();
    assert!(!table().status.success(), "a plugin that observes needs no table");
    assert!(daemon.verb("mode scripted enforce").is_good());
    assert!(table().status.success());
    let _ = daemon.stop();
}

#[test]
fn a_reload_says_what_has_changed() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(marks());
    assert_eq!(daemon.verb("reload").good(), "nothing has changed\n");
    let more = Policy::new("more", "guest-scripted");
    scene.configure(format!(
        "[[protect]]\neither = [\"192.0.2.0/24\"]\n\n{}{more}",
        Policy::scripted(&["new udp: mark 2/0xf"]).observe()
    ));
    let said = daemon.verb("reload").good();
    assert!(said.contains("+ plugin more (observe)\n"), "{said}");
    assert!(said.contains("~ plugin scripted: mode enforce -> observe, config\n"), "{said}");
    assert!(said.contains("+ protection {\"") && said.contains("192.0.2.0/24"), "{said}");
    scene.configure(marks().key("speed = 3"));
    let said = daemon.verb("reload").failed();
    assert!(said.contains("the old one stays in force") && said.contains("speed"), "{said}");
    assert_eq!(daemon.plugin_status("more")["state"], "running");
    let _ = daemon.stop();
}
