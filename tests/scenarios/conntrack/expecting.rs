//! Expectations of a real helper: list, count, get, delete and flush them, and make some by hand in addition.
//!
//! Both programs work on the expectations of the same flow, one after the other, and the expectations are made anew in
//! between. A flow with a helper cannot be built twice with the same ports.

use ctwarden_tests::{Built, Ftp, Said, Scene, conntrack, difference, original};

use super::grid::{Grid, Part};

/// `CLIENT` stands for the client's port of the control connection. The helper expects a flow from 127.0.0.1 to port
/// 20021 of 127.0.0.2.
const LINES: &str = "
-L expect
-L expect -o xml
-L expect -o id
-L expect -o timestamp
-L expect -o extended
-L expect -f ipv4
-L expect -f ipv6
-C expect
-G expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport 0 --dport 20021 --reply-port-src 1 --reply-port-dst 2
-G expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 --reply-port-src 1 --reply-port-dst 2
-G expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport 0 --dport 20022 --reply-port-src 1 --reply-port-dst 2
-D expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport 0 --dport 20021 --reply-port-src 1 --reply-port-dst 2
-D expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport 0 --dport 20022 --reply-port-src 1 --reply-port-dst 2
-D expect -p udp -s 127.0.0.1 -d 127.0.0.2 --sport 0 --dport 20021 --reply-port-src 1 --reply-port-dst 2
-D expect -p tcp -s 127.0.0.1 -d 127.0.0.2
-F expect
-F expect -f ipv6
-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 -t 60 --tuple-src 127.0.0.1 --tuple-dst 127.0.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --tuple-port-src 0 --tuple-port-dst 999 --mask-port-src 0 --mask-port-dst 65535
-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 -t 60 --tuple-src 127.0.0.9 --tuple-dst 127.0.0.2 --mask-src 255.255.255.0 --mask-dst 255.255.255.255 --tuple-port-src 5 --tuple-port-dst 999 --mask-port-src 65535 --mask-port-dst 65535
-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport 1 --dport 21 -t 60 --tuple-src 127.0.0.1 --tuple-dst 127.0.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --tuple-port-src 0 --tuple-port-dst 999 --mask-port-src 0 --mask-port-dst 65535
-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 -t 60 --tuple-src 127.0.0.1 --tuple-dst 127.0.0.2
";

#[test]
fn expectations_are_shown_made_and_removed_as_the_original_does() {
    let Some(_scene) = Scene::new() else { return };
    let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") else { return };
    let client = ftp.control.port().to_string();
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Expecting);
    for line in LINES.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> =
            line.split_whitespace().map(|word| if word == "CLIENT" { &client } else { word }).collect();
        let mut one = |command: std::process::Command| {
            let _ = Said::of(original(&["-F", "expect"]), "").good();
            ftp.offer(20_021);
            (Said::of(command, ""), Said::of(original(&["-L", "expect"]), ""))
        };
        let (theirs, their_table) = one(original(&words));
        let (ours, our_table) = one(conntrack(&words));
        let tables = difference(&their_table, &our_table, Built::Twice);
        grid.judge_both(line, (&theirs, &ours, Built::Twice), tables);
    }
    grid.finish();
}
