//! Formats of lists that are not supported. They are recognised so that the message can say what to do.

use std::fmt;

/// Only this part of a file is examined.
const HEAD: usize = 4096;

/// The format of a file that is not a plain list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines of columns that commas separate.
    Csv,
    /// Output of `nft list set`, or a script for `nft -f`.
    Nft,
    /// Output of `ipset save` or `ipset list`.
    Ipset,
    /// A list of Spamhaus in JSON.
    SpamhausJson,
    Json,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "columns separated by commas",
            Self::Nft => "nftables syntax",
            Self::Ipset => "ipset syntax",
            Self::SpamhausJson => "a Spamhaus list in JSON",
            Self::Json => "JSON",
        })
    }
}

impl Form {
    /// Name of the format, as a `format` key of the set would spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Nft => "nft",
            Self::Ipset => "ipset",
            Self::SpamhausJson => "spamhaus-json",
            Self::Json => "json",
        }
    }

    /// The format of a text in which `line` is not valid in a plain list.
    pub(super) fn of(text: &str, line: &str) -> Option<Self> {
        let mut end = text.len().min(HEAD);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let head = text.get(..end).unwrap_or_default().trim_start();
        if is_json(head) {
            return Some(if head.contains("\"cidr\"") { Self::SpamhausJson } else { Self::Json });
        }
        let line = line.trim();
        let words = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        if line.starts_with('{')
            || words(&[
                "table ",
                "set ",
                "define ",
                "add element ",
                "add table ",
                "add set ",
                "flush ",
                "delete table ",
            ])
            || line.strip_prefix("elements").is_some_and(|rest| rest.trim_start().starts_with('='))
        {
            return Some(Self::Nft);
        }
        if words(&["create ", "add ", "-N ", "-A ", "Name: ", "Type: hash", "Members:"]) {
            return Some(Self::Ipset);
        }
        line.contains(',').then_some(Self::Csv)
    }
}

/// An object, or a list of objects or texts; not an address in brackets and not a set of nftables.
fn is_json(head: &str) -> bool {
    let follows = |opening: char, next: &[char]| {
        head.strip_prefix(opening).is_some_and(|rest| rest.trim_start().starts_with(next))
    };
    follows('{', &['"', '}']) || follows('[', &['{', '"', '[', ']'])
}
