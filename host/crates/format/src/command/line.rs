//! One line of a file of commands (`-R`).
//!
//! Lines are split into words by their own rules, which are not those of a shell: only the double quote quotes, and only
//! between quotes does a backslash escape.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use ctwarden_model::{EventKind, Flow};

use super::entry_line;
use super::environment::Environment;
use super::error::{Problem, Refused};
use super::parse;
use super::value::{Command, Parsed};
use crate::read::before_summary;

/// The words of a line. An empty pair of quotes is an empty word.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            // A closing quote ends the word, whatever follows.
            '"' => {
                if quoted {
                    words.push(mem::take(&mut word));
                }
                quoted = !quoted;
            }
            ' ' | '\t' | '\n' if !quoted => {
                if !word.is_empty() {
                    words.push(mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether the line creates an entry in exactly the words of a saved table. For such a line [`line()`] returns a command
/// without warnings; the reverse need not hold. This check takes a fraction of the time.
#[must_use]
pub fn is_saved_entry(line: &str) -> bool {
    entry_line::is_read(line)
}

/// Reads one line. An empty line, a comment (`#` first) and the command's summary of a list give `None`. `program` is as in
/// [`parse`](super::parse()).
///
/// # Errors
/// [`Refused`] if the command line is wrong or a file may not contain its command. 1.4.9 reads the whole file before it
/// executes the first line, so a mistake anywhere leaves everything undone.
pub fn line(program: &str, line: &str, environment: &impl Environment) -> Result<Option<Parsed>, Refused> {
    let text = line.trim_start_matches([' ', '\t']);
    if matches!(text.chars().next(), None | Some('\n' | '#')) {
        return Ok(None);
    }
    if text.starts_with('c') && before_summary(text) == Some("") {
        return Ok(None);
    }
    if let Some(create) = entry_line::read(text) {
        return Ok(Some(Parsed { command: Command::Create(create), warnings: Vec::new() }));
    }
    // Most lines have no quotes, and their words are read without a copy.
    let parsed = if text.as_bytes().contains(&b'"') {
        parse::read(program, words(text).iter().map(String::as_str), environment)?
    } else {
        parse::read(program, plain_words(text), environment)?
    };
    match unusual(&parsed.command) {
        None => Ok(Some(parsed)),
        Some(name) => Err(Refused {
            warnings: parsed.warnings,
            problem: Problem::Parameter(format!("Cannot use command `{name}' with --load-file")),
        }),
    }
}

/// The entry of a saved line: `-A` and `-I` create one, which is a row of a table; `-U` and `-D` stand for an entry that was
/// changed or has ended. An empty line and a comment give `None`.
///
/// # Errors
/// [`Refused`] if [`line()`] refuses, if the command has no entry, or if its words do not describe a whole entry.
pub fn saved_entry(
    program: &str,
    line: &str,
    environment: &impl Environment,
) -> Result<Option<(EventKind, Flow)>, Refused> {
    let text = line.trim_start_matches([' ', '\t']);
    if matches!(text.chars().next(), None | Some('\n' | '#')) {
        return Ok(None);
    }
    if let Some(create) = entry_line::read(text) {
        return Ok(Some((EventKind::Row, create.translated())));
    }
    let words = words(text);
    parse::entry(program, words.iter().map(String::as_str), environment).map(Some)
}

/// The words of a line without quotes. Words are separated by ASCII characters, so the code can compare bytes.
fn plain_words(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    let mut rest = text;
    core::iter::from_fn(move || {
        let begin = rest.bytes().position(|byte| !is_end(&byte))?;
        let word = rest.get(begin..)?;
        let end = word.bytes().position(|byte| is_end(&byte)).unwrap_or(word.len());
        let (word, behind) = word.split_at_checked(end)?;
        rest = behind;
        Some(word)
    })
}

/// 1.4.9's name of a command that a file may not contain.
const fn unusual(command: &Command) -> Option<&'static str> {
    match command {
        Command::Create(_) | Command::Update(_) | Command::Delete(_) | Command::Flush { .. } => None,
        Command::List(_) => Some("-L"),
        Command::Get(_) => Some("-G"),
        Command::Events(_) => Some("-E"),
        Command::Version => Some("-V"),
        Command::Help { given: true, .. } => Some("-h"),
        Command::Help { given: false, .. } | Command::Load { .. } => Some("unknown"),
        Command::ListExpectations { .. } => Some("-L expect"),
        Command::CreateExpectation(_) => Some("-C expect"),
        Command::DeleteExpectation { .. } => Some("-D expect"),
        Command::GetExpectation { .. } => Some("-G expect"),
        Command::FlushExpectations => Some("-F expect"),
        Command::ExpectationEvents { .. } => Some("-E expect"),
        Command::Count => Some("-C"),
        Command::CountExpectations => Some("-C expect"),
        Command::Statistics => Some("-S"),
        Command::ExpectationStatistics => Some("-S expect"),
    }
}
