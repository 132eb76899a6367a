//! From words to options: what GNU's getopt_long(3) does, with its permutation of words and its abbreviations.
//!
//! It is reimplemented because the command's rules are exactly those of that function: options may stand anywhere,
//! letters may be joined, and long names may be abbreviated while they stay unambiguous.

use alloc::vec::Vec;

use super::option::{Argument, Key, OPTIONS, OptionDefinition};
use super::protocol::ProtocolDefinition;
use super::verb::{COMMANDS, CommandDefinition};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Command(&'static CommandDefinition),
    Option(Key),
    /// An option of a protocol, and the `-p` that made it known.
    OfProtocol {
        code: u8,
        which: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    Perhaps,
}

impl Takes {
    const fn of(argument: Argument) -> Self {
        match argument {
            Argument::None => Self::Nothing,
            Argument::Required(_) => Self::Value,
            Argument::Optional(_) => Self::Perhaps,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// An option, with its fixed or joined value.
    Found(Code, Option<&'a str>),
    /// An option without its required value; holds the word for the message.
    Lacks(&'a str),
    /// An unknown or ambiguous option; holds the word for the message.
    Unknown(&'a str),
}

/// The words and how far they are read. The places have the names that glibc gives them (posix/getopt.c).
///
/// Words that are no options stay together. When options follow them, the block changes places with these options:
///
/// ```text
///    options │ no options                │ options           │ not read yet
///            first_nonopt .. last_nonopt │ last_nonopt .. optind
/// ```
pub(super) struct CommandWords<'a> {
    /// The program's name comes first; words that are not options move to the end.
    words: Vec<&'a str>,
    /// Index of the next word to read.
    optind: usize,
    /// The remaining letters of the current word.
    nextchar: &'a str,
    /// First word of the block of words that are no options.
    first_nonopt: usize,
    /// The word after that block.
    last_nonopt: usize,
    /// Protocols whose options are known.
    protocols: Vec<&'static ProtocolDefinition>,
}

impl<'a> CommandWords<'a> {
    pub(super) fn new(program: &'a str, words: impl Iterator<Item = &'a str>) -> Self {
        // A saved entry has some thirty words.
        let mut all = Vec::with_capacity(40);
        all.push(program);
        all.extend(words);
        Self { words: all, optind: 1, nextchar: "", first_nonopt: 1, last_nonopt: 1, protocols: Vec::new() }
    }

    /// Makes the options of a protocol known. Returns the number that distinguishes them from those of other protocols.
    pub(super) fn learn(&mut self, protocol: &'static ProtocolDefinition) {
        self.protocols.push(protocol);
    }

    /// The value of an option with an optional value: the next word, unless it looks like an option or a negation. A
    /// value that is joined to the option is ignored.
    pub(super) fn value_perhaps(&mut self, joined: Option<&str>) -> Option<&'a str> {
        let word = self.words.get(self.optind).filter(|word| joined.is_none() && !word.starts_with(['-', '!']))?;
        self.optind += 1;
        Some(word)
    }

    pub(super) fn step(&mut self) -> Option<Step<'a>> {
        if self.nextchar.is_empty() {
            let word = self.next_option()?;
            if let Some(name) = word.strip_prefix("--") {
                return Some(self.long(name));
            }
            self.nextchar = word.get(1..).unwrap_or_default();
        }
        Some(self.letter())
    }

    /// Moves the block of words that are no options behind the options that were read since (`exchange`).
    fn exchange(&mut self) {
        let Self { first_nonopt: first, last_nonopt: last, optind, .. } = *self;
        if let Some(words) = self.words.get_mut(first..optind) {
            words.rotate_left(last.saturating_sub(first));
        }
        (self.first_nonopt, self.last_nonopt) = (first + (optind - last), optind);
    }

    fn next_option(&mut self) -> Option<&'a str> {
        self.first_nonopt = self.first_nonopt.min(self.optind);
        self.last_nonopt = self.last_nonopt.min(self.optind);
        if self.first_nonopt != self.last_nonopt && self.last_nonopt != self.optind {
            self.exchange();
        } else if self.last_nonopt != self.optind {
            self.first_nonopt = self.optind;
        }
        while self.words.get(self.optind).is_some_and(|word| !word.starts_with('-') || word.len() == 1) {
            self.optind += 1;
        }
        self.last_nonopt = self.optind;
        self.words.get(self.optind).copied().filter(|word| *word != "--")
    }

    /// The word for the message: the one before the next.
    fn named(&self) -> &'a str {
        self.optind.checked_sub(1).and_then(|last| self.words.get(last)).copied().unwrap_or_default()
    }

    fn take(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.optind).copied()?;
        self.optind += 1;
        Some(word)
    }

    fn letter(&mut self) -> Step<'a> {
        let letters = self.nextchar;
        let letter = letters.chars().next();
        // A letter of several bytes is no option, and getopt has read only its first byte.
        let width = letter.map_or(1, |letter| if letter.is_ascii() { 1 } else { 0 });
        let rest = letters.get(width..).unwrap_or_default();
        self.nextchar = rest;
        if rest.is_empty() {
            self.optind += 1;
        }
        let Some((code, takes)) = letter.and_then(of_letter) else { return Step::Unknown(self.named()) };
        match takes {
            Takes::Nothing => Step::Found(code, None),
            Takes::Value | Takes::Perhaps if !rest.is_empty() => {
                self.nextchar = "";
                self.optind += 1;
                Step::Found(code, Some(rest))
            }
            Takes::Perhaps => Step::Found(code, None),
            Takes::Value => match self.take() {
                Some(value) => Step::Found(code, Some(value)),
                None => Step::Lacks(self.named()),
            },
        }
    }

    fn long(&mut self, word: &'a str) -> Step<'a> {
        self.optind += 1;
        let (name, joined) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let Some((code, takes)) = self.of_name(name) else { return Step::Unknown(self.named()) };
        match (takes, joined) {
            (Takes::Nothing, Some(_)) => Step::Unknown(self.named()),
            (Takes::Nothing | Takes::Perhaps, None) => Step::Found(code, None),
            (Takes::Value | Takes::Perhaps, Some(value)) => Step::Found(code, Some(value)),
            (Takes::Value, None) => match self.take() {
                Some(value) => Step::Found(code, Some(value)),
                None => Step::Lacks(self.named()),
            },
        }
    }

    /// The option with that long name, or with an abbreviation of it. An abbreviation that 1.4.9 knows keeps its
    /// meaning, even if options of ctwarden have the same beginning.
    fn of_name(&self, name: &str) -> Option<(Code, Takes)> {
        if let Some(exact) = self.of_whole_name(name) {
            return Some(exact);
        }
        let beginning = |ours: bool| {
            let mut found = self.names().filter(|(known, .., is_ours)| *is_ours == ours && known.starts_with(name));
            let (_, code, takes, _) = found.next()?;
            Some(found.all(|(_, other, other_takes, _)| (other, other_takes) == (code, takes)).then_some((code, takes)))
        };
        beginning(false).or_else(|| beginning(true)).flatten()
    }

    /// The option with exactly that name: nearly all names are written in full.
    fn of_whole_name(&self, name: &str) -> Option<(Code, Takes)> {
        let NamesOfLength { commands, options } = LENGTHS.get(name.len()).copied().unwrap_or_default();
        if let Some(command) = places(commands).find_map(|at| COMMANDS.get(at).filter(|command| command.long == name)) {
            let takes = if command.long_value { Takes::Perhaps } else { Takes::Nothing };
            return Some((Code::Command(command), takes));
        }
        if let Some(option) =
            places(options).find_map(|at| OPTIONS.get(at).filter(|option| option.long.contains(&name)))
        {
            return Some((Code::Option(option.key), Takes::of(option.argument)));
        }
        self.protocols.iter().enumerate().find_map(|(which, protocol)| {
            let option = protocol.options.iter().find(|option| option.long.contains(&name))?;
            Some((Code::OfProtocol { code: option.code, which }, Takes::Value))
        })
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, Code, Takes, bool)> {
        let commands = COMMANDS.iter().map(|command| {
            let takes = if command.long_value { Takes::Perhaps } else { Takes::Nothing };
            (command.long, Code::Command(command), takes, false)
        });
        let options = OPTIONS.iter().flat_map(|option: &'static OptionDefinition| {
            let (code, takes) = (Code::Option(option.key), Takes::of(option.argument));
            option.long.iter().map(move |name| (*name, code, takes, option.ours))
        });
        let of_protocols = self.protocols.iter().enumerate().flat_map(|(which, protocol)| {
            protocol.options.iter().flat_map(move |option| {
                let code = Code::OfProtocol { code: option.code, which };
                option.long.iter().map(move |name| (*name, code, Takes::Value, option.ours))
            })
        });
        commands.chain(options).chain(of_protocols)
    }
}

