//! Names of nftables tables, as `nft` writes them: `inet filter`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name of a table or a set (`NFT_NAME_MAXLEN`, linux/netfilter/nf_tables.h, without the closing zero).
const NAME_MAX: usize = 255;

/// Family of a table (`NFPROTO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableFamily {
    /// IPv4 and IPv6 packets.
    Inet,
    /// IPv4 packets only (`NFPROTO_IPV4`).
    Ip,
    /// IPv6 packets only (`NFPROTO_IPV6`).
    Ip6,
    /// Ingress and egress of devices.
    Netdev,
    Bridge,
}

impl TableFamily {
    /// All families with their `nft` names.
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Inet, "inet"),
        (Self::Ip, "ip"),
        (Self::Ip6, "ip6"),
        (Self::Netdev, "netdev"),
        (Self::Bridge, "bridge"),
    ];
}

impl fmt::Display for TableFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.into_iter().find_map(|(family, name)| (family == *self).then_some(name));
        f.write_str(name.unwrap_or_default())
    }
}

/// A table: its family, and its name within the family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    pub(crate) family: TableFamily,
    pub(crate) name: String,
}

/// Why a text does not name a table, a set or a chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TableNameError {
    #[error("\"{0}\" is not an nftables table; write family and name, for example \"inet ctwarden\"")]
    Table(String),
    #[error("\"{0}\" is not an nftables name; use letters, digits, _ - . / and begin with a letter")]
    Name(String),
}

impl FromStr for TableName {
    type Err = TableNameError;

    /// Reads `family name`.
    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let refused = || TableNameError::Table(text.to_owned());
        let (word, name) = text.split_once(' ').ok_or_else(refused)?;
        let (family, _) = TableFamily::NAMES.into_iter().find(|(_, known)| *known == word).ok_or_else(refused)?;
        Ok(Self { family, name: identifier(name.trim())?.to_owned() })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// Accepts what `nft` takes as an identifier, so that a person can inspect the table or set with `nft`.
pub(crate) fn identifier(name: &str) -> Result<&str, TableNameError> {
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'\\'));
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if good && begins && name.len() <= NAME_MAX { Ok(name) } else { Err(TableNameError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_nft_names_it() {
        for text in ["inet filter", "ip6 x", "netdev guard", "bridge b", "ip a.b/c"] {
            assert_eq!(text.parse::<TableName>().unwrap().to_string(), text);
        }
        for text in ["", "filter", "inet", "ipx a", "Inet a"] {
            assert_eq!(text.parse::<TableName>(), Err(TableNameError::Table(text.to_owned())), "{text}");
        }
        for (text, name) in [("inet ", ""), ("inet a b", "a b"), ("inet 1a", "1a")] {
            assert_eq!(text.parse::<TableName>(), Err(TableNameError::Name(name.to_owned())), "{text}");
        }
        assert!(identifier(&"a".repeat(256)).is_err() && identifier(&"a".repeat(255)).is_ok());
    }
}
