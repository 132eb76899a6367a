//! Names of the programs whose requests cause events.
//!
//! The kernel reports the netlink port of the requester. Only /proc maps it to a program, and a search for every event
//! would cost more than everything else. So a result is cached for a moment.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::{clock, netlink_sockets};

/// How long a result is valid. A port is reused only after its socket was closed, mostly together with its process.
const HOLDS: Duration = Duration::from_millis(500);

/// More ports than are in use at the same time. Above that number the cache is cleared, which costs no more than new
/// searches.
const PORTS: usize = 1024;

#[derive(Default)]
pub(super) struct ProgramNames {
    known: HashMap<u32, CachedName>,
}

struct CachedName {
    name: Option<String>,
    since: Instant,
}

impl ProgramNames {
    /// Name of the program that has a netfilter socket with that port; `None` if it is gone or not visible to this
    /// process.
    pub(super) fn of(&mut self, port: u32) -> Option<&str> {
        let now = clock::steady();
        let holds = self.known.get(&port).is_some_and(|known| now.duration_since(known.since) < HOLDS);
        if !holds {
            if self.known.len() >= PORTS {
                self.known.clear();
            }
            self.known.insert(port, CachedName { name: look(port), since: now });
        }
        self.known.get(&port).and_then(|known| known.name.as_deref())
    }
}

fn look(port: u32) -> Option<String> {
    let socket = format!("socket:[{}]", netlink_sockets::find(port)?.inode);
    // The kernel gives a process its own number as port, if that is free.
    let process = if has(port, &socket) { port } else { processes().find(|process| has(*process, &socket))? };
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end_matches('\n').to_owned())
}

/// Whether the process has that file open.
fn has(process: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
}
