//! Where odd attributes are told.
//!
//! Decoding never fails an entry for one odd attribute; it goes on without it. Whoever wants to know passes a listener,
//! whoever does not passes one that compiles to nothing.

use alloc::vec::Vec;

use crate::DecodeError;

/// Hears of each attribute that was skipped because it made no sense.
pub trait Report {
    fn odd(&mut self, error: DecodeError);
}

/// Wants to hear nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silent;

impl Report for Silent {
    #[inline]
    fn odd(&mut self, _: DecodeError) {}
}

impl Report for Vec<DecodeError> {
    fn odd(&mut self, error: DecodeError) {
        self.push(error);
    }
}

/// How many there were.
impl Report for u64 {
    fn odd(&mut self, _: DecodeError) {
        *self = self.saturating_add(1);
    }
}

/// Puts a parent's name in front of what is told.
pub(crate) struct Within<'r, R> {
    pub(crate) parent: &'static str,
    pub(crate) to: &'r mut R,
}

impl<R: Report> Report for Within<'_, R> {
    fn odd(&mut self, error: DecodeError) {
        self.to.odd(error.within(self.parent));
    }
}

/// The value, or none and a word about it.
#[inline]
pub(crate) fn heard<T, R: Report>(decoded: Result<T, DecodeError>, report: &mut R) -> Option<T> {
    match decoded {
        Ok(value) => Some(value),
        Err(error) => {
            report.odd(error);
            None
        }
    }
}
