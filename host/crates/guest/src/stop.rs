//! The reasons for which the host ends a call.

use ctwarden_model::Fault;
use thiserror::Error;

use crate::Limits;

/// Why this crate ended a call. It passes through wasmtime as an error and returns to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stop {
    /// The processor time of the call is used up.
    #[error("out of processor time")]
    OutOfTime,
    /// The wall-clock time of the call is over.
    #[error("did not return in time")]
    Stuck,
    /// The plugin passed more to the host than it may.
    #[error("{returned} {what}, more than {limit}")]
    TooMuch { what: &'static str, returned: u64, limit: u64 },
}

impl Stop {
    /// Returns [`Stop::TooMuch`] if `returned` is more than `limit`.
    pub(crate) fn if_over(what: &'static str, returned: usize, limit: usize) -> Result<(), Self> {
        if returned <= limit {
            return Ok(());
        }
        Err(Self::TooMuch { what, returned: number(returned), limit: number(limit) })
    }

    pub(crate) const fn fault(self, limits: &Limits) -> Fault {
        match self {
            Self::OutOfTime => Fault::OutOfTime { limit: limits.call_cpu },
            Self::Stuck => Fault::Stuck { limit: limits.call_wall },
            Self::TooMuch { what, returned, limit } => Fault::TooMuch { what, returned, limit },
        }
    }
}

pub(crate) fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_is_no_fault() {
        assert_eq!(Stop::if_over("verdicts", 10, 10), Ok(()));
        assert_eq!(Stop::if_over("verdicts", 11, 10), Err(Stop::TooMuch { what: "verdicts", returned: 11, limit: 10 }));
    }
}
