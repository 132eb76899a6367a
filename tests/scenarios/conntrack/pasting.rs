//! `-L --from`: a pasted table in any form, filtered and printed like the kernel's own table.
//!
//! For every form, the output must equal the output for the kernel's table, as far as the form carries the values.

use std::fs;

use ctwarden_tests::{Said, Scene, conntrack, with_label_map};

use super::world::{LABELS, Traffic, fill, loadable, many};

const FILTERS: [&str; 9] = [
    "",
    "-p tcp",
    "-f ipv6",
    "-s 10.0.0.0/8",
    "-p tcp --state ESTABLISHED",
    "-u ASSURED",
    "-m 1",
    "-d 2001:db8::/32 -p udp",
    "-w 5",
];

fn listed(more: &str, input: &str) -> Said {
    let words: Vec<&str> = ["-L"].into_iter().chain(more.split_whitespace()).collect();
    Said::of(conntrack(&words), input)
}

/// The lines without the values that change with time, and without the words that a form leaves out.
fn comparable(said: Said, leave: &[&str]) -> Vec<String> {
    let keeps = |word: &&str| !leave.iter().chain(&["delta-time="]).any(|name| word.starts_with(name));
    let no_seconds = |line: &str| -> String {
        let words = line.split_whitespace().enumerate().filter(|(at, _)| *at != 4).map(|(_, word)| word);
        words.filter(keeps).collect::<Vec<_>>().join(" ")
    };
    said.good().lines().map(no_seconds).collect()
}

#[test]
fn a_pasted_table_prints_like_the_kernels() {
    let Some(scene) = Scene::new() else { return };
    let _traffic = Traffic::new(&scene);
    fill(&loadable());
    with_label_map(LABELS, || {
        for (form, leaves) in [
            ("text", &["use=", "zone-orig=", "[start=", "helper="][..]),
            ("extended,id,labels,ktimestamp", &["[start="]),
            ("json", &[]),
            // A save line has only values that the kernel accepts, and no mark that is 0.
            ("save", &["mark=0", "packets=", "bytes=", "use=", "id=", "[start=", "labels=", "secctx="]),
        ] {
            let output = if form == "text" { String::new() } else { format!("-o {form}") };
            let pasted = listed(&output, "").good();
            let file = scene.write("pasted", &pasted);
            for filter in FILTERS {
                let words = format!("{filter} -o extended{}", if form == "json" { ",id,labels" } else { "" });
                let direct = comparable(listed(&words, ""), leaves);
                let through = comparable(listed(&format!("{words} --from -"), &pasted), leaves);
                assert_eq!(through, direct, "{form}, {filter}");
                let from_file = listed(&format!("{words} --from {}", file.display()), "");
                assert_eq!(comparable(from_file, leaves), direct, "{form}, {filter}");
            }
        }
        // JSON loses nothing at all.
        let pasted = listed("-o json", "").good();
        assert_eq!(listed("-o json --from -", &pasted).good(), pasted);
    });
}

#[test]
fn the_kernels_own_file_prints_like_its_table() {
    let Some(scene) = Scene::new() else { return };
    let Ok(_) = fs::metadata("/proc/net/nf_conntrack") else {
        ctwarden_tests::skip("this kernel has no /proc/net/nf_conntrack");
        return;
    };
    let _traffic = Traffic::new(&scene);
    fill(&many());
    let pasted = fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap();
    for filter in FILTERS {
        let words = format!("{filter} -o extended");
        // The file counts its own reference and names no helper. It has no ports for DCCP, where the listing has zeros.
        let leaves = ["use=", "helper=", "sport=0", "dport=0"];
        let direct = comparable(listed(&words, ""), &leaves);
        let through = comparable(listed(&format!("{words} --from -"), &pasted), &leaves);
        assert_eq!(through, direct, "{filter}");
    }
}

#[test]
fn lines_that_are_no_entries_are_named_and_skipped() {
    let Some(_scene) = Scene::new() else { return };
    let good = "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1";
    let said = listed("--from -", &format!("{good}\nnonsense\n\n{good}\n{{\"id\": 1}}\n"));
    assert_eq!((said.status.code(), said.out.lines().count()), (Some(1), 2), "{said:?}");
    assert!(said.out.lines().all(|line| line == good), "{}", said.out);
    for line in ["line 2", "line 5"] {
        assert!(said.err.contains(line), "{}", said.err);
    }
    assert!(said.err.contains("2 flow entries have been shown."), "{}", said.err);
    let said = listed("--from /nonexistent", "");
    assert!(!said.is_good() && said.err.contains("/nonexistent"), "{said:?}");
}
