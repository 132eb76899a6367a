//! Failures of the command: the message on standard error and the exit status. Scripts depend on both.
//!
//! All commands share one type, because the wording of an errno depends on the command.

use std::io;

use ctwarden_format::command::{Command, Problem, Refused};
use rustix::io::Errno;

use ctwarden_netlink::{OpenError, RequestError};

/// Name and version at the start of every message: those of conntrack, which this program replaces.
pub(super) const TITLE: &str = Problem::PREFIX;

/// Exit status of a command that failed, or that had nothing to do if that counts as a failure.
pub(super) const FAILED: u8 = 1;

/// `ENOTSUPP`: internal to the kernel (linux/errno.h), but it reaches user space.
const ENOTSUPP: i32 = 524;

/// `ETIME` (asm-generic/errno.h): timer expired.
const ETIME: i32 = 62;

/// The operations whose messages differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    List,
    Get,
    Create,
    Add,
    Delete,
    ExpectationCreate,
    Statistics,
    Other,
}

impl Operation {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::List(_) => Self::List,
            Command::Get(_) => Self::Get,
            Command::Delete(_) => Self::Delete,
            Command::Create(create) if create.exclusive => Self::Create,
            Command::Create(_) => Self::Add,
            Command::CreateExpectation(_) => Self::ExpectationCreate,
            Command::CountExpectations | Command::Statistics | Command::ExpectationStatistics => Self::Statistics,
            Command::Update(_)
            | Command::Events(_)
            | Command::Flush { .. }
            | Command::Count
            | Command::ListExpectations { .. }
            | Command::GetExpectation { .. }
            | Command::DeleteExpectation { .. }
            | Command::FlushExpectations
            | Command::ExpectationEvents { .. }
            | Command::Load { .. }
            | Command::Help { .. }
            | Command::Version => Self::Other,
        }
    }
}

/// Why the command ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// The kernel refused (errno), or the request could not be sent.
    Refused(i32),
    /// Any other fault, as text for standard error.
    Said {
        status: u8,
        /// The text after the title.
        text: String,
    },
    /// The words of a line are invalid.
    Words(Box<Refused>),
}

impl Failure {
    /// A failure that is not a wrong parameter.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Said { status: FAILED, text: text.into() }
    }

    pub(super) fn parameter(text: impl Into<String>) -> Self {
        let problem = Problem::Parameter(text.into());
        Self::Words(Box::new(Refused { warnings: Vec::new(), problem }))
    }

    /// Adds the place of the failure, a line of a file.
    pub(super) fn at(self, file: &str, line: u64, operation: Operation) -> Self {
        let placed = |text: String| format!("{} ({file}, line {line})", plain(&text));
        match self {
            Self::Refused(errno) => Self::other(placed(format!("Operation failed: {}", meaning(errno, operation)))),
            Self::Said { status, text } => Self::Said { status, text: placed(text) },
            Self::Words(refused) => {
                let problem = match refused.problem {
                    Problem::Parameter(text) => Problem::Parameter(placed(text)),
                    Problem::Other(text) => Problem::Other(placed(text)),
                };
                Self::Words(Box::new(Refused { warnings: refused.warnings, problem }))
            }
        }
    }

    /// The text after the title.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Refused(errno) => format!("Operation failed: {}", meaning(*errno, Operation::Other)),
            Self::Said { text, .. } => text.clone(),
            Self::Words(refused) => refused.problem.to_string(),
        }
    }

    /// An error of the operating system.
    pub(super) fn system(what: &str, error: &io::Error) -> Self {
        Self::other(format!("{what}: {}", text_of(error)))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::Refused(errno),
            None => Self::other(format!("Operation failed: {error}")),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Send(source) | RequestError::Receive(source) => Self::from(source),
            RequestError::NoAnswer(_) => Self::other("Operation failed: the kernel does not answer"),
            RequestError::Overrun => Self::Refused(Errno::NOBUFS.raw_os_error()),
            RequestError::Malformed(error) => Self::other(format!("Operation failed: {error}")),
            RequestError::Refused(errno) => Self::Refused(errno),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotPermitted => Self::Refused(Errno::PERM.raw_os_error()),
            OpenError::Unsupported => Self::other(error.to_string()),
            OpenError::System { what, source } => Self::system(&format!("Can't {what} the netlink socket"), &source),
        }
    }
}

