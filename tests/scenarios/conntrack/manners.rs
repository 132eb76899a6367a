//! Our `conntrack` among other programs: under its old name, for an unprivileged user, and in a pipe that closes.
//!
//! Nobody should have to change a script, a cron job or a habit.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use ctwarden_tests::{Built, Said, Scene, conntrack, conntrack_verb, copy_of, ctwarden, difference, original, table};

use super::world::{FEW, fill};

#[test]
fn under_the_name_conntrack_it_is_conntrack() {
    let Some(scene) = Scene::new() else { return };
    fill(FEW);
    let link = scene.path("conntrack");
    symlink(ctwarden().get_program(), &link).unwrap();
    let linked = |words: &[&str]| {
        let mut called = Command::new(&link);
        called.env("LC_ALL", "C").args(words);
        Said::of(called, "")
    };
    for words in [&["-L", "-p", "tcp"][..], &["-C"], &["-L", "-x"], &["-G"]] {
        let link = linked(words);
        for other in [conntrack(words), conntrack_verb(words)].map(|command| Said::of(command, "")) {
            assert_eq!(difference(&link, &other, Built::Once), None, "{words:?}");
        }
    }
    for other in [conntrack(&["-V"]), conntrack_verb(&["-V"])] {
        assert_eq!(linked(&["-V"]).good(), Said::of(other, "").good());
    }
    for said in [linked(&[]), Said::of(conntrack(&[]), "")] {
        assert!(said.out.contains("conntrack") && !said.out.contains("ctwarden conntrack"), "{said:?}");
    }
}

#[test]
fn a_user_who_may_not_is_told_as_before() {
    let Some(scene) = Scene::new() else { return };
    fill(FEW);
    std::fs::set_permissions(scene.folder(), Permissions::from_mode(0o755)).unwrap();
    let program = copy_of(&conntrack(&[]), scene.folder());
    let as_nobody = |program: &str, line: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program]);
        command.args(line.split_whitespace()).env("LC_ALL", "C");
        Said::of(command, "")
    };
    for line in [
        "-L",
        "-L -o xml",
        "-D -p tcp",
        "-C",
        "-S",
        "-U -s 10.0.0.1 -m 1",
        "-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80",
        "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100",
        "-L expect",
        "-V",
        "-L -x",
    ] {
        let theirs = as_nobody(original(&[]).get_program().to_str().unwrap(), line);
        let ours = as_nobody(program.to_str().unwrap(), line);
        assert_eq!(difference(&theirs, &ours, Built::Once), None, "{line}");
    }
    // The original first reports that the table has been emptied, and counts 0 expectations (`-C expect`).
    let flush = as_nobody(program.to_str().unwrap(), "-F").failed();
    assert!(flush.contains("you must be root") && !flush.contains("has been emptied"), "{flush}");
    assert_eq!(table().len(), FEW.lines().count());
}

#[test]
fn a_pipe_that_closes_ends_it_quietly() {
    let Some(_scene) = Scene::new() else { return };
    let many: String =
        (1..4000).map(|port| format!("-I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 -t 600\n")).collect();
    fill(&many);
    for output in ["-o extended", "-o xml", "-o json", "-o save"] {
        let words: Vec<&str> = ["-L"].into_iter().chain(output.split_whitespace()).collect();
        let mut child = conntrack(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // `head -1` closes the pipe in this way once it has its line.
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "{output}: {err}");
        assert!(ended.status.code() != Some(0), "{output}: {:?}", ended.status);
    }
}
