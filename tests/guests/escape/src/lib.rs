//! Tries to reach foreign resources: files, environment, arguments, input, network, names, processes, threads.
//!
//! When provoked, it answers with one record for each attempt, so that a test sees that every interface exists and
//! refuses.

#[path = "../../plugin.rs"]
mod plugin;

use std::fmt::Debug;
use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs, io, process, thread};

use plugin::{Provoked, Target, Verdict, seen};

pub struct Escape;

/// The result of an attempt: `denied`, or the value that it got.
fn told<T: Debug, E: Debug>(name: &str, tried: Result<T, E>) -> String {
    match tried {
        Ok(got) => format!("{name} got {got:?}"),
        Err(_) => format!("{name} denied"),
    }
}

/// The result of an attempt for which an empty value is the refusal.
fn empty<T: Debug>(name: &str, got: &[T]) -> String {
    if got.is_empty() { format!("{name} denied") } else { format!("{name} got {got:?}") }
}

/// Makes all attempts. Returns one line for each.
fn tries() -> Vec<String> {
    let mut input = Vec::new();
    // An error leaves the input empty, which counts as denied.
    let _ = io::stdin().read_to_end(&mut input);
    vec![
        told("read", fs::read("/etc/passwd")),
        told("write", fs::write("/tmp/escaped", "out")),
        told("list", fs::read_dir("/").map(Iterator::count)),
        told("relative", fs::read("Cargo.toml")),
        empty("environment", &env::vars().collect::<Vec<_>>()),
        empty("arguments", &env::args().collect::<Vec<_>>()),
        empty("input", &input),
        told("connect", TcpStream::connect(("127.0.0.1", 22)).map(drop)),
        told("listen", TcpListener::bind(("127.0.0.1", 0)).map(drop)),
        told("udp", UdpSocket::bind(("127.0.0.1", 0)).map(drop)),
        told("resolve", ("localhost", 80).to_socket_addrs().map(Iterator::count)),
        told("spawn", process::Command::new("/bin/true").spawn().map(drop)),
        told("thread", thread::Builder::new().spawn(|| ()).map(drop)),
    ]
}

impl Provoked for Escape {
    fn misbehave() -> Vec<Verdict> {
        tries().into_iter().map(|reason| Verdict { reason, ..seen(Target::None) }).collect()
    }
}

plugin::export_plugin!(Escape);
