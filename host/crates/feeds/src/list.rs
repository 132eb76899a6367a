//! A list that was read, and the way from its bytes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{ListCounts, Prefix, PrefixMap};

use crate::error::ListError;
use crate::finding::Finding;
use crate::format::Format;
use crate::gathering::Gathering;
use crate::reading::Reading;
use crate::{csv, ipset, json_lines, mmdb, nft, plain, text_lines};

/// Editors on Windows begin UTF-8 files with this mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a list.
#[derive(Clone, Debug)]
pub struct List {
    format: Format,
    networks: PrefixMap<Arc<str>>,
    ends: BTreeMap<Prefix, Duration>,
    counts: ListCounts,
    skipped: Vec<Finding>,
    note: Option<Finding>,
}

impl List {
    pub(crate) const fn new(
        format: Format,
        networks: PrefixMap<Arc<str>>,
        ends: BTreeMap<Prefix, Duration>,
        counts: ListCounts,
        skipped: Vec<Finding>,
        note: Option<Finding>,
    ) -> Self {
        Self { format, networks, ends, counts, skipped, note }
    }

    /// The format in which the list was read.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The networks and their values.
    #[must_use]
    pub const fn networks(&self) -> &PrefixMap<Arc<str>> {
        &self.networks
    }

    /// The time that is left of each network that ends.
    #[must_use]
    pub const fn ends(&self) -> &BTreeMap<Prefix, Duration> {
        &self.ends
    }

    /// The networks and their ends, as own values.
    #[must_use]
    pub fn into_parts(self) -> (PrefixMap<Arc<str>>, BTreeMap<Prefix, Duration>) {
        (self.networks, self.ends)
    }

    /// Lines, entries and skipped lines.
    #[must_use]
    pub const fn counts(&self) -> ListCounts {
        self.counts
    }

    /// Why the first skipped lines are bad.
    #[must_use]
    pub fn skipped(&self) -> &[Finding] {
        &self.skipped
    }

    /// A remark for people about something that is not a mistake.
    #[must_use]
    pub const fn note(&self) -> Option<&Finding> {
        self.note.as_ref()
    }
}

/// Reads a whole list.
///
/// # Errors
/// [`ListError`] if the list has no entry, if its format is unknown, or if a line is wrong and wrong lines are not skipped.
pub fn parse(bytes: &[u8], reading: &Reading) -> Result<List, ListError> {
    if reading.is_of_databases() || reading.format.is_none() && mmdb::has_metadata(bytes) {
        return mmdb::read(bytes, reading).map_err(ListError::Whole);
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let format = match reading.format {
        Some(format) => format,
        None => Format::recognise(bytes, reading).map_err(ListError::Whole)?,
    };
    let mut gathering = Gathering::new(reading);
    match format {
        Format::Plain => plain::read(bytes, &mut gathering),
        Format::Csv => csv::read(bytes, &mut gathering).map_err(ListError::Whole)?,
        Format::JsonLines => json_lines::read(bytes, &mut gathering),
        Format::Ipset => ipset::read(bytes, &mut gathering).map_err(ListError::Whole)?,
        Format::Nft => nft::read(bytes, &mut gathering).map_err(ListError::Whole)?,
        Format::Mmdb => return mmdb::read(bytes, reading).map_err(ListError::Whole),
    }
    gathering.finish(format, text_lines::count(bytes))
}
