//! What the daemon opens, writes and accepts as root: it uses no file that another user planted, and no user keeps
//! others out.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ctwarden_tests::{Policy, Scene};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Replaces one `[daemon]` key that a scene writes.
fn with(scene: &Scene, key: &str, path: &Path) {
    let file = scene.configure(Policy::scripted(&[]));
    let text = fs::read_to_string(&file).unwrap();
    let old = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap().to_owned();
    scene.write("ctwarden.toml", text.replace(&old, &format!("{key} = \"{}\"", path.display())));
}

#[test]
fn no_path_that_others_could_change_is_used() {
    let Some(scene) = Scene::new() else { return };
    let open = scene.path("open");
    let precious = scene.write("precious", "");
    fs::create_dir_all(open.join("state")).unwrap();
    mode(&open.join("state"), 0o700);
    symlink(&precious, open.join("records.jsonl")).unwrap();
    mode(&open, 0o777);
    for (key, path) in [
        ("state", open.clone()),
        ("state", open.join("state")),
        ("state", open.join("new/state")),
        ("records", open.join("records.jsonl")),
        ("records", open.join("new.jsonl")),
        ("control", open.join("control.sock")),
    ] {
        with(&scene, key, &path);
        let said = scene.verb("run");
        assert!(!said.is_good() && said.err.contains("open can be changed by "), "{key} {}: {said:?}", path.display());
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 2, "nothing was made there");
    assert_eq!(fs::read_dir(open.join("state")).unwrap().count(), 0);
}

#[test]
fn a_link_that_a_stranger_planted_in_a_shared_directory_is_not_followed() {
    let Some(scene) = Scene::new() else { return };
    let shared = scene.path("shared");
    fs::create_dir(&shared).unwrap();
    mode(&shared, 0o1777);
    let precious = scene.write("precious", "");
    let planted = shared.join("records.jsonl");
    symlink(&precious, &planted).unwrap();
    std::os::unix::fs::lchown(&planted, Some(12345), None).expect("a scene is run by root");
    with(&scene, "records", &planted);
    let said = scene.verb("run");
    assert!(!said.is_good() && said.err.contains("records.jsonl belongs to user 12345"), "{said:?}");
    fs::remove_file(&planted).unwrap();
    fs::hard_link(&precious, &planted).unwrap();
    let said = scene.verb("run");
    assert!(!said.is_good() && said.err.contains("records.jsonl has more than one hard link"), "{said:?}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "");
    let state = shared.join("state");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(12345), None).unwrap();
    with(&scene, "state", &state);
    let said = scene.verb("run");
    assert!(!said.is_good() && said.err.contains("state belongs to user 12345"), "{said:?}");
}

#[test]
fn an_empty_configuration_is_not_taken() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(format!("[[protect]]\ndst-ports = [22]\n{}", Policy::scripted(&[])));
    let good = fs::read_to_string(scene.configuration()).unwrap();
    for text in ["", "# being written\n", "[daemon]\n", "[[protect]]\ndst-ports = [22]\n"] {
        scene.write("ctwarden.toml", text);
        let why = daemon.reload().expect("it is not taken");
        assert!(why.contains("ctwarden.toml") && why.contains("names no plugin"), "{why}");
        assert_eq!(daemon.plugin_status("scripted")["state"], "running");
        assert!(!scene.verb("check").is_good());
    }
    scene.write("ctwarden.toml", &good);
    assert_eq!(daemon.reload(), None);
    let _ = daemon.stop();
    scene.write("ctwarden.toml", "");
    assert!(scene.verb("run").err.contains("names no plugin"));
}

#[test]
fn clients_that_wait_keep_nobody_out() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&[]));
    let mut waiting: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(scene.control()).unwrap()).collect();
    assert!(daemon.verb("status").is_good());
    let mut told = String::new();
    waiting.remove(0).read_to_string(&mut told).unwrap();
    assert!(told.contains("was closed to make room"), "{told}");
    let _ = daemon.stop();
}
