//! A deletion never hits a successor: an entry with the same tuple that came after the one that was seen.
//!
//! Between reading a row and deleting it a busy machine has time to end the flow and to begin another with its ports. Here
//! that time is as long as wanted: a program whose output nobody takes stands still in the middle of its work.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use ctwarden_tests::{Said, Scene, conntrack, eventually, insert_all, original, table};

/// More than fits into a pipe (64 KiB, pipe(7)) and the program's own buffers, as lines.
const ENTRIES: usize = 6000;

fn make(mark: u32) {
    insert_all(
        (1..=ENTRIES).map(|port| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 53 -t 600 -m {mark}")),
    );
}

/// Whether it waits for somebody to take its output, by the number of the system call (x86-64 and aarch64: `write`).
fn stands_still(child: &Child) -> bool {
    let call = fs::read_to_string(format!("/proc/{}/syscall", child.id())).unwrap_or_default();
    let write = if cfg!(target_arch = "x86_64") { "1 " } else { "64 " };
    call.starts_with(write)
}

/// The entries by what tells them apart: port and id.
fn names() -> BTreeSet<(Option<u16>, u32)> {
    table().iter().map(|entry| (entry.original.src_port, entry.id)).collect()
}

/// How many successors are hit where all entries are replaced while the program deletes them.
fn hit(mut program: Command) -> usize {
    make(1);
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("its output is full", || stands_still(&child).then_some(()));
    let before = names();
    let flush = Said::of(original(&["-F"]), "");
    assert!(flush.is_good());
    make(2);
    let successors = names();
    // The kernel uses the memory of an entry again, and makes its id of the tuple and of where it lies: now and then a successor
    // has the id of the one before it, and nobody can tell the two apart.
    let others: BTreeSet<_> = successors.difference(&before).copied().collect();
    assert!(successors.len() == ENTRIES && others.len() > ENTRIES * 9 / 10, "{} of {}", others.len(), successors.len());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.wait().unwrap();
    assert!(out.lines().count() > 100 && !out.contains("mark=2"), "it deletes what it was asked to, and only that");
    let hit = others.difference(&names()).count();
    let _ = Said::of(original(&["-F"]), "").good();
    hit
}

#[test]
fn a_deletion_never_hits_a_successor() {
    let Some(_scene) = Scene::new() else { return };
    let words = ["-D", "-p", "udp", "-m", "1"];
    assert!(hit(original(&words)) > 0, "the original has learnt it: take it off the list");
    assert_eq!(hit(conntrack(&words)), 0);
}