/// Maximum characters of a message about a line of a file.
const LETTERS: usize = 200;

/// Makes a message with text from a file safe to print: short, on one line, and without terminal control characters.
pub(super) fn plain(text: &str) -> String {
    let mut plain: String = text.chars().take(LETTERS).flat_map(shown).collect();
    if text.chars().nth(LETTERS).is_some() {
        plain.push('…');
    }
    plain
}

/// A character in printable form. Quotes need no escape here.
fn shown(letter: char) -> impl Iterator<Item = char> {
    let (seen, escaped) = match letter {
        '\'' | '"' | '\\' => (Some(letter), None),
        _ => (None, Some(letter.escape_debug())),
    };
    seen.into_iter().chain(escaped.into_iter().flatten())
}

/// The system's error text, without the number that Rust appends.
pub(super) fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// What the kernel's refusal means in this operation.
pub(super) fn meaning(errno: i32, operation: Operation) -> String {
    words(errno, operation).map_or_else(|| text_of(&io::Error::from_raw_os_error(errno)), str::to_owned)
}

/// The message of conntrack, which scripts depend on. `None` if conntrack prints the system's own text.
fn words(errno: i32, operation: Operation) -> Option<&'static str> {
    let is = |name: Errno| errno == name.raw_os_error();
    let one_of = |operations: &[Operation]| operations.contains(&operation);
    let of_lookups = one_of(&[Operation::Create, Operation::Get, Operation::Delete, Operation::Add]);
    let of_makers = one_of(&[Operation::Create, Operation::Add]);
    // conntrack's table of meanings is older than these two operations.
    let unlisted = one_of(&[Operation::Add, Operation::Statistics]);
    let table = [
        (operation == Operation::List && errno == ENOTSUPP, "function not implemented"),
        (is(Errno::INVAL) && !unlisted, "invalid parameters"),
        (operation == Operation::Create && is(Errno::EXIST), "Such conntrack exists, try -U to update"),
        (of_lookups && is(Errno::NOENT), "such conntrack doesn't exist"),
        ((of_makers || operation == Operation::Get) && is(Errno::NOMEM), "not enough memory"),
        (operation == Operation::Get && is(Errno::AFNOSUPPORT), "protocol not supported"),
        (of_makers && errno == ETIME, "conntrack has expired"),
        (operation == Operation::ExpectationCreate && is(Errno::NOENT), "master conntrack not found"),
        (is(Errno::PERM), "sorry, you must be root or get CAP_NET_ADMIN capability to do this"),
    ];
    table.into_iter().find_map(|(holds, words)| holds.then_some(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_file_is_one_short_line() {
        assert_eq!(plain("unknown option `--x' \"é\""), "unknown option `--x' \"é\"");
        assert_eq!(plain("a\n\u{1b}[2J\u{9b}\0\u{202e}"), "a\\n\\u{1b}[2J\\u{9b}\\0\\u{202e}");
        assert_eq!(plain(&"x".repeat(100_000)).chars().count(), LETTERS + 1);
    }

    #[test]
    fn an_errno_means_different_things_to_different_commands() {
        let noent = Errno::NOENT.raw_os_error();
        assert_eq!(meaning(noent, Operation::Get), "such conntrack doesn't exist");
        assert_eq!(meaning(noent, Operation::ExpectationCreate), "master conntrack not found");
        assert_eq!(meaning(noent, Operation::List), "No such file or directory");
        assert_eq!(meaning(ENOTSUPP, Operation::List), "function not implemented");
        assert_eq!(meaning(ENOTSUPP, Operation::Get), "Unknown error 524");
        let invalid = Errno::INVAL.raw_os_error();
        assert_eq!(meaning(invalid, Operation::Other), "invalid parameters");
        assert_eq!(meaning(invalid, Operation::Add), "Invalid argument");
    }
}
