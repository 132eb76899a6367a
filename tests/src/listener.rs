//! A program that listens to events until it is stopped, and its output.
//!
//! A listener may not have subscribed yet, or may end before it has read everything. Its output then looks as if it
//! received less. The kernel's list of netlink sockets shows both cases.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use crate::command::{Said, line};
use crate::patience::eventually;

/// Netfilter's number among the netlink families (`linux/netlink.h`).
const NETFILTER: &str = "12";

/// A listener that runs. Dropping this value kills the program.
#[derive(Debug)]
pub struct Listener {
    command: String,
    child: Child,
    out: NamedTempFile,
    err: NamedTempFile,
}

impl Listener {
    /// Starts the program in the thread's namespace and waits until it has subscribed.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let before = sockets(|socket| socket.subscribed).len();
        let [out, err] = [(); 2].map(|()| NamedTempFile::new().expect("a file can be made"));
        let file = |file: &NamedTempFile| File::create(file.path()).expect("the file is ours");
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let line = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let mut listener = Self { command: line, child, out, err };
        eventually(&format!("{} listens", listener.command), || {
            let ended = listener.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{} has ended: {}", listener.command, listener.text(&listener.err));
            (sockets(|socket| socket.subscribed).len() > before).then_some(())
        });
        listener
    }

    fn text(&self, file: &NamedTempFile) -> String {
        String::from_utf8_lossy(&fs::read(file.path()).expect("the file is there")).into_owned()
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The standard output of the listener so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.text(&self.out)
    }

    /// The standard error of the listener so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.text(&self.err)
    }

    /// Ends the listener as Ctrl-C does, and returns its output.
    #[must_use]
    pub fn stop(self) -> Said {
        self.interrupt();
        self.said()
    }

    /// Ends all listeners at the same moment, so that none hears an event that another misses.
    #[must_use]
    pub fn stop_all(listeners: Vec<Self>) -> Vec<Said> {
        for listener in &listeners {
            listener.interrupt();
        }
        listeners.into_iter().map(Self::said).collect()
    }

    fn interrupt(&self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(id, Signal::SIGINT).expect("it runs");
    }

    fn said(mut self) -> Said {
        let status = eventually("it ends", || self.child.try_wait().expect("a child can be asked"));
        Said { command: self.command.clone(), status, out: self.out(), err: self.err() }
    }

    /// The receive buffer sizes, in bytes, of the sockets that listen in the thread's namespace.
    #[must_use]
    pub fn buffers() -> Vec<u64> {
        let list = Said::of(line("ss", "-f netlink -a -m -e"), "").good();
        // `UNCONN 0 0 nft:1234 * sk=0 cb=0 groups=0x00000007 skmem:(r0,rb212992,…)`
        let netfilter = list.lines().filter(|row| row.contains(" nft:"));
        let listening = netfilter.filter(|row| row.contains("groups=0x") && !row.contains("groups=0x00000000"));
        let size = |row: &str| row.split_once(",rb")?.1.split(',').next()?.parse().ok();
        listening.filter_map(size).collect()
    }

    /// Waits until all listeners in the thread's namespace have read the data sent to them and sleep again. Both must
    /// hold twice in a row: a listener may receive more while the first check runs.
    pub fn wait_for_all(listeners: &[Self]) {
        let mut quiet = 0;
        eventually("everything is read", || {
            let waiting = |socket: &Socket| socket.subscribed && socket.unread > 0;
            let is_quiet = sockets(waiting).is_empty() && listeners.iter().all(Self::sleeps);
            quiet = if is_quiet { quiet + 1 } else { 0 };
            (quiet == 2).then_some(())
        });
    }

    /// Whether the listener waits: the third word of its status line (proc_pid_stat(5)) is `S`.
    fn sleeps(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The listener may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Socket {
    subscribed: bool,
    unread: u64,
}

/// The netfilter sockets of the thread's namespace for which `which` holds.
fn sockets(which: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
    let list = fs::read_to_string("/proc/thread-self/net/netlink").expect("the kernel lists its sockets");
    let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let netfilter = rows.filter(|row| row.get(1) == Some(&NETFILTER));
    let sockets = netfilter.map(|row| Socket {
        subscribed: row.get(3).is_some_and(|groups| groups.bytes().any(|digit| digit != b'0')),
        unread: row.get(4).and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
    });
    sockets.filter(|socket| which(socket)).collect()
}
