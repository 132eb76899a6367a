//! The commands of the command line, each with its table.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `-L`
    List,
    /// `-I`
    Create,
    /// `-U`
    Update,
    /// `-D`
    Delete,
    /// `-G`
    Get,
    /// `-F`
    Flush,
    /// `-E`
    Event,
    /// `-V`
    Version,
    /// `-h`
    Help,
    /// `-L expect`
    ListExpectations,
    /// `-I expect`
    CreateExpectation,
    /// `-D expect`
    DeleteExpectation,
    /// `-G expect`
    GetExpectation,
    /// `-F expect`
    FlushExpectations,
    /// `-E expect`
    ExpectationEvents,
    /// `-C`
    Count,
    /// `-C expect`
    CountExpectations,
    /// `-S`
    Statistics,
    /// `-S expect`
    ExpectationStatistics,
    /// `-A`
    Add,
    /// No command: prints the help if there are no options either.
    None,
}

/// A set of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs(u32);

impl Verbs {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn of(verbs: &[Verb]) -> Self {
        let mut bits = 0;
        let mut rest = verbs;
        while let [verb, others @ ..] = rest {
            bits |= 1 << *verb as u32;
            rest = others;
        }
        Self(bits)
    }

    /// Whether the set contains the command.
    #[must_use]
    pub const fn has(self, verb: Verb) -> bool {
        self.0 >> verb as u32 & 1 == 1
    }
}

/// A command as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandDefinition {
    pub short: char,
    pub long: &'static str,
    /// The command for the table `conntrack`, and for `expect` if it supports that table.
    pub verbs: (Verb, Option<Verb>),
    /// The usage in the help: the optional table and the usual options.
    pub usage: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Whether the long name accepts a value after `=`. The value is ignored.
    pub(super) long_value: bool,
    /// Whether the letter accepts a value.
    pub(super) short_value: bool,
}

const fn command(
    short: char,
    long: &'static str,
    verbs: (Verb, Option<Verb>),
    usage: &'static str,
    help: &'static str,
) -> CommandDefinition {
    let valueless = matches!(short, 'S' | 'V' | 'h');
    CommandDefinition { short, long, verbs, usage, help, long_value: !valueless, short_value: short == 'C' }
}

/// Every command except `-R`, which is handled separately.
pub const COMMANDS: &[CommandDefinition] = &[
    command('L', "dump", (Verb::List, Some(Verb::ListExpectations)), "[TABLE] [OPTIONS]", "List the matching entries"),
    command(
        'I',
        "create",
        (Verb::Create, Some(Verb::CreateExpectation)),
        "[TABLE] PARAMETERS",
        "Create an entry; fail if it exists",
    ),
    command('A', "add", (Verb::Add, None), "[TABLE] PARAMETERS", "Create an entry, or change the existing one"),
    command(
        'D',
        "delete",
        (Verb::Delete, Some(Verb::DeleteExpectation)),
        "[TABLE] PARAMETERS",
        "Delete the matching entries",
    ),
    command('U', "update", (Verb::Update, None), "[TABLE] PARAMETERS", "Change the matching entries"),
    command('G', "get", (Verb::Get, Some(Verb::GetExpectation)), "[TABLE] PARAMETERS", "Look up one entry"),
    command('F', "flush", (Verb::Flush, Some(Verb::FlushExpectations)), "[TABLE]", "Delete all entries"),
    command(
        'E',
        "event",
        (Verb::Event, Some(Verb::ExpectationEvents)),
        "[TABLE] [OPTIONS]",
        "Show events as they happen",
    ),
    command('C', "counter", (Verb::Count, Some(Verb::CountExpectations)), "[TABLE]", "Show the number of entries"),
    command(
        'S',
        "stats",
        (Verb::Statistics, Some(Verb::ExpectationStatistics)),
        "[TABLE]",
        "Show the counters of each processor",
    ),
    command('V', "version", (Verb::Version, Some(Verb::Version)), "", "Show the version"),
    command(
        'h',
        "help",
        (Verb::Help, Some(Verb::Help)),
        "[-p PROTOCOL]",
        "Show this help, and the options of a protocol",
    ),
];
