//! The facts that a line of text does not carry: the names of label bits and the time zone.

use core::fmt;

use crate::{CivilTime, LabelMap};

/// What a line of text leaves to be known: which bits its labels are, and where its clock hung.
#[derive(Clone, Copy)]
pub struct Legend<'a> {
    /// Names of label bits: without them `labels=` is passed over.
    pub labels: Option<&'a LabelMap>,
    /// Unix seconds of a local time; none where there is no such time.
    pub unix_seconds: &'a dyn Fn(&CivilTime) -> Option<i64>,
}

impl Legend<'_> {
    /// Without names, and at Greenwich.
    pub const PLAIN: Self = Self { labels: None, unix_seconds: &CivilTime::utc_seconds };
}

impl fmt::Debug for Legend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Legend").field("labels", &self.labels).finish_non_exhaustive()
    }
}
