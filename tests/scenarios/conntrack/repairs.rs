//! Defects of the original that our program does not copy. Each test runs both programs.
//!
//! A defect without a test comes back. A defect that the original has since repaired is no longer a difference.

use ctwarden_tests::{Listener, Said, Scene, conntrack, insert, insert_all, original, table};

use super::world::{FEW, fill};

#[test]
fn a_flush_of_one_family_leaves_the_other() {
    let Some(_scene) = Scene::new() else { return };
    for (family, kept) in [("ipv6", "ipv4"), ("ipv4", "ipv6")] {
        let _ = Said::of(original(&["-F"]), "").good();
        fill(FEW);
        let others = Said::of(original(&["-L", "-f", kept, "-o", "id"]), "").good().lines().count();
        let said = Said::of(conntrack(&["-F", "-f", family]), "");
        assert!(said.is_good() && said.err.contains("connection tracking table has been emptied."), "{said:?}");
        assert_eq!(table().len(), others, "{family}");
        assert!(table().iter().all(|entry| entry.original.src.is_ipv4() == (kept == "ipv4")), "{family}");
        let _ = Said::of(original(&["-F"]), "").good();
        fill(FEW);
        let _ = Said::of(original(&["-F", "-f", family]), "").good();
        assert_eq!(table(), [], "the original has learnt it: take it off the list");
    }
}

#[test]
fn the_buffer_that_is_sized_is_the_one_that_is_read() {
    let Some(_scene) = Scene::new() else { return };
    let theirs = Listener::start(original(&["-E", "-b", "4000000"]));
    let buffers = Listener::buffers();
    assert!(
        !buffers.is_empty() && buffers.iter().all(|&size| size < 4_000_000),
        "the original has learnt it: {buffers:?}"
    );
    let notice = theirs.stop().err;
    let ours = Listener::start(conntrack(&["-E", "-b", "4000000"]));
    let buffers = Listener::buffers();
    // The kernel doubles the given size (socket(7)).
    assert!(buffers.contains(&8_000_000), "{buffers:?}");
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&ours.stop().err), first(&notice));
}

