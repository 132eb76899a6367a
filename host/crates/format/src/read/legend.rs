//! The facts that a line of text does not carry: the names of label bits and the time zone.

use core::fmt;

use crate::{CivilTime, LabelMap};

/// Facts that a line of text does not carry: the names of its label bits, and its time zone.
#[derive(Clone, Copy)]
pub struct Legend<'a> {
    /// Names of label bits: without them `labels=` is skipped.
    pub labels: Option<&'a LabelMap>,
    /// Unix seconds of a local time; `None` if that local time does not exist.
    pub unix_seconds: &'a dyn Fn(&CivilTime) -> Option<i64>,
}

impl Legend<'_> {
    /// Without names, and in UTC.
    pub const PLAIN: Self = Self { labels: None, unix_seconds: &CivilTime::utc_seconds };
}

impl fmt::Debug for Legend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Legend").field("labels", &self.labels).finish_non_exhaustive()
    }
}