fn of_letter(letter: char) -> Option<(Code, Takes)> {
    usize::try_from(u32::from(letter)).ok().and_then(|letter| LETTERS.get(letter).copied().flatten())
}

/// The option of each letter. A saved table contains millions of letters, so a lookup replaces a search.
static LETTERS: [Option<(Code, Takes)>; 128] = letters();

#[expect(clippy::indexing_slicing, reason = "done while compiling: a letter out of the table does not compile")]
const fn letters() -> [Option<(Code, Takes)>; 128] {
    let mut letters = [None; 128];
    // In reverse, so the first of two options with the same letter wins, and commands win over options.
    let mut at = OPTIONS.len();
    while at > 0 {
        at -= 1;
        if let Some(letter) = OPTIONS[at].short {
            letters[letter as usize] = Some((Code::Option(OPTIONS[at].key), Takes::of(OPTIONS[at].argument)));
        }
    }
    at = COMMANDS.len();
    while at > 0 {
        at -= 1;
        let takes = if COMMANDS[at].short_value { Takes::Perhaps } else { Takes::Nothing };
        letters[COMMANDS[at].short as usize] = Some((Code::Command(&COMMANDS[at]), takes));
    }
    letters
}

/// Commands and options with a long name of one length: one bit for the index of each in its table.
#[derive(Clone, Copy, Default)]
struct NamesOfLength {
    commands: u64,
    options: u64,
}

/// By length of the name: few names share a length, so few comparisons are needed.
static LENGTHS: [NamesOfLength; 32] = lengths();

#[expect(clippy::indexing_slicing, reason = "done while compiling: a name out of the table does not compile")]
const fn lengths() -> [NamesOfLength; 32] {
    let mut lengths = [NamesOfLength { commands: 0, options: 0 }; 32];
    let mut at = 0;
    while at < COMMANDS.len() {
        lengths[COMMANDS[at].long.len()].commands |= 1 << at;
        at += 1;
    }
    at = 0;
    while at < OPTIONS.len() {
        let mut name = 0;
        while name < OPTIONS[at].long.len() {
            lengths[OPTIONS[at].long[name].len()].options |= 1 << at;
            name += 1;
        }
        at += 1;
    }
    lengths
}

/// Indexes of the set bits.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = usize::try_from(bits.trailing_zeros()).ok().filter(|_| bits != 0)?;
        bits &= bits - 1;
        Some(place)
    })
}
