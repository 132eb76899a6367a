//! A table that is saved and loaded is the same table, with the file of either program.
//!
//! The original's save lines lose marks, labels and helpers. Ours keep them, and our program still reads the original's
//! files.

use std::path::Path;

use ctwarden_tests::{Ftp, Said, Scene, conntrack, insert, load, original, with_label_map};

use super::world::{LABELS, Traffic, fill, loadable};

/// The table without the values that no program can set in the kernel: ids, counters, times, references.
fn table() -> Vec<String> {
    let listed = Said::of(original(&["-L", "-o", "extended,labels"]), "").good();
    let mut lines: Vec<String> = listed.lines().map(comparable).collect();
    lines.sort();
    lines
}

fn comparable(line: &str) -> String {
    let words = line.split_whitespace().enumerate();
    // The fifth word is the seconds, which count down.
    let stays = |&(at, word): &(usize, &str)| {
        let varies = ["packets=", "bytes=", "use=", "delta-time="];
        at != 4 && !varies.iter().any(|name| word.starts_with(name))
    };
    words.filter(stays).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// Fails with the lines that only one of two tables has.
fn assert_same(now: &[String], before: &[String], what: &str) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let [lost, new] = [only(before, now), only(now, before)];
    assert!(lost.is_empty() && new.is_empty(), "{what}\nlost: {lost:#?}\nnew: {new:#?}");
    assert_eq!(now.len(), before.len(), "{what}");
}

fn flush() {
    let _ = Said::of(original(&["-F"]), "").good();
    assert_eq!(table(), Vec::<String>::new());
}

/// Rules that make labels available in the kernel, and do nothing else.
const RULES: &str =
    "table inet label { chain out { type filter hook output priority 0; udp dport 5301 ct label set 1; }; };";

/// Rules that stop packets from creating entries.
const UNTRACKED: &str = "table inet untracked {
    chain in { type filter hook prerouting priority -300; notrack; };
    chain out { type filter hook output priority -300; notrack; };
};";

#[test]
fn what_ours_saves_ours_loads() {
    let Some(scene) = Scene::new() else { return };
    load(RULES);
    with_label_map(LABELS, || {
        fill(&loadable());
        insert("-p udp -s 192.0.2.30 -d 192.0.2.31 --sport 1 --dport 2 -t 900 -m 77 --label-add customer,guest");
        insert("-p tcp -s 192.0.2.30 -d 192.0.2.31 --sport 1 --dport 2 -t 900 --state ESTABLISHED --label-add far");
        let before = table();
        assert!(before.len() > 80 && before.iter().any(|line| line.contains("labels=customer,guest")), "{before:?}");
        let saved = Said::of(conntrack(&["-L", "-o", "save"]), "").good();
        assert_eq!(saved.lines().count(), before.len());
        let file = scene.write("saved", &saved);
        for words in [&["-R", path(&file)][..], &["--load-file", path(&file)], &["-R", "-"]] {
            flush();
            let _ = Said::of(conntrack(words), &saved).good();
            assert_same(&table(), &before, &format!("{words:?}"));
        }
    });
}

#[test]
fn flows_of_real_packets_come_back_with_their_helper() {
    let Some(scene) = Scene::new() else { return };
    let traffic = Traffic::new(&scene);
    with_label_map(LABELS, || {
        // No program can restore that a flow was expected by another flow.
        let without = |table: Vec<String>| -> Vec<String> {
            table.into_iter().filter(|line| !line.contains("dport=20021")).collect()
        };
        let before = without(table());
        assert!(before.iter().any(|line| line.contains("helper=ftp")), "{before:?}");
        let saved = Said::of(conntrack(&["-L", "-o", "save"]), "").good();
        // The last packets of closed connections may still be in flight for a while, and would create entries again.
        load(UNTRACKED);
        drop(traffic);
        flush();
        let _ = Said::of(conntrack(&["-R", "-"]), &saved).good();
        assert_same(&without(table()), &before, "real flows");
    });
}

#[test]
fn each_loads_what_the_other_saves() {
    let Some(_scene) = Scene::new() else { return };
    fill(&loadable());
    let marked = |table: &[String]| table.iter().any(|line| line.contains("mark=4294967295"));
    let before = table();
    assert!(marked(&before));
    let [theirs, ours] =
        [original(&["-L", "-o", "save"]), conntrack(&["-L", "-o", "save"])].map(|command| Said::of(command, "").good());
    // Our line has the words of the original in the same order, then the mark. A translated address may also have its
    // port.
    for (line, longer) in theirs.lines().zip(ours.lines()) {
        let [line, longer] = [line, longer].map(plain);
        assert!(longer.starts_with(&line), "{line}\n{longer}");
    }

    // The original loses the ports of an entry that is translated both ways when it loads its own line.
    let theirs: String = theirs.lines().filter(|line| !twice(line)).map(|line| format!("{line}\n")).collect();
    flush();
    let _ = Said::of(conntrack(&["-R", "-"]), &theirs).good();
    let by_ours = table();
    flush();
    let _ = Said::of(original(&["-R", "-"]), &theirs).good();
    assert_same(&by_ours, &table(), "the original's file is read as the original reads it");

    flush();
    let _ = Said::of(original(&["-R", "-"]), &ours).good();
    assert_same(&table(), &before, "the original reads our file, marks and all");
}

