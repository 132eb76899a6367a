//! The options that a command accepts: every command with every option, and every protocol's own options with every
//! command.
//!
//! Scripts depend on exit statuses, and people on the message that names the missing option. The table is empty, so the
//! commands find nothing and change nothing.

use ctwarden_tests::Scene;

use super::grid::{Grid, Part};

const COMMANDS: [&str; 20] = [
    "-L",
    "-G",
    "-D",
    "-I",
    "-A",
    "-U",
    "-E",
    "-F",
    "-C",
    "-S",
    "-V",
    "-h",
    "-L expect",
    "-G expect",
    "-D expect",
    "-I expect",
    "-F expect",
    "-C expect",
    "-S expect",
    "-E expect",
];

const OPTIONS: [&str; 30] = [
    "-s 10.0.0.1",
    "-d 10.0.0.1",
    "-r 10.0.0.1",
    "-q 10.0.0.1",
    "-p tcp",
    "-p 89",
    "-t 5",
    "-u ASSURED",
    "-z",
    "-e NEW",
    "--tuple-src 10.0.0.1",
    "--tuple-dst 10.0.0.1",
    "-s 10.0.0.1 --mask-src 255.0.0.0",
    "-d 10.0.0.1 --mask-dst 255.0.0.0",
    "-m 1",
    "-i 1",
    "-f ipv4",
    "-n 10.0.0.1",
    "-g 10.0.0.1",
    "-j 10.0.0.1",
    "-n",
    "-o id",
    "-c 1",
    "-b 65536",
    "-w 1",
    "-l x",
    "--label-add x",
    "--label-del",
    "--orig-zone 1",
    "--reply-zone 1",
];

/// The options that `-E` and `-E expect` accept. With these they would listen, which is another part of the test.
const HEARD: [&str; 17] = [
    "-s",
    "-d",
    "-r",
    "-q",
    "-p",
    "-e",
    "-m",
    "-f",
    "-n",
    "-g",
    "-j",
    "-o",
    "-c",
    "-b",
    "-w",
    "--orig-zone",
    "--reply-zone",
];

/// Each protocol with its own options.
const PROTOCOLS: [(&str, &[&str]); 8] = [
    (
        "tcp",
        &[
            "--sport 1",
            "--dport 1",
            "--reply-port-src 1",
            "--reply-port-dst 1",
            "--mask-port-src 1",
            "--mask-port-dst 1",
            "--state CLOSE",
            "--tuple-port-src 1",
            "--tuple-port-dst 1",
            "--sport 1 --dport 1",
            "--reply-port-src 1 --reply-port-dst 1",
        ],
    ),
    (
        "udp",
        &[
            "--sport 1",
            "--dport 1",
            "--reply-port-src 1",
            "--reply-port-dst 1",
            "--mask-port-src 1",
            "--mask-port-dst 1",
            "--tuple-port-src 1",
            "--tuple-port-dst 1",
            "--sport 1 --dport 1",
        ],
    ),
    ("udplite", &["--sport 1", "--orig-port-dst 1", "--reply-port-src 1", "--mask-port-src 1", "--tuple-port-dst 1"]),
    (
        "sctp",
        &[
            "--sport 1",
            "--dport 1",
            "--reply-port-src 1",
            "--reply-port-dst 1",
            "--mask-port-src 1",
            "--state CLOSED",
            "--tuple-port-src 1",
            "--orig-vtag 1",
            "--reply-vtag 1",
            "--sport 1 --dport 1 --state CLOSED",
        ],
    ),
    (
        "dccp",
        &[
            "--sport 1",
            "--dport 1",
            "--reply-port-src 1",
            "--mask-port-src 1",
            "--state OPEN",
            "--tuple-port-src 1",
            "--role client",
        ],
    ),
    (
        "gre",
        &[
            "--srckey 1",
            "--dstkey 1",
            "--reply-key-src 1",
            "--reply-key-dst 1",
            "--mask-key-src 1",
            "--mask-key-dst 1",
            "--tuple-key-src 1",
            "--tuple-key-dst 1",
            "--srckey 1 --dstkey 1",
        ],
    ),
    ("icmp", &["--icmp-type 8", "--icmp-code 0", "--icmp-id 1", "--icmp-type 8 --icmp-code 0"]),
    ("icmpv6", &["--icmpv6-type 128", "--icmpv6-code 0", "--icmpv6-id 1"]),
];

#[test]
fn each_command_takes_and_refuses_the_options_that_the_original_does() {
    let Some(_scene) = Scene::new() else { return };
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Legality);
    let listens = |command: &str, options: &str| {
        let mut words = options.split(' ').filter(|word| word.starts_with('-'));
        match command {
            "-E" => words.all(|word| HEARD.contains(&word)),
            "-E expect" => words.all(|word| word == "-o"),
            _ => false,
        }
    };
    for command in COMMANDS {
        for option in OPTIONS {
            if !listens(command, option) && !option.contains("--mask") {
                grid.ask(&format!("{command} {option}"));
            }
        }
    }
    for command in ["-L", "-D", "-U", "-G", "-I", "-F", "-I expect", "-D expect"] {
        for option in OPTIONS.iter().filter(|option| option.contains("--mask")) {
            grid.ask(&format!("{command} {option}"));
        }
    }
    for (protocol, options) in PROTOCOLS {
        for command in ["-L", "-G", "-D", "-I", "-A", "-U", "-F", "-I expect", "-D expect", "-G expect"] {
            // With the addresses given, only the options that the protocol needs are missing.
            let addresses = if matches!(command, "-L" | "-F") { "" } else { " -s 10.0.0.1 -d 10.0.0.2" };
            for option in options {
                grid.ask(&format!("{command}{addresses} -p {protocol} {option}"));
            }
        }
    }
    grid.finish();
}
