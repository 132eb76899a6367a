//! The one definition of each option: its names, what it takes, which commands take it, its help.
//!
//! Parsing, the text of `-h`, the man page and shell completions all come from this table, so that they cannot disagree. Its
//! order is the order in which mistakes are looked for.

use super::verb::{Verb, Verbs};

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    None,
    /// A value of that name.
    Required(&'static str),
    /// A value of that name, or none. It is a word of its own: one that is joined to the option is not looked at.
    Optional(&'static str),
}

/// Under which heading an option stands.
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
    /// What saved lines have beside.
    Saved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionDefinition {
    pub(super) key: Key,
    /// Letter; some letters are signs that nobody types.
    pub short: Option<char>,
    /// Long names; messages call it by the first one.
    pub long: &'static [&'static str],
    pub argument: Argument,
    pub group: Group,
    /// One line of help.
    pub help: &'static str,
    /// Commands that need it.
    pub required: Verbs,
    /// Commands that need both addresses of a direction, of which this is one.
    pub paired: Verbs,
    /// Commands that can have it.
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

const fn option(
    key: Key,
    short: Option<char>,
    long: &'static [&'static str],
    argument: Argument,
    group: Group,
    help: &'static str,
) -> OptionDefinition {
    OptionDefinition {
        key,
        short,
        long,
        argument,
        group,
        help,
        required: Verbs::NONE,
        paired: Verbs::NONE,
        optional: Verbs::NONE,
        ours: false,
    }
}

