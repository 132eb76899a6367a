//! Components that hang or exhaust the program that loads them. Every verb that loads components refuses them within
//! the limits, and a running daemon is not affected.

use std::fs;

use ctwarden_tests::{Daemon, Policy, Scene, Udp, component, eventually, graft, insert, table};

/// Writes a component with an added core module that has no instance.
fn grafted(scene: &Scene, name: &str, module: &[u8]) {
    let good = fs::read(component("guest-good")).unwrap();
    scene.write(&format!("{name}.wasm"), graft::with_module(&good, module, 0));
}

/// Checks that every verb that loads components refuses the configuration with these words.
fn refused(scene: &Scene, words: &[&str]) {
    let saved = scene.write(
        "table.txt",
        "udp 17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1\n",
    );
    for verb in ["check".to_owned(), "run".to_owned(), format!("try {}", saved.display())] {
        // The harness kills a verb that hangs. `failed` does not accept an end by a signal.
        let said = scene.verb(&verb).failed();
        for word in words {
            assert!(said.contains(word), "{verb}: {word} is not in {said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!scene.path("records.jsonl").exists(), "a daemon ran: {said}");
    }
}

#[test]
fn a_schema_that_no_validator_ends_with_is_refused() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    scene.configure(Policy::new("maze", "guest-doubling-schema"));
    refused(&scene, &["plugin maze", "guest-doubling-schema.wasm", "schema", "and was stopped", "tell its author"]);
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_refused() {
    let Some(scene) = Scene::new() else { return };
    grafted(&scene, "bomb", &graft::many_live_locals(20_000));
    let bytes = fs::metadata(scene.path("bomb.wasm")).unwrap().len();
    assert!(bytes < 2 << 20, "{bytes}");
    scene.configure(Policy::new("bomb", "bomb").of("limits", "load-cpu = \"1s\""));
    refused(&scene, &["plugin bomb", "bomb.wasm", "compiling it took ", "and was stopped", "load-cpu (1s)"]);
}

#[test]
fn a_component_that_takes_too_much_memory_to_compile_is_refused() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(bomb(&scene));
    refused(&scene, &["plugin bomb", "compiling it took more than 48MiB of memory", "load-memory (48MiB)"]);
}

/// A component that is refused after about a second of work.
fn bomb(scene: &Scene) -> Policy {
    grafted(scene, "bomb", &graft::many_live_locals(20_000));
    Policy::new("bomb", "bomb").of("limits", "load-memory = \"48MiB\"")
}

/// The plugin that has to go on.
fn worker() -> Policy {
    let rule = "[[plugin.config.rules]]\nname = \"all\"\nprotocols = [\"udp\"]\nto = [\"127.0.0.2\"]\nmark = \"1/1\"";
    Policy::new("worker", "mark-by-service").enforce().key("allow = [\"mark\"]\nmark-mask = 1").config(rule)
}

fn works(port: u16) {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
    eventually("the worker goes on", || table().into_iter().find(|entry| entry.has_port(port) && entry.mark == 1));
}

/// The process ids of a process's children, each with its status file.
fn children(of: u32) -> Vec<(u32, String)> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let told = ids.filter_map(|id| Some((id, fs::read_to_string(format!("/proc/{id}/status")).ok()?)));
    let parent = format!("PPid:\t{of}");
    told.filter(|(_, status)| status.lines().any(|line| line == parent)).collect()
}

/// The process that loads a component, after it has dropped its privileges.
fn loader(daemon: &Daemon) -> (u32, String) {
    eventually("a process loads the component", || {
        let confined =
            |status: &String| status.contains("NoNewPrivs:\t1") && status.contains("CapPrm:\t0000000000000000");
        children(daemon.id()).into_iter().find(|(_, status)| confined(status))
    })
}

