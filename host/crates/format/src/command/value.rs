//! What a command line asks for, each command with exactly what it needs.
//!
//! Values rather than a bag of options, so that whoever carries a command out cannot forget that an option was given.

use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{EventKinds, Expectation, Family, Filter, Protocol, Tuple};

use super::{Change, Create};
use crate::LabelMap;

/// A command line that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What is asked for.
    pub command: Command,
    /// Lines for standard error that are due before anything else happens, in order, each without its newline.
    pub warnings: Vec<String>,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `-L`, `-L dying`, `-L unconfirmed`.
    List(List),
    /// `-G`.
    Get(Get),
    /// `-D`.
    Delete(Delete),
    /// `-I`, `-A`.
    Create(Create),
    /// `-U`.
    Update(Update),
    /// `-E`.
    Events(Events),
    /// `-F`: every entry, or every one of a family.
    Flush {
        /// Family; none: both.
        family: Option<Family>,
    },
    /// `-C`.
    Count,
    /// `-S`.
    Statistics,
    /// `-L expect`.
    ListExpectations {
        /// Family that the kernel is asked for; without `-f` that is IPv4, as ever.
        family: Family,
        /// How they are printed.
        output: Output,
    },
    /// `-G expect`: the expectation of this flow.
    GetExpectation {
        /// Original tuple of the flow that waits.
        master: Tuple,
    },
    /// `-I expect`.
    CreateExpectation(ExpectationTemplate),
    /// `-D expect`: the expectation of this tuple.
    DeleteExpectation { tuple: Tuple },
    /// `-F expect`.
    FlushExpectations,
    /// `-E expect`.
    ExpectationEvents {
        /// How they are printed.
        output: Output,
    },
    /// `-C expect`.
    CountExpectations,
    /// `-S expect`.
    ExpectationStatistics,
    /// `-R`: the commands in a file, one a line (see [`line`](super::line())).
    Load { file: Source },
    /// `-h`, and no command at all.
    Help {
        /// Tell of this protocol's options, too (`-p`), by the name to print.
        protocol: Option<(Protocol, String)>,
        /// Whether it was asked for; else there was no command.
        given: bool,
    },
    /// `-V`.
    Version,
}

/// Which table of flows is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// `conntrack`.
    #[default]
    Conntrack,
    /// `dying`.
    Dying,
    /// `unconfirmed`.
    Unconfirmed,
}

/// Where text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-`.
    StandardInput,
    File(String),
}

impl Source {
    pub(super) fn named(name: &str) -> Self {
        if name == "-" { Self::StandardInput } else { Self::File(name.into()) }
    }
}

/// `-L`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub table: Table,
    pub filter: Filter,
    /// Set their counters to zero (`-z`).
    pub zero: bool,
    /// How they are printed.
    pub output: Output,
    /// Read them here instead of asking the kernel (`--from`).
    pub from: Option<Source>,
}

/// `-G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Tuple to look up, of either direction: the original one where it was given. In zone 0, as the command takes no other.
    pub tuple: Tuple,
    /// What the answer must match to be shown.
    pub filter: Filter,
    /// How it is printed.
    pub output: Output,
}

/// `-D`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    pub filter: Filter,
    /// How they are printed.
    pub output: Output,
    /// Tell by the exit status whether nothing matched (`--exit-code`).
    pub exit_code: bool,
}

/// `-U`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub filter: Filter,
    /// What becomes of them.
    pub change: Change,
    /// How they are printed.
    pub output: Output,
    /// Tell by the exit status whether nothing matched (`--exit-code`).
    pub exit_code: bool,
}

/// `-E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Which kinds (`-e`); `row` is never among them. It can be empty, and then nothing ever comes.
    pub kinds: EventKinds,
    pub filter: Filter,
    /// Size of the socket's receive buffer in bytes, before the kernel doubles it (`-b`).
    pub buffer: Option<u32>,
    /// How they are printed.
    pub output: Output,
}

/// `-I expect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationTemplate {
    /// The expectation: master, tuple, mask and timeout.
    pub expectation: Expectation,
}

/// The form in which entries are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Text,
    /// `-o xml`.
    Xml,
    /// `-o save`.
    Save,
    /// `-o json`.
    Json,
}

/// How entries are printed (`-o`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub form: Form,
    /// Layer 3, too (`extended`).
    pub extended: bool,
    /// The time of each event (`timestamp`).
    pub timestamp: bool,
    /// Ids (`id`).
    pub id: bool,
    /// The kernel's times of begin and end (`ktimestamp`).
    pub kernel_timestamp: bool,
    /// Names of labels. They are there, and to be printed, where the command line had to do with labels (`-o labels`, `-l`,
    /// `--label-add`, `--label-del`) and the names could be read; and where `form` is [`Form::Save`] or [`Form::Json`].
    pub labels: Option<LabelMap>,
}
