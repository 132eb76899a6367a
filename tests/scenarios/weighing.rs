//! The memory that a plugin costs the daemon stays within its `memory` limit, whatever its component contains.

use std::fs;

use ctwarden_tests::{Daemon, Policy, Scene, component, graft};

/// A plugin whose component has additional core instances of this module.
fn heavy(scene: &Scene, module: &[u8], instances: u32) -> Policy {
    let good = fs::read(component("guest-good")).unwrap();
    scene.write("heavy.wasm", graft::with_module(&good, module, instances));
    Policy::new("heavy", "heavy")
}

/// The error with which both `check` and `run` refuse the plugin.
fn refused(module: &[u8], instances: u32) -> Option<String> {
    let scene = Scene::new()?;
    scene.configure(heavy(&scene, module, instances));
    let said = scene.verb("check").failed();
    assert_eq!(said, scene.verb("run").failed());
    assert!(said.contains("plugin heavy (") && said.contains("heavy.wasm"), "{said}");
    Some(said)
}

#[test]
fn core_instances_with_a_million_globals_are_refused() {
    let Some(said) = refused(&graft::globals(1_000_000), 55) else { return };
    let instances = said.split_once(" core instances").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    // The number of the guest's own instances depends on the compiler that built it.
    assert!(instances.is_some_and(|instances: u32| instances > 55), "the guest's own are among them: {said}");
    assert!(said.contains("more than the 64 MiB of its memory") && said.contains("raise memory"), "{said}");
}

#[test]
fn fewer_globals_in_more_instances_are_refused_as_well() {
    let Some(said) = refused(&graft::globals(80_000), 55) else { return };
    assert!(said.contains("more than the 64 MiB of its memory"), "{said}");
}

#[test]
fn declarations_without_an_instance_are_refused_as_well() {
    let Some(said) = refused(&graft::globals(1_000_000), 0) else { return };
    assert!(said.contains("declarations") && said.contains("more than the 64 MiB of its memory"), "{said}");
}

#[test]
fn more_instances_than_any_plugin_needs_are_refused() {
    let Some(said) = refused(&graft::globals(1), 100) else { return };
    assert!(said.contains("instance count too high"), "{said}");
}

#[test]
fn many_memories_are_counted_together() {
    // Each memory has 2 MiB.
    let Some(said) = refused(&graft::memories(40, 32), 1) else { return };
    assert!(said.contains("needed more than its limit of 67108864 bytes of memory"), "{said}");
}

#[test]
fn a_large_table_is_refused() {
    let Some(said) = refused(&graft::table(9_000_000), 1) else { return };
    assert!(said.contains("table"), "{said}");
}

/// The resident memory of the daemon, in bytes.
fn resident(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn what_is_granted_is_what_the_daemon_grows_by() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::new("light", "guest-good"));
    let before = resident(&daemon);
    let _ = daemon.stop();
    let limit = 160;
    let heavy = heavy(&scene, &graft::globals(100_000), 55).of("limits", &format!("memory = \"{limit}MiB\""));
    let daemon = scene.start(heavy);
    let grown = resident(&daemon).saturating_sub(before);
    // 55 times 100,000 globals of 16 bytes are resident, and the growth stays within the grant.
    assert!((80 << 20..=limit << 20).contains(&grown), "{grown}");
    let _ = daemon.stop();
}