#[test]
fn a_listener_with_a_large_buffer_hears_what_a_small_one_loses() {
    let Some(_scene) = Scene::new() else { return };
    let small = Listener::start(conntrack(&["-E", "-e", "NEW", "-b", "2304"]));
    let large = Listener::start(conntrack(&["-E", "-e", "NEW", "-b", "8388608"]));
    insert_all((1..=4000).map(|port| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 53 -t 60")));
    let listeners = [small, large];
    Listener::wait_for_all(&listeners);
    let [small, large] = listeners.map(Listener::stop);
    assert_eq!(large.out.lines().count(), 4000);
    assert!(large.err.contains("4000 flow events have been shown."), "{}", large.err);
    // The listener with the small buffer goes on, and reports the loss and the option that helps.
    assert!(small.is_good() && small.out.lines().count() < 4000, "{}", small.out.lines().count());
    assert!(small.err.contains("ENOBUFS") && small.err.contains("-b"), "{}", small.err);
}

#[test]
fn marks_are_set_by_mask() {
    let Some(_scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 60 -m 0x1234");
    for (mark, becomes) in [("0xff00/0xff00", 0xff34), ("0/0xf000", 0x0f34), ("0x1/0x3", 0x0f35), ("7", 7), ("0", 0)] {
        let _ = Said::of(conntrack(&["-U", "-s", "10.0.0.1", "-m", mark]), "").good();
        assert_eq!(table()[0].mark, becomes, "{mark}");
    }
}

#[test]
fn every_updated_entry_is_shown() {
    let Some(_scene) = Scene::new() else { return };
    fill(FEW);
    let said = Said::of(conntrack(&["-U", "-s", "10.0.0.1", "-m", "99"]), "");
    let marked = table().iter().filter(|entry| entry.mark == 99).count();
    assert_eq!((marked, said.out.lines().count()), (8, 8), "{said:?}");
    assert!(said.is_good() && said.err.contains("8 flow entries have been updated."), "{}", said.err);
    assert!(said.out.lines().all(|line| line.contains(" mark=99 ")), "{}", said.out);
}

#[test]
fn each_line_of_a_file_has_a_mark_and_a_filter_of_its_own() {
    let Some(_scene) = Scene::new() else { return };
    let orders = "-A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 60 -m 1\n\
        -A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 2 --dport 2 -t 60 -m 2\n\
        -U -p udp -s 10.0.0.1 --sport 1 -m 7\n\
        -D -p udp -s 10.0.0.1 -m 2\n\
        -D -p udp -s 10.9.9.9 -m 9\n";
    let marks = |program: fn(&[&str]) -> std::process::Command| -> Vec<u32> {
        let _ = Said::of(original(&["-F"]), "").good();
        let _ = Said::of(program(&["-R", "-"]), orders);
        table().iter().map(|entry| entry.mark).collect()
    };
    assert_ne!(marks(original), [7], "the original has learnt it: take it off the list");
    assert_eq!(marks(conntrack), [7]);
}

#[test]
fn entries_of_a_zone_are_changed_and_removed_there() {
    let Some(_scene) = Scene::new() else { return };
    for (port, zone) in [(1, ""), (1, "-w 5"), (2, "--orig-zone 6"), (3, "--reply-zone 7")] {
        insert(&format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 -t 60 {zone}"));
    }
    let updated = Said::of(conntrack(&["-U", "-s", "10.0.0.1", "-w", "5", "-m", "9"]), "");
    assert!(!updated.is_good() && updated.err.contains("Illegal option `--zone'"), "{updated:?}");
    let _ = Said::of(conntrack(&["-U", "-s", "10.0.0.1", "-m", "9"]), "").good();
    assert!(table().len() == 4 && table().iter().all(|entry| entry.mark == 9), "{:?}", table());
    let _ = Said::of(conntrack(&["-D", "-s", "10.0.0.1", "-w", "5"]), "").good();
    assert_eq!(table().iter().filter(|entry| entry.zone == 5).count(), 0);
    assert_eq!(table().len(), 3);
    let _ = Said::of(conntrack(&["-D", "-s", "10.0.0.1"]), "").good();
    assert_eq!(table(), []);
}

#[test]
fn nothing_matched_is_told_from_failure_when_asked() {
    let Some(_scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 60");
    let status = |words: &[&str]| Said::of(conntrack(words), "").status.code();
    for change in [&["-D"][..], &["-U", "-m", "1"]] {
        let with = |more: &[&'static str]| [change, more].concat();
        assert_eq!(status(&with(&["-s", "10.9.9.9"])), Some(1), "as the original");
        assert_eq!(status(&with(&["-s", "10.9.9.9", "--exit-code"])), Some(3), "{change:?}");
        assert_eq!(status(&with(&["-s", "nonsense", "--exit-code"])), Some(2), "{change:?}");
    }
    assert_eq!(status(&["-U", "-m", "1", "-s", "10.0.0.1", "--exit-code"]), Some(0));
    assert_eq!(status(&["-D", "-s", "10.0.0.1", "--exit-code"]), Some(0));
}

#[test]
fn xml_names_the_states_of_sctp() {
    let Some(_scene) = Scene::new() else { return };
    for (port, state) in super::world::SCTP_STATES.into_iter().enumerate() {
        insert(&format!(
            "-p sctp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 --state {state} --orig-vtag 1 --reply-vtag 2 -t 60"
        ));
        let words = ["-L", "-p", "sctp", "--sport", &port.to_string(), "-o", "xml"];
        let said = Said::of(conntrack(&words), "").good();
        assert!(said.contains(&format!("<state>{state}</state>")), "{said}");
    }
}
