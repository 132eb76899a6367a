//! A deletion never hits a successor: a later entry with the same tuple as the entry that the program read.
//!
//! On a busy machine, a flow can end between the read and the delete, and a new flow with the same ports can begin.
//! These tests stretch that time as far as they need: a program stops in the middle of its work while nobody reads its
//! output.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use ctwarden_tests::{Said, Scene, conntrack, eventually, insert_all, original, table};

/// As lines, more than a pipe (64 KiB, pipe(7)) and the program's own buffers hold.
const ENTRIES: usize = 6000;

fn make(mark: u32) {
    insert_all(
        (1..=ENTRIES).map(|port| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 53 -t 600 -m {mark}")),
    );
}

/// Whether the program waits for a reader of its output, by the number of the system call (x86-64 and aarch64:
/// `write`).
fn stands_still(child: &Child) -> bool {
    let call = fs::read_to_string(format!("/proc/{}/syscall", child.id())).unwrap_or_default();
    let write = if cfg!(target_arch = "x86_64") { "1 " } else { "64 " };
    call.starts_with(write)
}

/// The port and the id of each entry, which tell the entries apart.
fn names() -> BTreeSet<(Option<u16>, u32)> {
    table().iter().map(|entry| (entry.original.src_port, entry.id)).collect()
}

/// The number of successors that the program hits when all entries are replaced while it deletes them.
fn hit(mut program: Command) -> usize {
    make(1);
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("its output is full", || stands_still(&child).then_some(()));
    let before = names();
    let flush = Said::of(original(&["-F"]), "");
    assert!(flush.is_good());
    make(2);
    let successors = names();
    // The kernel reuses the memory of an entry, and derives the id from the tuple and the place in memory. Now and then
    // a successor has the id of its predecessor, and nobody can tell the two apart.
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
