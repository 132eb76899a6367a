//! A program that is run to its end, and what it said.
//!
//! Tests ask other programs what is so, and a program that could not be run must not look like an answer.

use std::io::Write;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One that runs longer will run for ever, and is killed.
const LONGEST: Duration = Duration::from_secs(60);

/// What a program said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The command line, for messages.
    pub command: String,
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Runs the command with that standard input.
    #[must_use]
    pub fn of(mut command: Command, input: &str) -> Self {
        let line = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let id = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let (over, watched) = channel::<()>();
        let watch = thread::spawn(move || {
            if watched.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                // It may have ended just now.
                let _ = kill(id, Signal::SIGKILL);
            }
        });
        // One that does not read its input may close it.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
        let Output { status, stdout, stderr } = child.wait_with_output().expect("a child can be waited for");
        drop(over);
        watch.join().expect("the watch has nothing to fail in");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { command: line, status, out: text(stdout), err: text(stderr) }
    }

    /// Whether it ended with status 0.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status.success()
    }

    /// Its standard output, if it ended with status 0.
    ///
    /// # Panics
    /// Where it did not.
    #[must_use]
    pub fn good(self) -> String {
        assert!(self.is_good(), "{} ended with {}\n{}{}", self.command, self.status, self.out, self.err);
        self.out
    }

    /// Its standard output, though it ended with status 1: not all that was asked for is so.
    ///
    /// # Panics
    /// Where it ended otherwise.
    #[must_use]
    pub fn short(self) -> String {
        assert_eq!(
            self.status.code(),
            Some(1),
            "{} ended with {}\n{}{}",
            self.command,
            self.status,
            self.out,
            self.err
        );
        self.out
    }

    /// Its standard error, if it ended with another status than 0.
    ///
    /// # Panics
    /// Where it ended with 0 or by a signal.
    #[must_use]
    pub fn failed(self) -> String {
        let code = self.status.code();
        assert!(
            code.is_some_and(|code| code != 0),
            "{} ended with {}\n{}{}",
            self.command,
            self.status,
            self.out,
            self.err
        );
        self.err
    }
}

/// A program with its arguments in one line, separated by blanks.
pub(crate) fn line(program: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).env("LC_ALL", "C");
    command
}