fn twice(line: &str) -> bool {
    line.contains(" -n ") && line.contains(" -g ")
}

/// A save line without its seconds and without the ports of `-n ADDRESS:PORT` and `-g ADDRESS:PORT`.
fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut kept = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match at.checked_sub(1).map(|before| words[before]) {
            Some("-t") => {}
            Some("-n" | "-g") if !word.starts_with('[') && word.matches(':').count() == 1 => {
                kept.push(word.split(':').next().unwrap_or_default());
            }
            _ => kept.push(word),
        }
    }
    kept.join(" ")
}

#[test]
fn a_file_may_change_and_remove_and_is_refused_before_anything_is_done() {
    let Some(_scene) = Scene::new() else { return };
    let orders = "# a comment\n\n  \t-A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 60\n\
        -I -p udp -s \"10.0.0.1\" -d 10.0.0.2 --sport 2 --dport 2 -t 60 -m 5\n\
        -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 3 --dport 2 -t 60 -m 7\n\
        -D -p udp -s 10.0.0.1 --sport 2\n";
    let mut tables = Vec::new();
    for program in [original, conntrack] {
        let _ = Said::of(original(&["-F"]), "").good();
        let said = Said::of(program(&["-R", "-"]), orders).good();
        tables.push((table(), said));
    }
    assert_eq!(tables[0].0, tables[1].0);
    assert!(tables[1].0.iter().any(|line| line.contains("mark=7")), "{tables:?}");
    for wrong in [
        "-L",
        "-G -p udp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 1",
        "-E",
        "-C",
        "-S",
        "-V",
        "-h",
        "-F expect",
        "-I -p udp",
        "nonsense",
    ] {
        let before = table();
        let file = format!("-D\n{wrong}\n");
        let [theirs, ours] = [original, conntrack].map(|program| Said::of(program(&["-R", "-"]), &file));
        // Our message also names the place of the line.
        let first = |said: &Said| said.err.lines().next().unwrap_or_default().replace("1.4.9", "").replace("1.4.7", "");
        let place = " (/dev/stdin, line 2)";
        assert_eq!((ours.status, first(&ours)), (theirs.status, first(&theirs) + place), "{wrong}");
        assert_eq!(table(), before, "{wrong}");
    }
}

/// One line for a flow of each of these ports.
fn lines(command: &str, ports: impl Iterator<Item = u16>) -> String {
    let line = |port| format!("{command} -p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 -t 600 -m {port}\n");
    ports.map(line).collect()
}

#[test]
fn a_line_that_the_kernel_refuses_is_the_last() {
    let Some(_scene) = Scene::new() else { return };
    let there = lines("-I", 5_000..5_300);
    for (what, orders, line) in [
        ("a new one that is there", lines("-I", 1..10) + &lines("-I", 3..4) + &lines("-I", 11..301), 10),
        ("in the second send", lines("-A", 1..400) + &lines("-I", 7..8) + &lines("-A", 500..900), 400),
        ("the very first", lines("-I", 5_000..5_001) + &lines("-A", 1..900), 1),
        ("the very last", lines("-A", 1..900) + &lines("-I", 5_000..5_001), 900),
        (
            "changes before and behind it",
            lines("-A", 4_990..5_010) + &lines("-I", 5_100..5_101) + &lines("-A", 5_200..5_400),
            21,
        ),
        ("the same flow behind it", lines("-A", 1..2) + &lines("-I", 1..2) + &lines("-A", 1..3), 2),
    ] {
        let [theirs, ours] = [original, conntrack].map(|program| {
            let _ = Said::of(original(&["-F"]), "").good();
            let _ = Said::of(original(&["-R", "-"]), &there).good();
            let said = Said::of(program(&["-R", "-"]), &orders);
            (said, table())
        });
        assert_eq!((ours.0.status.code(), theirs.0.status.code()), (Some(1), Some(1)), "{what}: {ours:?}\n{theirs:?}");
        assert_same(&ours.1, &theirs.1, what);
        assert!(ours.0.err.contains(&format!("(/dev/stdin, line {line})")), "{what}: {}", ours.0.err);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

#[test]
fn a_control_connection_keeps_its_helper() {
    let Some(_scene) = Scene::new() else { return };
    let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") else { return };
    let saved = Said::of(conntrack(&["-L", "-p", "tcp", "-o", "save"]), "").good();
    flush();
    let _ = Said::of(conntrack(&["-R", "-"]), &saved).good();
    assert!(table().iter().any(|line| line.contains("helper=ftp")), "{saved}{:?}", table());
    ftp.offer(20_021);
    assert_eq!(ctwarden_tests::expectations(), 1, "the helper goes on reading");
}
