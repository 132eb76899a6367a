//! The one definition of each option: its names, its value, the commands that accept it, its help.
//!
//! Parsing, the text of `-h`, the man page and shell completions all use this table, so they cannot disagree. Mistakes
//! are checked in the order of the table.

use super::verb::{Verb, Verbs};

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    None,
    /// A value of that name.
    Required(&'static str),
    /// An optional value of that name. It is a separate word: a value that is joined to the option is ignored.
    Optional(&'static str),
}

/// The heading of an option in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Which entries, or the entry itself.
    Entry,
    /// Conditions and parameters that only the table of flows has.
    Conntrack,
    Expectation,
    /// What `-U` changes.
    Update,
    /// How entries are read and printed.
    Output,
    /// Additional options of saved lines.
    Saved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionDefinition {
    pub(super) key: Key,
    /// Letter; some letters are internal signs that users do not type.
    pub short: Option<char>,
    /// Long names; messages use the first one.
    pub long: &'static [&'static str],
    pub argument: Argument,
    pub group: Group,
    /// One line of help.
    pub help: &'static str,
    /// Commands that require it.
    pub required: Verbs,
    /// Commands that require this option together with the other address of its direction.
    pub paired: Verbs,
    /// Commands that accept it.
    pub optional: Verbs,
    /// Whether conntrack 1.4.9 lacks it.
    pub ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    OriginalSrc,
    OriginalDst,
    ReplySrc,
    ReplyDst,
    Protocol,
    Timeout,
    Status,
    Zero,
    EventMask,
    TupleSrc,
    TupleDst,
    MaskSrc,
    MaskDst,
    NatRange,
    Mark,
    Id,
    Family,
    SrcNat,
    DstNat,
    Output,
    Secmark,
    BufferSize,
    AnyNat,
    Zone,
    Label,
    LabelAdd,
    LabelDel,
    OriginalZone,
    ReplyZone,
    LabelMap,
    ExitCode,
    From,
    Helper,
    HelperInfo,
    OriginalSequence,
    ReplySequence,
    SynProxy,
    Master,
}

use Verb::{
    Add, Create, CreateExpectation, Delete, DeleteExpectation, Event, ExpectationEvents, Flush, Get, GetExpectation,
    Help, List, ListExpectations, Update,
};

const fn option(key: Key, long: &'static [&'static str], group: Group) -> OptionDefinition {
    OptionDefinition {
        key,
        short: None,
        long,
        argument: Argument::None,
        group,
        help: "",
        required: Verbs::NONE,
        paired: Verbs::NONE,
        optional: Verbs::NONE,
        ours: false,
    }
}

impl OptionDefinition {
    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    const fn takes(mut self, value: &'static str) -> Self {
        self.argument = Argument::Required(value);
        self
    }

    const fn may_take(mut self, value: &'static str) -> Self {
        self.argument = Argument::Optional(value);
        self
    }

    const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    const fn may(mut self, verbs: &[Verb]) -> Self {
        self.optional = Verbs::of(verbs);
        self
    }

    const fn must(mut self, verbs: &[Verb]) -> Self {
        self.required = Verbs::of(verbs);
        self
    }

    const fn pair(mut self, verbs: &[Verb]) -> Self {
        self.paired = Verbs::of(verbs);
        self
    }

    const fn of_ours(mut self) -> Self {
        self.ours = true;
        self
    }
}

/// Commands on many flows.
const MANY: &[Verb] = &[List, Update, Delete, Event];
/// Commands that name a flow by its whole tuple.
const ONE: &[Verb] = &[Create, Add, Get];
/// Commands on single expectations.
const EXPECTATION: &[Verb] = &[CreateExpectation, DeleteExpectation, GetExpectation];
/// Commands that saved lines have, or that they become.
const SAVED: &[Verb] = &[Create, Add, Update, Delete];

