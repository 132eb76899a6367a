//! The running daemon: starts it with a configuration, runs its verbs, and sends it signals.
//!
//! When a test fails, the harness kills the daemon by its process id and prints its last output.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::Said;
use crate::patience::{PATIENCE, eventually};
use crate::program::ctwarden;
use crate::records::{Record, Records};
use crate::witness::table;

/// A daemon that runs. Dropping this value kills the daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: PathBuf,
    /// The records that this daemon has written.
    pub records: Records,
}

/// A daemon that has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// The records that the daemon had written.
    pub records: Vec<Record>,
    pub err: String,
}

impl Daemon {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_saying(folder, own_file(folder, "stderr"))
    }

    /// Starts the daemon with another standard error than the file in its folder.
    pub(crate) fn start_saying(folder: &Path, stderr: impl Into<Stdio>) -> Self {
        Self::start_command(ctwarden(), folder, stderr)
    }

    /// Starts the daemon of another program file.
    pub(crate) fn start_program(program: &Path, folder: &Path) -> Self {
        Self::start_command(Command::new(program), folder, own_file(folder, "stderr"))
    }

    fn start_command(program: Command, folder: &Path, stderr: impl Into<Stdio>) -> Self {
        let mut daemon = Self::spawn(program, folder, stderr);
        let control = folder.join("control.sock");
        eventually("the daemon runs", || {
            daemon.must_run();
            control.exists().then(|| daemon.verb("status --json")).filter(Said::is_good)
        });
        daemon
    }

    fn spawn(mut command: Command, folder: &Path, stderr: impl Into<Stdio>) -> Self {
        command.arg("run").arg("--config").arg(folder.join("ctwarden.toml")).current_dir("/");
        command.stdin(Stdio::null()).stdout(own_file(folder, "stdout")).stderr(stderr);
        let records = Records::from_now(folder.join("records.jsonl"));
        let child = command.spawn().expect("the program can be run");
        Self { child, folder: folder.to_owned(), records }
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The standard error of the daemon so far.
    #[must_use]
    pub fn err(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Waits until the standard error contains all of these texts. The daemon writes the lines in a thread of its own,
    /// so a line may come after the event that it reports.
    pub fn wait_for_err(&self, texts: &[&str]) {
        eventually(&format!("standard error with {texts:?}"), || {
            let err = self.err();
            texts.iter().all(|text| err.contains(text)).then_some(())
        });
    }

    /// The standard output of the daemon so far.
    #[must_use]
    pub fn out(&self) -> String {
        fs::read_to_string(self.folder.join("stdout")).unwrap_or_default()
    }

    /// Runs a verb with its arguments, separated by blanks, on this daemon.
    #[must_use]
    pub fn verb(&self, words: &str) -> Said {
        Said::of(self.command(words), "")
    }

    /// A verb with its arguments, separated by blanks, to be run on this daemon.
    #[must_use]
    pub fn command(&self, words: &str) -> Command {
        let mut command = ctwarden();
        command.args(words.split_whitespace()).arg("--socket").arg(self.folder.join("control.sock"));
        command
    }

    /// Runs `ctwarden send PLUGIN MESSAGE`.
    #[must_use]
    pub fn send(&self, plugin: &str, message: &str) -> Said {
        let mut command = self.command("send");
        command.args([plugin, message]);
        Said::of(command, "")
    }

    /// Runs `ctwarden send --no-wait PLUGIN MESSAGE`.
    #[must_use]
    pub fn send_without_waiting(&self, plugin: &str, message: &str) -> Said {
        let mut command = self.command("send --no-wait");
        command.args([plugin, message]);
        Said::of(command, "")
    }

    /// Writes a message into the control socket. The socket holds the message when this function returns, even while
    /// the daemon is paused. The answer is one line of the stream.
    #[must_use]
    pub fn request(&self, plugin: &str, message: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.folder.join("control.sock")).expect("the daemon has its socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        let request = serde_json::json!({ "send": { "plugin": plugin, "text": message } });
        writeln!(stream, "{request}").expect("the socket has room");
        stream
    }

    /// Runs `ctwarden send PLUGIN` with the messages on standard input, one per line.
    #[must_use]
    pub fn send_lines(&self, plugin: &str, messages: &str) -> Said {
        let mut command = self.command("send");
        command.arg(plugin);
        Said::of(command, messages)
    }

    /// Runs `ctwarden status --json`.
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.verb("status --json").good()).expect("the status is JSON")
    }

    /// The part of the status about one plugin.
    #[must_use]
    pub fn plugin_status(&self, name: &str) -> Value {
        let status = self.status();
        let plugins = status["plugins"].as_array().unwrap_or_else(|| panic!("no plugins: {status}"));
        plugins.iter().find(|plugin| plugin["name"] == name).unwrap_or_else(|| panic!("no {name}: {status}")).clone()
    }

    /// Waits for one record.
    pub fn wait_for(&mut self, what: &str, is: impl Fn(&Record) -> bool) -> Record {
        self.wait_for_many(what, 1, is).remove(0)
    }

    /// Waits for at least `count` records.
    pub fn wait_for_many(&mut self, what: &str, count: usize, is: impl Fn(&Record) -> bool) -> Vec<Record> {
        eventually(what, || {
            self.must_run();
            Some(self.records.which(&is)).filter(|found| found.len() >= count)
        })
    }

    /// Asks the daemon to reload its configuration and waits for the result. Returns `None` if the daemon accepted the
    /// configuration, or the reason for its refusal.
    pub fn reload(&mut self) -> Option<String> {
        let is = |record: &Record| record.is_notice("reloaded") || record.is_notice("reload-failed");
        let before = self.records.which(is).len();
        self.signal(Signal::SIGHUP);
        let said = self.wait_for_many("the reload", before + 1, is).remove(before);
        if said.is_notice("reloaded") { None } else { Some(said.text("text").expect("a failure says why").to_owned()) }
    }

    /// Asks the daemon to reload its configuration, without waiting.
    pub fn ask_to_reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("the daemon is ours");
    }

    /// Stops the process: the daemon does nothing until [`Daemon::resume`].
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        // kill(2) may return before the signal has reached all threads. Their state shows that they have stopped.
        eventually("the daemon stands still", || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("a child has threads");
            let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
            let mut stats = threads.map(|thread| fs::read_to_string(thread.expect("a thread").path().join("stat")));
            stats.all(|stat| stat.is_ok_and(stopped)).then_some(())
        });
    }

    /// Continues a paused daemon.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills the daemon without a chance to clean up.
    pub fn kill(mut self) {
        self.child.kill().expect("the daemon is ours");
        let _ = self.child.wait();
    }

    /// Sends SIGINT, as a terminal does at Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    /// The resident memory of the daemon in KiB (`VmRSS` of proc_pid_status(5)).
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a child has a state");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The processor time that the daemon has used, in hundredths of a second (`USER_HZ`).
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("a child has a state");
        // utime and stime are fields 14 and 15 of proc_pid_stat(5): fields 12 and 13 after the name.
        let fields: Vec<_> = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ').collect();
        [11, 12].iter().map(|index| fields[*index].parse::<u64>().expect("a number")).sum()
    }

    /// The niceness of each thread with this name.
    ///
    /// # Panics
    /// If no such thread appears within [`PATIENCE`].
    #[must_use]
    pub fn niceness(&self, thread: &str) -> Vec<i32> {
        eventually(&format!("a thread {thread}"), || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("a child has threads");
            let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
            let found: Vec<i32> = stats
                .filter_map(|stat| {
                    let (front, rest) = stat.rsplit_once(") ")?;
                    // Field 19 of proc_pid_stat(5): index 16 after the name.
                    front.ends_with(&format!("({thread}")).then(|| rest.split(' ').nth(16)?.parse().ok())?
                })
                .collect();
            (!found.is_empty()).then_some(found)
        })
    }

    /// Asks the daemon to stop in order, with SIGTERM.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Asks the daemon to stop and waits for its end.
    ///
    /// # Panics
    /// If the daemon does not end with status 0, or did not write exactly one `stopping` record.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.ask_to_stop();
        let ended = self.wait_for_end();
        assert!(ended.status.success(), "ended with {}\n{}", ended.status, ended.err);
        assert_eq!(
            ended.records.iter().filter(|record| record.is_notice("stopping")).count(),
            1,
            "{:?}",
            ended.records.last()
        );
        ended
    }

    /// Waits until the daemon ends by itself.
    #[must_use]
    pub fn wait_for_end(mut self) -> Ended {
        let status = eventually("the daemon ends", || self.child.try_wait().expect("a child can be waited for"));
        Ended { status, records: self.records.all(), err: self.err() }
    }

    fn must_run(&mut self) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(
            ended.is_none(),
            "the daemon ended with {}\n{}",
            ended.map_or_else(String::new, |s| s.to_string()),
            self.err()
        );
    }
}

fn own_file(folder: &Path, name: &str) -> File {
    File::options().create(true).append(true).open(folder.join(name)).expect("the folder is ours")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- standard error of the daemon\n{}", self.err());
            let records = self.records.all();
            eprintln!("--- its last records of {}", records.len());
            for record in records.iter().rev().take(40).rev() {
                eprintln!("{}", record.0);
            }
            eprintln!("--- the kernel's table");
            for entry in table().iter().take(40) {
                eprintln!("{}", entry.line);
            }
        }
        // The daemon may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
