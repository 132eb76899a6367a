//! Captures the files of the corpus again: runs the commands of each file in its own network namespace and records the
//! kernel's messages.
//!
//! Run it as root from the folder `tests/corpus`: `cargo run -p ctwarden-wire --example capture -- entries/tcp4.txt`. A
//! new file needs only its head: the `about`, `before`, `run` and `take` lines.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for whoever keeps the corpus: it stops and says where"
)]

#[path = "../tests/captured/entry_file.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod entry_file;

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use ctwarden_model::{FlowId, FlowKey, Layer4, Protocol, Tuple, Zone};
use ctwarden_wire::{Content, KernelFilter, Messages, request};
use entry_file::EntryFile;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sched::{CloneFlags, unshare};

fn main() {
    for path in env::args().skip(1) {
        // The network namespace belongs to the thread and ends with it.
        thread::spawn(move || capture(Path::new(&path))).join().unwrap();
    }
}

fn capture(path: &Path) {
    let mut file = EntryFile::read(path);
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    sh("ip link set lo up");
    file.before.iter().for_each(|command| sh(command));

    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    socket.set_ext_ack(true).unwrap();
    let groups: &[u32] = match file.take.as_str() {
        "events" => &[1, 2, 3],
        "expectation-events" => &[4, 5, 6],
        _ => &[],
    };
    groups.iter().for_each(|group| socket.add_membership(*group).unwrap());

    file.run.iter().for_each(|command| sh(command));
    // No message marks the end. Events of commands that have ended are already in the socket, those of closed
    // connections come soon.
    thread::sleep(Duration::from_millis(300));

    let mut ask = Vec::new();
    match file.take.as_str() {
        "rows" => request::dump(&mut ask, 1, &KernelFilter::EVERYTHING),
        "get" => request::get(&mut ask, 1, &missing()),
        "expectation-rows" => request::expectation::dump(&mut ask, 1, None),
        "statistics" => request::statistics(&mut ask, 1),
        "statistics-cpu" => request::statistics_cpu(&mut ask, 1),
        "expectation-statistics-cpu" => request::expectation_statistics_cpu(&mut ask, 1),
        "acknowledgement" => request::expectation::flush(&mut ask, 1),
        "refusal" => request::delete(&mut ask, 1, true, &missing()),
        "refusal-with-text" | "refused-dump" => {
            // The kernel's attribute policy does not allow a status of three bytes.
            if file.take == "refused-dump" {
                request::dump(&mut ask, 1, &KernelFilter::EVERYTHING);
            } else {
                request::statistics(&mut ask, 1);
                ask[4..8].copy_from_slice(&[0, 1, 5, 0]);
            }
            ask.extend_from_slice(&[7, 0, 3, 0, 1, 2, 3, 0]);
            ask[0] = 28;
        }
        _ => {}
    }
    if !ask.is_empty() {
        socket.send_to(&ask, &SocketAddr::new(0, 0), 0).unwrap();
    }

    file.messages.clear();
    file.kernel = kernel();
    socket.set_non_blocking(true).unwrap();
    while let Ok((read, _)) = socket.recv_from_full() {
        for message in Messages::new(&read) {
            let message = message.unwrap();
            let done = matches!(message.content(), Content::Done { .. });
            let mut bytes = message.header.length.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&message.header.kind.to_ne_bytes());
            bytes.extend_from_slice(&message.header.flags.0.to_ne_bytes());
            bytes.extend_from_slice(&message.header.sequence.to_ne_bytes());
            bytes.extend_from_slice(&message.header.port.to_ne_bytes());
            bytes.extend_from_slice(message.payload);
            if !done || file.messages.is_empty() || file.take == "statistics-cpu" {
                file.messages.push(bytes);
            }
        }
    }
    println!("{}: {} messages", path.display(), file.messages.len());
    fs::write(path, file.text()).unwrap();
}

/// A UDP flow from 192.0.2.1:1 to 192.0.2.2:2, with id 7 in zone 0.
fn missing() -> FlowKey {
    let original = Tuple {
        src: [192, 0, 2, 1].into(),
        dst: [192, 0, 2, 2].into(),
        protocol: Protocol::UDP,
        layer4: Layer4::Ports { src: 1, dst: 2 },
    };
    FlowKey { id: FlowId(7), zone: Zone(0), original }
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    format!("Linux {} {}", release.trim(), env::consts::ARCH)
}

fn sh(command: &str) {
    let status = Command::new("bash").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}