impl OptionDefinition {
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

const ADDRESS: Argument = Argument::Required("ADDRESS");
const NUMBER: Argument = Argument::Required("NUMBER");
/// Commands on many flows.
const MANY: &[Verb] = &[List, Update, Delete, Event];
/// Commands that name a flow by its whole tuple.
const ONE: &[Verb] = &[Create, Add, Get];
/// Commands on single expectations.
const EXPECTATION: &[Verb] = &[CreateExpectation, DeleteExpectation, GetExpectation];
/// Commands that saved lines have, or that they become.
const SAVED: &[Verb] = &[Create, Add, Update, Delete];

/// Every option but those of single protocols.
pub const OPTIONS: &[OptionDefinition] = &[
    option(Key::OriginalSrc, Some('s'), &["src", "orig-src"], ADDRESS, Group::Entry, "Source address, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(Key::OriginalDst, Some('d'), &["dst", "orig-dst"], ADDRESS, Group::Entry, "Destination address, original direction")
        .may(MANY)
        .pair(ONE)
        .must(EXPECTATION),
    option(Key::ReplySrc, Some('r'), &["reply-src"], ADDRESS, Group::Entry, "Source address, reply direction")
        .may(&[List, Update, Delete, Event, CreateExpectation, DeleteExpectation, GetExpectation])
        .pair(ONE),
    option(Key::ReplyDst, Some('q'), &["reply-dst"], ADDRESS, Group::Entry, "Destination address, reply direction")
        .may(&[List, Update, Delete, Event, CreateExpectation, DeleteExpectation, GetExpectation])
        .pair(ONE),
    option(Key::Protocol, Some('p'), &["protonum"], Argument::Required("PROTOCOL"), Group::Entry, "Protocol, by name or number; its own options may follow")
        .may(&[List, Update, Delete, Event, Help])
        .must(&[Create, Add, Get, CreateExpectation, DeleteExpectation, GetExpectation]),
    option(Key::Timeout, Some('t'), &["timeout"], Argument::Required("SECONDS"), Group::Entry, "Seconds until the entry expires; -D takes it and selects nothing by it")
        .may(&[Update, Delete])
        .must(&[Create, Add, CreateExpectation]),
    option(Key::Status, Some('u'), &["status"], Argument::Required("STATUS[,...]"), Group::Entry, "Status bits: ASSURED, SEEN_REPLY, UNSET, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, HELPER; !BIT and UNREPLIED with -L")
        .may(&[List, Create, Add, Update, Delete, CreateExpectation]),
    option(Key::Zero, Some('z'), &["zero"], Argument::None, Group::Output, "Set counters to zero as they are shown").may(&[List]),
    option(Key::EventMask, Some('e'), &["event-mask"], Argument::Required("EVENT[,...]"), Group::Output, "Which events: ALL, NEW, UPDATES, DESTROY").may(&[Event]),
    option(Key::TupleSrc, Some('['), &["tuple-src"], ADDRESS, Group::Expectation, "Source address of the expected flow").must(&[CreateExpectation]),
    option(Key::TupleDst, Some(']'), &["tuple-dst"], ADDRESS, Group::Expectation, "Destination address of the expected flow").must(&[CreateExpectation]),
    option(Key::MaskSrc, Some('{'), &["mask-src"], ADDRESS, Group::Entry, "Bits of the source address that count; --src 192.0.2.0/24 sets it, too")
        .may(MANY)
        .must(&[CreateExpectation]),
    option(Key::MaskDst, Some('}'), &["mask-dst"], ADDRESS, Group::Entry, "Bits of the destination address that count")
        .may(MANY)
        .must(&[CreateExpectation]),
    option(Key::NatRange, Some('a'), &["nat-range"], ADDRESS, Group::Conntrack, "Does nothing any more"),
    option(Key::Mark, Some('m'), &["mark"], Argument::Required("MARK[/MASK]"), Group::Conntrack, "Mark; -U clears the mask's bits and flips the mark's")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::Id, Some('i'), &["id"], NUMBER, Group::Conntrack, "Id of the entry").may(&[Update, Delete, Get]),
    option(Key::Family, Some('f'), &["family"], Argument::Required("FAMILY"), Group::Entry, "ipv4 or ipv6")
        .may(&[List, Update, Delete, Flush, Event, ListExpectations]),
    option(Key::SrcNat, Some('n'), &["src-nat"], Argument::Optional("ADDRESS[:PORT]"), Group::Conntrack, "Translated source, or any")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::DstNat, Some('g'), &["dst-nat"], Argument::Optional("ADDRESS[:PORT]"), Group::Conntrack, "Translated destination, or any")
        .may(&[List, Create, Add, Update, Delete, Event]),
    option(Key::Output, Some('o'), &["output"], Argument::Required("FORM[,...]"), Group::Output, "xml, extended, timestamp, id, ktimestamp, labels, userspace; save or json alone")
        .may(&[List, Update, Delete, Get, Event, ListExpectations, ExpectationEvents]),
    option(Key::Secmark, Some('c'), &["secmark"], NUMBER, Group::Conntrack, "Security mark; kernels do not tell it any more, so nothing is left out")
        .may(&[List, Event]),
    option(Key::BufferSize, Some('b'), &["buffer-size"], Argument::Required("BYTES"), Group::Output, "Receive buffer of the socket that events come from").may(&[Event]),
    option(Key::AnyNat, Some('j'), &["any-nat"], Argument::Optional("ADDRESS[:PORT]"), Group::Conntrack, "Translated source or destination").may(&[List, Event]),
    option(Key::Zone, Some('w'), &["zone"], Argument::Required("ZONE"), Group::Entry, "Zone of both directions")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::Label, Some('l'), &["label"], Argument::Required("LABEL[,...]"), Group::Conntrack, "Labels that are all set, by name or #BIT")
        .may(&[List, Update, Delete, Get, Event]),
    option(Key::LabelAdd, Some('<'), &["label-add"], Argument::Required("LABEL[,...]"), Group::Update, "Labels to set, by name or #BIT")
        .may(&[Create, Add, Update]),
    option(Key::LabelDel, Some('>'), &["label-del"], Argument::Optional("LABEL[,...]"), Group::Update, "Labels to clear, or all").may(&[Update]),
    option(Key::OriginalZone, Some('('), &["orig-zone"], Argument::Required("ZONE"), Group::Entry, "Zone of the original direction")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::ReplyZone, Some(')'), &["reply-zone"], Argument::Required("ZONE"), Group::Entry, "Zone of the reply direction")
        .may(&[List, Create, Add, Delete, Event]),
    option(Key::LabelMap, Some('M'), &["labelmap"], Argument::Required("FILE"), Group::Conntrack, "Names of labels, instead of /etc/xtables/connlabel.conf")
        .may(&[List, Update, Delete, Event]),
    option(Key::ExitCode, None, &["exit-code"], Argument::None, Group::Output, "Exit with 3 where nothing matched, 1 where something failed")
        .may(&[Update, Delete])
        .of_ours(),
    option(Key::From, None, &["from"], Argument::Required("FILE"), Group::Output, "Read entries from a file (or -) in any form that is printed, or /proc's")
        .may(&[List])
        .of_ours(),
    option(Key::Helper, None, &["helper"], Argument::Required("NAME"), Group::Saved, "Helper").may(SAVED).of_ours(),
    option(Key::HelperInfo, None, &["helper-info"], Argument::Required("HEX"), Group::Saved, "The helper's own data").may(SAVED).of_ours(),
    option(Key::OriginalSequence, None, &["orig-seqadj"], Argument::Required("POS,BEFORE,AFTER"), Group::Saved, "Sequence numbers, original direction")
        .may(SAVED)
        .of_ours(),
    option(Key::ReplySequence, None, &["reply-seqadj"], Argument::Required("POS,BEFORE,AFTER"), Group::Saved, "Sequence numbers, reply direction")
        .may(SAVED)
        .of_ours(),
    option(Key::SynProxy, None, &["synproxy"], Argument::Required("ISN,ITS,TSOFF"), Group::Saved, "State of the SYN proxy").may(SAVED).of_ours(),
    option(Key::Master, None, &["master"], Argument::Required("PROTOCOL,SRC,DST[,...]"), Group::Saved, "The flow that expected this one").may(SAVED).of_ours(),
];
