//! One line of a plain list: an address, a network or a range, and the value after it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use ctwarden_model::Prefix;

use crate::address::{self, Networks};
use crate::excerpt::excerpt;
use crate::fault::Fault;
use crate::shortest::Shortest;

/// The beginnings of a comment.
const COMMENTS: [&str; 3] = ["#", ";", "//"];

/// The content of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    networks: Networks,
    value: String,
}

impl Line {
    /// The networks: one, or those that form a range.
    #[must_use]
    pub fn networks(&self) -> &[Prefix] {
        &self.networks.networks
    }

    /// The text after the networks, or else the comment after them; may be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn into_parts(self) -> (Networks, String) {
        (self.networks, self.value)
    }
}

/// A mistake in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake<'a> {
    word: &'a str,
    fault: Fault,
}

impl<'a> Mistake<'a> {
    /// The message for people: the first word, what is wrong with it, and what to do.
    #[must_use]
    pub fn told(&self) -> String {
        format!("\"{}\" {}", excerpt(self.word), self.fault)
    }

    pub(crate) const fn into_parts(self) -> (&'a str, Fault) {
        (self.word, self.fault)
    }
}

/// Reads a line; `None` if it is empty or a comment.
///
/// # Errors
/// [`Mistake`] if the line does not begin with an address, a network or a range, or if the network is too wide.
pub fn parse(line: &str, shortest: Shortest) -> Result<Option<Line>, Mistake<'_>> {
    let whole = line.trim();
    let (line, comment) = split_comment(whole);
    if line.is_empty() {
        return Ok(None);
    }
    let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let read = |networks: Networks, value: &str| {
        shortest.check(&networks.networks)?;
        let value = if value.is_empty() { comment } else { value };
        Ok(Some(Line { networks, value: value.to_owned() }))
    };
    let mistake = |fault| Mistake { word, fault };
    if let Some(bounds) = Bounds::beginning(line) {
        return bounds.networks().and_then(|networks| read(networks, bounds.value)).map_err(mistake);
    }
    match address::of_network(word) {
        Ok(networks) => read(networks, value.trim()).map_err(mistake),
        // A name may contain blanks and any other characters.
        Err(fault) => match Bounds::behind_a_name(whole) {
            Some(bounds) => bounds.networks().and_then(|networks| read(networks, bounds.value)).map_err(mistake),
            None => Err(mistake(fault)),
        },
    }
}

/// The text of a comment that fills the line.
pub(crate) fn comment(line: &str) -> Option<&str> {
    let line = line.trim();
    COMMENTS.iter().find_map(|mark| line.strip_prefix(mark)).map(str::trim)
}

/// The line without its comment, and the text of the comment. A comment begins the line, follows white space, or
/// follows the first word directly. The first word cannot contain a comment sign, but a value can.
fn split_comment(line: &str) -> (&str, &str) {
    let first_word = line.find(char::is_whitespace).unwrap_or(line.len());
    let begins = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        at <= first_word || before.is_some_and(char::is_whitespace)
    };
    let place = |mark: &str| line.match_indices(mark).map(|(at, _)| at).find(|at| begins(*at));
    let found = COMMENTS.iter().filter_map(|mark| Some((place(mark)?, mark.len()))).min();
    match found.and_then(|(at, length)| Some((line.get(..at)?, line.get(at + length..)?))) {
        Some((line, comment)) => (line.trim_end(), comment.trim()),
        None => (line.trim_end(), ""),
    }
}

/// A range as it is written.
struct Bounds<'a> {
    first: &'a str,
    last: &'a str,
    value: &'a str,
}

impl<'a> Bounds<'a> {
    /// `a-b value`, with optional white space around the dash.
    fn beginning(line: &'a str) -> Option<Self> {
        let (first, rest) = line.split_once('-')?;
        let (last, value) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim_start(), ""));
        let (first, value) = (first.trim_end(), value.trim());
        let fits = address::looks_like_address(first) && address::looks_like_address(last);
        fits.then_some(Self { first, last, value })
    }

    /// `name:a-b`, the format of lists for peer-to-peer programs.
    fn behind_a_name(line: &'a str) -> Option<Self> {
        let (name, range) = line.rsplit_once(':')?;
        let bounds = Self::beginning(range.trim())?;
        bounds.value.is_empty().then_some(Self { value: name.trim(), ..bounds })
    }

    fn networks(&self) -> Result<Networks, Fault> {
        address::of_range(self.first, self.last)
    }
}
