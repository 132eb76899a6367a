//! Policies that are in the program: named in a configuration, listed, and rules of the operator's own.

use std::fs;
use std::process::Command;

use ctwarden_tests::{Said, Scene, copy_of, ctwarden, eventually, insert, table};

const NO_TELNET: &str = "[[rule]]\nname = \"no-telnet\"\nmatch = { protocols = [\"udp\"], dst-ports = [23] }\n\
     then = { delete = true }\n";

fn plugin(name: &str, lines: &str) -> String {
    format!("[[plugin]]\nname = \"{name}\"\nmode = \"enforce\"\n{lines}\n")
}

/// Runs `ctwarden builtin WORDS`.
fn builtin(words: &[&str]) -> Said {
    let mut command = ctwarden();
    command.arg("builtin").args(words);
    Said::of(command, "")
}

fn begin(port: u16) {
    insert(&format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport {port} -t 300"));
}

#[test]
fn rules_and_policies_of_the_program_do_their_work() {
    let Some(scene) = Scene::new() else { return };
    scene.write("mine.toml", NO_TELNET);
    let rules = plugin("mine", "use = \"builtin:rules\"\nrules = \"mine.toml\"\nallow = [\"delete\"]");
    let scan = plugin("scan", "use = \"builtin:port-scan\"\nallow = [\"alert\"]\n[plugin.config]\nlimit = 3");
    let mut daemon = scene.start(format!("{rules}{scan}"));
    begin(23);
    let deleted = daemon.wait_for("the delete", |record| record.came("delete", "applied"));
    assert_eq!((deleted.text("plugin"), deleted.text("code")), (Some("mine"), Some("no-telnet")));
    (24..30).for_each(begin);
    daemon.wait_for("the alert", |record| record.is_of("scan") && record.came("alert", "applied"));
    eventually("only the one is gone", || (table().len() == 6).then_some(()));
    // Other rules come with a reload.
    scene.write("mine.toml", NO_TELNET.replace("23", "24"));
    assert_eq!(daemon.reload(), None);
    eventually("the new rule holds for what is there", || {
        (!table().iter().any(|entry| entry.has_port(24))).then_some(())
    });
    let _ = daemon.stop();
}

#[test]
fn a_mistake_in_a_file_of_rules_is_told_with_its_place_and_keeps_the_old_rules() {
    let Some(scene) = Scene::new() else { return };
    scene.write("mine.toml", NO_TELNET);
    let rules = plugin("mine", "use = \"builtin:rules\"\nrules = \"mine.toml\"\nallow = [\"delete\"]");
    let mut daemon = scene.start(&rules);
    let wrong = NO_TELNET.replace("match = {", "when = \"flow.dst_prot == 5\"\nmatch = {");
    scene.write("mine.toml", wrong);
    let place = format!("{}:3:9: rule \"no-telnet\": when: column 1: ", scene.path("mine.toml").display());
    let checked = scene.verb("check").failed();
    assert!(checked.contains(&place) && checked.contains("did you mean flow.dst_port?"), "{checked}");
    let kept = daemon.reload().expect("the reload fails");
    assert!(kept.contains(&place), "{kept}");
    begin(23);
    daemon.wait_for("the old rule", |record| record.came("delete", "applied"));
    let _ = daemon.stop();
}

#[test]
fn a_name_that_is_none_gets_the_nearest_one_and_the_list_has_them_all() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(plugin("scan", "use = \"builtin:prot-scan\"\nallow = [\"alert\"]"));
    let told = scene.verb("check").failed();
    assert!(told.contains("there is no builtin \"prot-scan\"; did you mean builtin:port-scan?"), "{told}");
    let list = builtin(&["list"]).good();
    for name in ["ban-follower", "connection-cap", "dns-tunnel", "port-scan", "session-log", "wan-failover"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name} is not in {list}");
    }
    assert!(!list.contains("was built without"), "{list}");
    let shown = builtin(&["show", "dns-tunnel"]).good();
    assert!(shown.starts_with("# dns-tunnel: ") && shown.contains("[[rule]]"), "{shown}");
    assert!(builtin(&["show", "nothing"]).failed().contains("nothing"));
}

#[test]
fn code_that_the_program_carries_is_used_and_nothing_is_compiled() {
    let Some(scene) = Scene::new() else { return };
    let program = copy_of(&ctwarden(), scene.folder());
    let code = scene.path("code");
    let compiled = Command::new(&program).arg("compile-builtins").output().unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    fs::write(&code, &compiled.stdout).unwrap();
    let section = format!(".ctwarden.code={}", code.display());
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--add-section", &section, "--set-section-flags", ".ctwarden.code=noload,readonly"]).arg(&program);
    assert!(objcopy.status().unwrap().success());
    let scan = plugin("scan", "use = \"builtin:port-scan\"\nallow = [\"alert\"]\n[plugin.config]\nlimit = 3");
    let mut daemon = scene.start_program(&program, scan);
    (24..30).for_each(begin);
    daemon.wait_for("the alert", |record| record.is_of("scan") && record.came("alert", "applied"));
    let _ = daemon.stop();
    let kept = fs::read_dir(scene.path("state/compiled")).unwrap().map(|file| file.unwrap().file_name());
    let kept: Vec<String> = kept.map(|name| name.into_string().unwrap()).collect();
    // The cache has the note of the examination, and no code, because the program has it.
    assert!(kept.iter().all(|name| name.ends_with(".note")) && !kept.is_empty(), "{kept:?}");
}
