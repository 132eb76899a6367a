//! Runs a program to its end and keeps its output.
//!
//! Tests check facts with other programs. A program that cannot be started must not look like an answer, so it panics.

use std::io::Write;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The longest run of a program. A program that runs longer is killed.
const LONGEST: Duration = Duration::from_secs(60);

/// The exit status and the output of a program.
#[derive(Clone, Debug)]
pub struct Said {
    /// The command line, for messages.
    pub command: String,
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Runs the command with this standard input.
    #[must_use]
    pub fn of(mut command: Command, input: &str) -> Self {
        let line = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let id = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let (over, watched) = channel::<()>();
        let watch = thread::spawn(move || {
            if watched.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                // The child may have ended a moment ago.
                let _ = kill(id, Signal::SIGKILL);
            }
        });
        // A program that does not read its standard input may close it.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
        let Output { status, stdout, stderr } = child.wait_with_output().expect("a child can be waited for");
        drop(over);
        watch.join().expect("the watch has nothing to fail in");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { command: line, status, out: text(stdout), err: text(stderr) }
    }

    /// Whether the program ended with status 0.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status.success()
    }

    /// The standard output of a program that ended with status 0.
    ///
    /// # Panics
    /// If the program ended in any other way.
    #[must_use]
    pub fn good(self) -> String {
        assert!(self.is_good(), "{} ended with {}\n{}{}", self.command, self.status, self.out, self.err);
        self.out
    }

    /// The standard output of a program that ended with status 1: it could do only a part of the request.
    ///
    /// # Panics
    /// If the program ended in any other way.
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

    /// The standard error of a program that ended with a status other than 0.
    ///
    /// # Panics
    /// If the program ended with status 0 or by a signal.
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

/// The command for a program and a line of arguments, separated by blanks.
pub(crate) fn line(program: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).env("LC_ALL", "C");
    command
}
