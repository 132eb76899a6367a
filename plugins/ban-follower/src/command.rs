//! Messages: what a responder (fail2ban, CrowdSec, a person) may say.

use ctwarden_sdk::{Prefix, PrefixError};
use serde::Deserialize;
use thiserror::Error;

/// What is to be done, in the order in which it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ban a network for some seconds, or until it is unbanned.
    Ban(Prefix, Option<u32>),
    /// End the ban of a network.
    Unban(Prefix),
    /// Say what is banned by message.
    List,
}

/// Why a message was not understood.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("\"{0}\" is not understood; write ban ADDRESS [for SECONDS], unban ADDRESS, or list")]
    Unknown(String),
    #[error("\"{0}\" is not a number of seconds from 1 to 4294967295")]
    Seconds(String),
    #[error(transparent)]
    Network(#[from] PrefixError),
    #[error("the JSON says neither ban nor unban")]
    Empty,
    #[error("not understood as JSON: {0}; write for example {{\"ban\": [\"192.0.2.7\"], \"seconds\": 3600}}")]
    Json(String),
}

/// Reads a message: words, or JSON where it begins as JSON does.
pub(crate) fn read(text: &str) -> Result<Vec<Command>, CommandError> {
    let text = text.trim();
    let json = |error: serde_json::Error| CommandError::Json(error.to_string());
    let commands = match text.bytes().next() {
        Some(b'{') => commands_of(vec![serde_json::from_str(text).map_err(json)?])?,
        Some(b'[') => commands_of(serde_json::from_str(text).map_err(json)?)?,
        Some(_) | None => vec![words(text)?],
    };
    if commands.is_empty() { Err(CommandError::Empty) } else { Ok(commands) }
}

fn words(text: &str) -> Result<Command, CommandError> {
    match text.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
        ["ban", network] => Ok(Command::Ban(network.parse()?, None)),
        ["ban", network, "for", seconds] => {
            let number = seconds.parse().ok().filter(|number| *number > 0);
            Ok(Command::Ban(network.parse()?, Some(number.ok_or_else(|| CommandError::Seconds((*seconds).into()))?)))
        }
        ["unban", network] => Ok(Command::Unban(network.parse()?)),
        ["list"] => Ok(Command::List),
        _ => Err(CommandError::Unknown(text.chars().take(80).collect())),
    }
}

/// Many at once: `{"ban": […], "seconds": 3600, "unban": […]}`, or a list of such.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    ban: OneOrMany,
    seconds: Option<u32>,
    #[serde(default)]
    unban: OneOrMany,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn networks(self) -> Result<Vec<Prefix>, PrefixError> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        texts.iter().map(|text| text.parse()).collect()
    }
}

fn commands_of(orders: Vec<Order>) -> Result<Vec<Command>, CommandError> {
    let mut commands = Vec::new();
    for order in orders {
        if order.seconds == Some(0) {
            return Err(CommandError::Seconds("0".to_owned()));
        }
        commands.extend(order.ban.networks()?.into_iter().map(|network| Command::Ban(network, order.seconds)));
        commands.extend(order.unban.networks()?.into_iter().map(Command::Unban));
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn words_are_understood() {
        assert_eq!(read("ban 203.0.113.7").unwrap(), [Command::Ban(network("203.0.113.7"), None)]);
        let until = Command::Ban(network("2001:db8::/32"), Some(60));
        assert_eq!(read("  ban\t2001:db8::/32 for 60\n").unwrap(), [until]);
        assert_eq!(read("unban 203.0.113.0/24").unwrap(), [Command::Unban(network("203.0.113.0/24"))]);
        assert_eq!(read("list").unwrap(), [Command::List]);
    }

    #[test]
    fn json_is_understood() {
        let text = r#"{"ban": ["203.0.113.7", "2001:db8::/32"], "seconds": 60, "unban": "192.0.2.1"}"#;
        let all = [
            Command::Ban(network("203.0.113.7"), Some(60)),
            Command::Ban(network("2001:db8::/32"), Some(60)),
            Command::Unban(network("192.0.2.1")),
        ];
        assert_eq!(read(text).unwrap(), all);
        let two = read(r#"[{"ban": "192.0.2.1"}, {"unban": ["192.0.2.2"]}]"#).unwrap();
        assert_eq!(two, [Command::Ban(network("192.0.2.1"), None), Command::Unban(network("192.0.2.2"))]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, expected) in [
            ("", "\"\" is not understood; write ban ADDRESS [for SECONDS], unban ADDRESS, or list"),
            ("ban", "\"ban\" is not understood"),
            ("ban 192.0.2.1 60", "\"ban 192.0.2.1 60\" is not understood"),
            ("ban 192.0.2.1 for 0", "\"0\" is not a number of seconds"),
            ("ban 192.0.2.1 for -1", "\"-1\" is not a number of seconds"),
            ("ban 192.0.2.1 for 1h", "\"1h\" is not a number of seconds"),
            ("ban 192.0.2", "\"192.0.2\" is not an address or network"),
            ("ban 192.0.2.0/33", "192.0.2.0/33: an address of this family has 32 bits"),
            ("{}", "the JSON says neither ban nor unban"),
            ("[]", "the JSON says neither ban nor unban"),
            ("{\"ban\": 7}", "not understood as JSON: "),
            ("{\"ban\": \"192.0.2.1\", \"secs\": 1}", "not understood as JSON: unknown field `secs`"),
            ("{\"ban\": \"192.0.2.1\", \"seconds\": 0}", "\"0\" is not a number of seconds"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
