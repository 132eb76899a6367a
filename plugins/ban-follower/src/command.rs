//! Messages that programs (fail2ban, CrowdSec) and people send to the policy.

use std::fmt;
use std::net::IpAddr;

use ctwarden_sdk::{Lifetime, LifetimeError, Prefix, PrefixError};
use serde::Deserialize;
use thiserror::Error;

/// One command of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ban a network for some time, or until it is unbanned.
    Ban(Named, Lifetime),
    /// End the ban of a network.
    Unban(Named),
    /// End the flows of a network once.
    End(Named),
}

/// A network. Keeps the address in the text if that is not the first address of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) network: Prefix,
    by: Option<IpAddr>,
}

impl Named {
    fn read(text: &str) -> Result<Self, PrefixError> {
        let network: Prefix = text.parse()?;
        let address = text.split_once('/').and_then(|(address, _)| address.parse::<IpAddr>().ok());
        let by = address.map(|address| address.to_canonical()).filter(|address| *address != network.address());
        Ok(Self { network, by })
    }
}

impl fmt::Display for Named {
    /// Writes the network, and that a command with one address applies to the whole network, so that the sender learns about
    /// it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            Some(address) => write!(f, "{} (all of it, not {address} alone)", self.network),
            None => write!(f, "{}", self.network),
        }
    }
}

#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("\"{0}\" is not understood; write ban ADDRESS [for TIME], unban ADDRESS, or end ADDRESS")]
    Unknown(String),
    #[error("the host keeps the bans, and ctwarden claims SET lists them, SET being the block-set")]
    List,
    #[error(transparent)]
    Time(#[from] LifetimeError),
    #[error(transparent)]
    Network(#[from] PrefixError),
    #[error("the JSON has none of ban, unban and end")]
    Empty,
    #[error("the JSON is not understood: {0}; write for example {{\"ban\": [\"192.0.2.7\"], \"seconds\": 3600}}")]
    Json(String),
}

/// Reads a message: JSON if it begins with `{` or `[`, otherwise words.
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
        ["ban", network] => Ok(Command::Ban(Named::read(network)?, Lifetime::FOREVER)),
        ["ban", network, "for", time] => Ok(Command::Ban(Named::read(network)?, time.parse()?)),
        ["unban", network] => Ok(Command::Unban(Named::read(network)?)),
        ["end", network] => Ok(Command::End(Named::read(network)?)),
        ["list"] => Err(CommandError::List),
        _ => Err(CommandError::Unknown(text.chars().take(80).collect())),
    }
}

/// Several commands at once: `{"ban": […], "seconds": 3600, "unban": […], "end": […]}`, or a list of such objects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    ban: OneOrMany,
    seconds: Option<Time>,
    #[serde(default)]
    unban: OneOrMany,
    #[serde(default)]
    end: OneOrMany,
}

/// Seconds as a number, or text such as "1h".
#[derive(Deserialize)]
#[serde(untagged, expecting = "seconds must be a number such as 3600 or a text such as \"1h\"")]
enum Time {
    Seconds(i64),
    Text(String),
}

impl Time {
    fn lifetime(&self) -> Result<Lifetime, LifetimeError> {
        match self {
            Self::Seconds(seconds) => seconds.to_string().parse(),
            Self::Text(text) => text.parse(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "ban, unban and end take one network as text, or a list of them")]
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
    fn networks(self) -> Result<Vec<Named>, PrefixError> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        texts.iter().map(|text| Named::read(text)).collect()
    }
}