/// Every option except those of single protocols.
pub const OPTIONS: &[OptionDefinition] = &[
    option(Key::OriginalSrc, &["src", "orig-src"], Group::Entry)
        .short('s')
        .takes("ADDRESS")
        .help("Source address, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(Key::OriginalDst, &["dst", "orig-dst"], Group::Entry)
        .short('d')
        .takes("ADDRESS")
        .help("Destination address, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(Key::ReplySrc, &["reply-src"], Group::Entry)
        .short('r')
        .takes("ADDRESS")
        .help("Source address, reply direction")
        .may(&[List, Update, Delete, Event, CreateExpectation, DeleteExpectation, GetExpectation])
        .pair(ONE),
    option(Key::ReplyDst, &["reply-dst"], Group::Entry)
        .short('q')
        .takes("ADDRESS")
        .help("Destination address, reply direction")
        .may(&[List, Update, Delete, Event, CreateExpectation, DeleteExpectation, GetExpectation])
        .pair(ONE),
    option(Key::Protocol, &["protonum"], Group::Entry)
        .short('p')
        .takes("PROTOCOL")
        .help("Protocol, by name or number; its options may follow")
        .may(&[List, Update, Delete, Event, Help])
        .must(&[Create, Add, Get, CreateExpectation, DeleteExpectation, GetExpectation]),
    option(Key::Timeout, &["timeout"], Group::Entry)
        .short('t')
        .takes("SECONDS")
        .help("Seconds until the entry expires; -D accepts it but does not select by it")
        .may(&[Update, Delete])
        .must(&[Create, Add, CreateExpectation]),
    option(Key::Status, &["status"], Group::Entry)
        .short('u')
        .takes("STATUS[,...]")
        .help(
            "Status bits: ASSURED, SEEN_REPLY, UNSET, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, HELPER; also \
             !BIT and UNREPLIED with -L and -D",
        )
        .may(&[List, Create, Add, Update, Delete, CreateExpectation]),
    option(Key::Zero, &["zero"], Group::Output)
        .short('z')
        .help("Reset the counters of the listed entries")
        .may(&[List]),
    option(Key::EventMask, &["event-mask"], Group::Output)
        .short('e')
        .takes("EVENT[,...]")
        .help("Events to show: ALL, NEW, UPDATES, DESTROY")
        .may(&[Event]),
    option(Key::TupleSrc, &["tuple-src"], Group::Expectation)
        .short('[')
        .takes("ADDRESS")
        .help("Source address of the expected flow")
        .must(&[CreateExpectation]),
    option(Key::TupleDst, &["tuple-dst"], Group::Expectation)
        .short(']')
        .takes("ADDRESS")
        .help("Destination address of the expected flow")
        .must(&[CreateExpectation]),
    option(Key::MaskSrc, &["mask-src"], Group::Entry)
        .short('{')
        .takes("ADDRESS")
        .help("Mask of the source address; --src 192.0.2.0/24 sets it, too")
        .may(MANY)
        .must(&[CreateExpectation]),
    option(Key::MaskDst, &["mask-dst"], Group::Entry)
        .short('}')
        .takes("ADDRESS")
        .help("Mask of the destination address")
        .may(MANY)
        .must(&[CreateExpectation]),
    option(Key::NatRange, &["nat-range"], Group::Conntrack).short('a').takes("ADDRESS").help("Ignored"),
    option(Key::Mark, &["mark"], Group::Conntrack)
        .short('m')
        .takes("MARK[/MASK]")
        .help("Mark; -U clears the bits of MASK, then flips those of MARK")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::Id, &["id"], Group::Conntrack)
        .short('i')
        .takes("NUMBER")
        .help("Id of the entry")
        .may(&[Update, Delete, Get]),
    option(Key::Family, &["family"], Group::Entry).short('f').takes("FAMILY").help("ipv4 or ipv6").may(&[
        List,
        Update,
        Delete,
        Flush,
        Event,
        ListExpectations,
    ]),
    option(Key::SrcNat, &["src-nat"], Group::Conntrack)
        .short('n')
        .may_take("ADDRESS[:PORT]")
        .help("Translated source; any, if no address is given")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::DstNat, &["dst-nat"], Group::Conntrack)
        .short('g')
        .may_take("ADDRESS[:PORT]")
        .help("Translated destination; any, if no address is given")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::Output, &["output"], Group::Output)
        .short('o')
        .takes("FORM[,...]")
        .help("extended, timestamp, id, ktimestamp, labels, userspace, and xml or json; or only save")
        .may(&[List, Update, Delete, Get, Event, ListExpectations, ExpectationEvents]),
    option(Key::Secmark, &["secmark"], Group::Conntrack)
        .short('c')
        .takes("NUMBER")
        .help("Security mark; ignored, because the kernel no longer reports it")
        .may(&[List, Event]),
    option(Key::BufferSize, &["buffer-size"], Group::Output)
        .short('b')
        .takes("BYTES")
        .help("Receive buffer of the event socket")
        .may(&[Event]),
    option(Key::AnyNat, &["any-nat"], Group::Conntrack)
        .short('j')
        .may_take("ADDRESS[:PORT]")
        .help("Translated source or destination; any, if no address is given")
        .may(&[List, Event]),
    option(Key::Zone, &["zone"], Group::Entry)
        .short('w')
        .takes("ZONE")
        .help("Zone of both directions")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::Label, &["label"], Group::Conntrack)
        .short('l')
        .takes("LABEL[,...]")
        .help("Labels that must all be set, by name or #BIT")
        .may(&[List, Update, Delete, Get, Event]),
    option(Key::LabelAdd, &["label-add"], Group::Update)
        .short('<')
        .takes("LABEL[,...]")
        .help("Labels to set, by name or #BIT")
        .may(&[Create, Add, Update]),
    option(Key::LabelDel, &["label-del"], Group::Update)
        .short('>')
        .may_take("LABEL[,...]")
        .help("Labels to clear; all, if none is given")
        .may(&[Update]),
    option(Key::OriginalZone, &["orig-zone"], Group::Entry)
        .short('(')
        .takes("ZONE")
        .help("Zone of the original direction")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::ReplyZone, &["reply-zone"], Group::Entry)
        .short(')')
        .takes("ZONE")
        .help("Zone of the reply direction")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::LabelMap, &["labelmap"], Group::Conntrack)
        .short('M')
        .takes("FILE")
        .help("File of label names, instead of /etc/xtables/connlabel.conf")
        .may(&[List, Update, Delete, Event]),
    option(Key::ExitCode, &["exit-code"], Group::Output)
        .help("Exit with 3 if nothing matched, and with 1 if something failed")
        .may(&[Update, Delete])
        .of_ours(),
    option(Key::From, &["from"], Group::Output)
        .takes("FILE")
        .help("Read entries from a file (or -): text, saved lines, JSON or /proc/net/nf_conntrack")
        .may(&[List])
        .of_ours(),
    option(Key::Helper, &["helper"], Group::Saved).takes("NAME").help("Helper of the entry").may(SAVED).of_ours(),
    option(Key::HelperInfo, &["helper-info"], Group::Saved)
        .takes("HEX")
        .help("Private data of the helper")
        .may(SAVED)
        .of_ours(),
    option(Key::OriginalSequence, &["orig-seqadj"], Group::Saved)
        .takes("POS,BEFORE,AFTER")
        .help("Adjustment of sequence numbers, original direction")
        .may(SAVED)
        .of_ours(),
    option(Key::ReplySequence, &["reply-seqadj"], Group::Saved)
        .takes("POS,BEFORE,AFTER")
        .help("Adjustment of sequence numbers, reply direction")
        .may(SAVED)
        .of_ours(),
    option(Key::SynProxy, &["synproxy"], Group::Saved)
        .takes("ISN,ITS,TSOFF")
        .help("State of the SYN proxy")
        .may(SAVED)
        .of_ours(),
    option(Key::Master, &["master"], Group::Saved)
        .takes("PROTOCOL,SRC,DST[,...]")
        .help("Master of the entry: the flow whose helper expected it")
        .may(SAVED)
        .of_ours(),
];
