//! Programs that listen to events while flows are made, and the highest rate before they lose one.
//!
//! The kernel counts the messages that it could not put into a socket (`/proc/net/netlink`, column Drops). The
//! benchmark therefore does not depend on what a program reports.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::children::Running;
use crate::processor;

/// The longest time that a listener takes to subscribe.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program whose printed events are discarded.
#[derive(Debug)]
pub(crate) struct Listener {
    running: Running,
}

impl Listener {
    /// Starts the program in the network namespace of the calling thread and waits until it listens. No other program
    /// may listen there.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut running = Running::new(child);
        let end = Instant::now() + PATIENCE;
        while sockets()?.listening == 0 {
            ensure!(running.get().try_wait()?.is_none(), "{command:?} ended before it listened");
            ensure!(Instant::now() < end, "{command:?} does not listen");
            sleep(Duration::from_millis(1));
        }
        Ok(Self { running })
    }

    pub(crate) fn processor(&self) -> Result<Duration> {
        processor::of_running(self.running.id())
    }

    /// Whether the program still runs.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.running.get().try_wait()?.is_none())
    }

    /// Ends the program as a terminal does. Returns its exit status and its standard error.
    pub(crate) fn end(mut self) -> Result<(std::process::ExitStatus, String)> {
        self.running.signal(Signal::SIGINT);
        let mut said = String::new();
        if let Some(mut pipe) = self.running.get().stderr.take() {
            std::io::Read::read_to_string(&mut pipe, &mut said)?;
        }
        Ok((self.running.get().wait()?, said))
    }
}

/// The netfilter sockets of the namespace that are in a multicast group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sockets {
    /// The number of these sockets.
    pub(crate) listening: u64,
    /// The bytes that wait in these sockets.
    pub(crate) waiting: u64,
    /// The messages that the kernel could not put into these sockets.
    pub(crate) dropped: u64,
}

pub(crate) fn sockets() -> Result<Sockets> {
    let table = fs::read_to_string("/proc/thread-self/net/netlink")
        .context("cannot read the kernel's list of netlink sockets")?;
    read(&table)
}

/// The columns are sk, Eth (the protocol), Pid, Groups, Rmem, Wmem, Dump, Locks, Drops, Inode
/// (`netlink_native_seq_show`).
fn read(table: &str) -> Result<Sockets> {
    /// `NETLINK_NETFILTER` (linux/netlink.h).
    const NETFILTER: &str = "12";
    let mut sockets = Sockets::default();
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, protocol, _, groups, waiting, _, _, _, dropped, ..] = words.as_slice() else { continue };
        if *protocol == NETFILTER && groups.chars().any(|digit| digit != '0') {
            sockets.listening += 1;
            sockets.waiting += waiting.parse::<u64>().context("Rmem is not a number")?;
            sockets.dropped += dropped.parse::<u64>().context("Drops is not a number")?;
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_of_netfilter_count() {
        let table = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   4196       00000551 0        0        0     2        0        27015
0000000000000000 12  4195       00000007 1280     0        0     2        41       27014
0000000000000000 12  4194       00000000 0        0        0     2        7        27013
";
        assert_eq!(read(table).unwrap(), Sockets { listening: 1, waiting: 1280, dropped: 41 });
    }
}