fn commands_of(orders: Vec<Order>) -> Result<Vec<Command>, CommandError> {
    let mut commands = Vec::new();
    for order in orders {
        let lifetime = order.seconds.as_ref().map(Time::lifetime).transpose()?.unwrap_or_default();
        commands.extend(order.ban.networks()?.into_iter().map(|network| Command::Ban(network, lifetime)));
        commands.extend(order.unban.networks()?.into_iter().map(Command::Unban));
        commands.extend(order.end.networks()?.into_iter().map(Command::End));
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Named {
        Named { network: text.parse().unwrap(), by: None }
    }

    fn seconds(seconds: u32) -> Lifetime {
        Lifetime::from_secs(seconds)
    }

    #[test]
    fn words_are_understood() {
        assert_eq!(read("ban 203.0.113.7").unwrap(), [Command::Ban(network("203.0.113.7"), Lifetime::FOREVER)]);
        for (time, lifetime) in [("1h", seconds(3600)), ("4h30m", seconds(16_200)), ("-1", Lifetime::FOREVER)] {
            let ban = Command::Ban(network("203.0.113.7"), lifetime);
            assert_eq!(read(&format!("ban ::ffff:203.0.113.7 for {time}")).unwrap(), [ban]);
        }
        let until = Command::Ban(network("2001:db8::/32"), seconds(60));
        assert_eq!(read("  ban\t2001:db8::/32 for 60\n").unwrap(), [until]);
        assert_eq!(read("unban 203.0.113.0/24").unwrap(), [Command::Unban(network("203.0.113.0/24"))]);
        assert_eq!(read("end 203.0.113.7").unwrap(), [Command::End(network("203.0.113.7"))]);
    }

    #[test]
    fn json_is_understood() {
        let text =
            r#"{"ban": ["203.0.113.7", "2001:db8::/32"], "seconds": 60, "unban": "192.0.2.1", "end": ["192.0.2.2"]}"#;
        let all = [
            Command::Ban(network("203.0.113.7"), seconds(60)),
            Command::Ban(network("2001:db8::/32"), seconds(60)),
            Command::Unban(network("192.0.2.1")),
            Command::End(network("192.0.2.2")),
        ];
        assert_eq!(read(text).unwrap(), all);
        let two = read(r#"[{"ban": "192.0.2.1"}, {"unban": ["192.0.2.2"]}]"#).unwrap();
        let bans = [Command::Ban(network("192.0.2.1"), Lifetime::FOREVER), Command::Unban(network("192.0.2.2"))];
        assert_eq!(two, bans);
        for (json, lifetime) in [("\"1h\"", seconds(3600)), ("-1", Lifetime::FOREVER), ("90", seconds(90))] {
            let ban = Command::Ban(network("192.0.2.1"), lifetime);
            assert_eq!(read(&format!("{{\"ban\": \"192.0.2.1\", \"seconds\": {json}}}")).unwrap(), [ban]);
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, expected) in [
            ("", "\"\" is not understood; write ban ADDRESS [for TIME], unban ADDRESS, or end ADDRESS"),
            ("ban", "\"ban\" is not understood"),
            ("list", "the host keeps the bans, and ctwarden claims SET lists them"),
            ("ban 192.0.2.1 60", "\"ban 192.0.2.1 60\" is not understood"),
            ("ban 192.0.2.1 for 0", "\"0\" is not a time; write seconds from 1 to"),
            ("ban 192.0.2.1 for -2", "\"-2\" is not a time"),
            ("ban 192.0.2.1 for 1y", "\"1y\" is not a time"),
            ("ban ::ffff:192.0.2.1/24", "\"::ffff:192.0.2.1/24\" is wider than all of IPv4; write 192.0.2.1/24"),
            ("ban 192.0.2", "\"192.0.2\" is not an address or network"),
            ("ban 192.0.2.0/33", "prefix length 33 is longer than the 32 bits of 192.0.2.0"),
            ("{}", "the JSON has none of ban, unban and end"),
            ("[]", "the JSON has none of ban, unban and end"),
            (
                "{\"ban\": 7}",
                "the JSON is not understood: ban, unban and end take one network as text, or a list of them",
            ),
            ("{\"ban\": \"192.0.2.1\", \"seconds\": [1]}", "the JSON is not understood: seconds must be a number"),
            ("{\"ban\": \"192.0.2.1\", \"secs\": 1}", "the JSON is not understood: unknown field `secs`"),
            ("{\"ban\": \"192.0.2.1\", \"seconds\": 0}", "\"0\" is not a time"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
