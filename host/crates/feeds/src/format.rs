//! The formats of lists, and how a list without a named format is recognised.

use core::fmt;

use crate::column;
use crate::finding::{Finding, Place};
use crate::line;
use crate::reading::Reading;
use crate::text_lines;

/// The format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One address, network or range a line, with comments and values.
    Plain,
    /// Lines of columns that commas separate.
    Csv,
    /// An object of JSON a line.
    JsonLines,
    /// Output of `ipset save`.
    Ipset,
    /// Output of `nft -j list set` or `nft -j list ruleset`.
    Nft,
    /// The binary format of MaxMind's databases, version 2.
    Mmdb,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Plain, Self::Csv, Self::JsonLines, Self::Ipset, Self::Nft, Self::Mmdb];

    /// Name of the format, as the key `format` of a set spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Csv => "csv",
            Self::JsonLines => "json-lines",
            Self::Ipset => "ipset",
            Self::Nft => "nft",
            Self::Mmdb => "mmdb",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether the columns of addresses and values can be named.
    #[must_use]
    pub const fn has_columns(self) -> bool {
        match self {
            Self::Csv | Self::JsonLines => true,
            Self::Plain | Self::Ipset | Self::Nft | Self::Mmdb => false,
        }
    }

    /// Whether a file can have several sets.
    #[must_use]
    pub const fn has_lists(self) -> bool {
        match self {
            Self::Ipset | Self::Nft => true,
            Self::Plain | Self::Csv | Self::JsonLines | Self::Mmdb => false,
        }
    }

    /// The format that the first line of content has. The keys of the set decide if they fit some formats only.
    pub(crate) fn recognise(bytes: &[u8], reading: &Reading) -> Result<Self, Finding> {
        // nft prints a whole set on one line.
        let mut lines = text_lines::of(bytes, usize::MAX).filter(|line| line.fault.is_none());
        let first = lines.find(|line| !line.text.trim().is_empty() && line::comment(line.text).is_none());
        let text = first.map_or("", |line| line.text.trim());
        let is_json = text.starts_with('{');
        if reading.address.is_some() || reading.value.is_some() {
            return Ok(if is_json { Self::JsonLines } else { Self::Csv });
        }
        if !reading.lists.is_empty() {
            return Ok(if is_json { Self::Nft } else { Self::Ipset });
        }
        let Some(first) = first else { return Ok(Self::Plain) };
        if line::parse(text, reading.shortest).is_ok() {
            return Ok(Self::Plain);
        }
        let rest = |opening| text.strip_prefix(opening).map(str::trim_start);
        let mut next = || lines.find(|line| !line.text.trim().is_empty()).map_or("", |line| line.text.trim_start());
        let foreign = match (rest('{'), rest('[')) {
            (Some(""), _) if next().starts_with("\"nftables\"") => return Ok(Self::Nft),
            (Some(""), _) => Some(Foreign::Json),
            (Some(rest), _) if rest.starts_with("\"nftables\"") => return Ok(Self::Nft),
            (Some(rest), _) if rest.starts_with(['"', '}']) => return Ok(Self::JsonLines),
            (_, Some(rest)) if rest.is_empty() || rest.starts_with(['{', '"', '[', ']']) => Some(Foreign::Json),
            _ => Foreign::of(text),
        };
        match foreign {
            Some(foreign) => {
                let offset = first.text.len() - first.text.trim_start().len();
                let what = alloc::format!("this looks like {foreign}");
                Err(Finding::new(Place::in_line(first.number, first.text, offset), what))
            }
            None => Ok(Self::of_line(text).unwrap_or(Self::Plain)),
        }
    }

    /// The format of a line that is not valid in a plain list.
    pub(crate) fn of_line(text: &str) -> Option<Self> {
        let words = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        if words(&["create ", "add "]) {
            return Some(Self::Ipset);
        }
        if text.starts_with("{\"") {
            return Some(Self::JsonLines);
        }
        (text.starts_with('"') || text.contains(',') || column::is_of_addresses(text)).then_some(Self::Csv)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "a plain list",
            Self::Csv => "columns with commas between",
            Self::JsonLines => "objects of JSON, one a line",
            Self::Ipset => "the output of ipset save",
            Self::Nft => "the output of nft -j",
            Self::Mmdb => "a MaxMind database",
        })
    }
}

/// A form that is not read although other programs write it. The text names the command that writes a form that is.
#[derive(Clone, Copy, Debug)]
enum Foreign {
    NftWords,
    IpsetWords,
    Json,
}

impl Foreign {
    fn of(text: &str) -> Option<Self> {
        const NFT: [&str; 9] =
            ["{", "table ", "set ", "define ", "add element ", "add table ", "add set ", "flush ", "delete table "];
        const IPSET: [&str; 5] = ["-N ", "-A ", "Name: ", "Type: hash", "Members:"];
        let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        let assigns = text.strip_prefix("elements").is_some_and(|rest| rest.trim_start().starts_with('='));
        if assigns || begins(&NFT) {
            return Some(Self::NftWords);
        }
        begins(&IPSET).then_some(Self::IpsetWords)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NftWords => {
                "nftables syntax; write the set with `nft -j list set FAMILY TABLE SET`, which format \"nft\" reads"
            }
            Self::IpsetWords => "the output of ipset list; write it with `ipset save`, which format \"ipset\" reads",
            Self::Json => {
                "JSON over several lines; write one object on each line, for example with `jq -c '.[]'`, which format \
                 \"json-lines\" reads"
            }
        })
    }
}
