//! The parsed command line; each command has exactly the values that it needs.
//!
//! Types rather than a bag of options make sure that the executing code cannot forget an option.

use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{EventKinds, Expectation, Family, Filter, Protocol, Tuple};

use super::{Change, Create};
use crate::LabelMap;

/// A valid command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub command: Command,
    /// Lines for standard error, to print before anything else, in order, each without its newline.
    pub warnings: Vec<String>,
}

/// A command with its values.
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
        /// `None` deletes the entries of both families.
        family: Option<Family>,
    },
    /// `-C`.
    Count,
    /// `-S`.
    Statistics,
    /// `-L expect`.
    ListExpectations {
        /// Family of the request; without `-f` it is IPv4, as in conntrack.
        family: Family,
        /// How they are printed.
        output: Output,
    },
    /// `-G expect`: the expectation of this flow.
    GetExpectation {
        /// Original tuple of the master.
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
    /// `-R`: the commands in a file, one per line (see [`line`](super::line())).
    Load { file: Source },
    /// `-h`, and no command at all.
    Help {
        /// Also show this protocol's options (`-p`), under the given name.
        protocol: Option<(Protocol, String)>,
        /// Whether `-h` was given; else there was no command.
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

/// The source of the text.
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
    /// Read the entries from here instead of the kernel (`--from`).
    pub from: Option<Source>,
}

/// `-G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Tuple to look up, of either direction: the original one if it was given. It is in zone 0, because the command
    /// accepts no other.
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
    /// How the entries are printed.
    pub output: Output,
    /// Report by the exit status if nothing matched (`--exit-code`).
    pub exit_code: bool,
}

/// `-U`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub filter: Filter,
    pub change: Change,
    /// How they are printed.
    pub output: Output,
    /// Report by the exit status if nothing matched (`--exit-code`).
    pub exit_code: bool,
}

/// `-E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Kinds of events (`-e`); never contains `row`. An empty set never yields an event.
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
    /// Names of labels. They are present, and to be printed, if the command line uses labels (`-o labels`, `-l`,
    /// `--label-add`, `--label-del`) and the names could be read; and if `form` is [`Form::Save`] or [`Form::Json`].
    pub labels: Option<LabelMap>,
}