#[test]
fn a_reload_that_brings_such_a_component_disturbs_nobody_and_the_next_one_is_heard() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(worker());
    works(5001);
    scene.configure(format!("{}{}", bomb(&scene), worker()));
    daemon.ask_to_reload();
    let (_, status) = loader(&daemon);
    for none in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert!(status.contains(&format!("{none}:\t0000000000000000")), "{status}");
    }
    // Meanwhile the other plugins work, the daemon answers people, and a repaired configuration is accepted.
    works(5002);
    assert_eq!(daemon.plugin_status("worker")["faults"], 0);
    let failed = daemon.wait_for("the reload is refused", |record| record.is_notice("reload-failed"));
    let why = failed.text("text").unwrap();
    assert!(why.contains("plugin bomb") && why.contains("was stopped"), "{why}");
    works(5003);
    scene.configure(format!("{}{}", Policy::new("new", "guest-good"), worker()));
    assert_eq!(daemon.reload(), None);
    assert_eq!(daemon.plugin_status("new")["state"], "running");
    works(5004);
    let _ = daemon.stop();
}

#[test]
fn a_reload_that_is_asked_for_during_another_is_not_lost() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(worker());
    scene.configure(format!("{}{}", bomb(&scene), worker()));
    daemon.ask_to_reload();
    let _ = loader(&daemon);
    scene.configure(format!("{}{}", Policy::new("new", "guest-good"), worker()));
    daemon.ask_to_reload();
    daemon.wait_for("the first is refused", |record| record.is_notice("reload-failed"));
    daemon.wait_for("the second is taken", |record| record.is_notice("reloaded"));
    assert_eq!(daemon.plugin_status("new")["state"], "running");
    let _ = daemon.stop();
}

#[test]
fn who_loads_a_component_goes_with_the_daemon() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(worker());
    // This component would load for minutes.
    grafted(&scene, "large", &graft::many_live_locals(40_000));
    let large = Policy::new("large", "large").of("limits", "load-cpu = \"10m\"\nload-memory = \"16GiB\"");
    scene.configure(format!("{large}{}", worker()));
    daemon.ask_to_reload();
    let (id, _) = loader(&daemon);
    daemon.kill();
    eventually("it is gone", || {
        let status = fs::read_to_string(format!("/proc/{id}/status"));
        // A zombie, whose parent has not waited for it yet, counts as gone.
        status.map_or(true, |status| status.contains("State:\tZ")).then_some(())
    });
}

#[test]
fn what_was_examined_is_not_examined_again_and_what_changed_is() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(worker());
    let _ = daemon.stop();
    let notes = || {
        let files = fs::read_dir(scene.path("state/compiled")).unwrap().map(|file| file.unwrap());
        let notes = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "note"));
        notes.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect::<Vec<_>>()
    };
    let [first] = &notes()[..] else { panic!("{:?}", notes()) };
    let daemon = scene.start_again();
    works(5001);
    let _ = daemon.stop();
    assert_eq!(notes(), std::slice::from_ref(first));
    // Another configuration is checked against the schema again.
    scene.configure(worker().of("limits", "memory = \"32MiB\""));
    let daemon = scene.start_again();
    works(5002);
    let _ = daemon.stop();
    let [second] = &notes()[..] else { panic!("{:?}", notes()) };
    assert!(first.0 == second.0 && first.1 < second.1, "{first:?} {second:?}");
}

#[test]
fn memory_that_is_written_while_a_plugin_is_configured_lasts_once_the_plugin_runs() {
    let Some(scene) = Scene::new() else { return };
    let policy = || Policy::new("early", "guest-remembers-early").enforce().key("allow = [\"log\"]");
    scene.configure(policy());
    let checked = scene.verb("check");
    assert!(checked.is_good(), "{}", checked.err);
    let configured = |daemon: &mut Daemon| {
        let _ = daemon.send("early", "provoke").good();
        let told =
            daemon.wait_for("it tells", |record| record.is_of("early") && record.text("code") == Some("configured"));
        told.0["fields"]["configured"].clone()
    };
    let mut daemon = scene.start_again();
    assert_eq!(configured(&mut daemon), "1", "to examine it leaves nothing behind");
    let _ = daemon.stop();
    let mut daemon = scene.start_again();
    assert_eq!(configured(&mut daemon), "2");
    let _ = daemon.stop();
}
