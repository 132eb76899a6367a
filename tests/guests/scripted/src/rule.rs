//! A rule: when it holds, and which verdicts it then returns.
//!
//! The words are in the order of a spoken sentence, so that a scenario needs no explanation.

use std::str::FromStr;
use std::time::Duration;

use ctwarden_sdk::prelude::*;

use crate::what;

/// One rule of the script, parsed.
#[derive(Debug)]
pub(crate) struct Rule {
    when: Vec<When>,
    what: Vec<String>,
    remember: Option<String>,
    /// How long the rule sleeps before it answers (`sleep MILLISECONDS`).
    pub(crate) sleep: Duration,
}

#[derive(Debug, PartialEq)]
enum When {
    Kind(Kind),
    Ours,
    Protocol(Protocol),
    Port(u16),
    Turn(String),
}

const TURNS: [&str; 6] = ["overrun", "sweep-begin", "sweep-complete", "sweep-interrupted", "set-changed", "tick"];

impl FromStr for When {
    type Err = Refusal;

    fn from_str(word: &str) -> Result<Self, Refusal> {
        Ok(match word {
            "new" => Self::Kind(Kind::New),
            "update" => Self::Kind(Kind::Update),
            "destroy" => Self::Kind(Kind::Destroy),
            "row" => Self::Kind(Kind::Row),
            "ours" => Self::Ours,
            turn if TURNS.contains(&turn) => Self::Turn(turn.to_owned()),
            number if number.bytes().all(|b| b.is_ascii_digit()) => Self::Port(number.parse()?),
            protocol => Self::Protocol(protocol.parse()?),
        })
    }
}

impl FromStr for Rule {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (when, what) = text.split_once(": ").ok_or("write WHEN: WHAT")?;
        let when = when.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let mut rule = Self { when, what: Vec::new(), remember: None, sleep: Duration::ZERO };
        for what in what.split(';').map(str::trim) {
            match what.split_once(' ') {
                Some(("remember", name)) => rule.remember = Some(name.to_owned()),
                Some(("sleep", milliseconds)) => rule.sleep = Duration::from_millis(milliseconds.parse()?),
                Some(_) | None => rule.what.push(what.to_owned()),
            }
        }
        Ok(rule)
    }
}

impl Rule {
    /// Whether the rule holds for the entry.
    pub(crate) fn holds(&self, flow: &Flow<'_>) -> bool {
        self.when.iter().all(|when| match when {
            When::Kind(kind) => flow.kind() == *kind,
            When::Ours => flow.by_us(),
            When::Protocol(protocol) => flow.protocol() == *protocol,
            When::Port(port) => [flow.src_port(), flow.dst_port()].contains(&Some(*port)),
            When::Turn(_) => false,
        })
    }

    /// The name under which to remember the flow (`remember NAME`).
    pub(crate) fn name_of(&self, flow: &Flow<'_>) -> Option<String> {
        self.remember.as_ref().and_then(|name| what::expanded(name, Some(flow)).ok())
    }

    /// Whether the rule is for the turn with this name.
    pub(crate) fn is_turn(&self, name: &str) -> bool {
        self.when.iter().any(|when| matches!(when, When::Turn(turn) if turn == name))
    }

    /// The verdicts of the rule. Words that are no verdict become an alert that reports them, which no test expects.
    pub(crate) fn verdicts(&self, flow: Option<&Flow<'_>>) -> Verdicts {
        let wanted = |text: &String| {
            what::verdict(text, flow)
                .unwrap_or_else(|error| alert(format!("{text}: {}", error.as_str())).because("unreadable", ""))
        };
        self.what.iter().map(wanted).collect()
    }
}
