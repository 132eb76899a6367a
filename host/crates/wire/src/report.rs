//! Reports of odd attributes.
//!
//! One odd attribute never makes the decoding of an entry fail; decoding continues without it. A caller that wants the
//! errors passes a collecting report. Any other caller passes [`Silent`], which compiles to nothing.

use alloc::vec::Vec;

use crate::DecodeError;

/// Receives an error for each attribute that was skipped because it made no sense.
pub trait Report {
    fn odd(&mut self, error: DecodeError);
}

/// Ignores the errors, for readers that take what made sense.
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

impl Report for u64 {
    fn odd(&mut self, _: DecodeError) {
        *self = self.saturating_add(1);
    }
}

/// Puts a parent's name in front of the path of each error.
pub(crate) struct Within<'r, R> {
    pub(crate) parent: &'static str,
    pub(crate) to: &'r mut R,
}

impl<R: Report> Report for Within<'_, R> {
    fn odd(&mut self, error: DecodeError) {
        self.to.odd(error.within(self.parent));
    }
}

/// Returns the value, or reports the error and returns `None`.
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
