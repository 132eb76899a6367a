//! The order of the dumps of one sweep, and whether the sweep was complete.

/// A running sweep: first the flows, then the expectations if the engine requested them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// Whether the expectations are still to be dumped.
    expectations: bool,
    is_complete: bool,
}

/// The step after a part of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// Dump the expectations: the dump of the flows has ended.
    Expectations,
    /// Report the end of the sweep to the engine.
    End { is_complete: bool },
}

impl SweepProgress {
    /// `expectations`: whether to dump the expectations after the flows.
    #[must_use]
    pub const fn new(expectations: bool) -> Self {
        Self { expectations, is_complete: true }
    }

    /// The dump of the flows or of the expectations has ended or failed to start.
    pub const fn end_part(&mut self, is_complete: bool) -> SweepStep {
        self.is_complete &= is_complete;
        if core::mem::replace(&mut self.expectations, false) {
            SweepStep::Expectations
        } else {
            SweepStep::End { is_complete: self.is_complete }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_of_flows_ends_with_them() {
        assert_eq!(SweepProgress::new(false).end_part(true), SweepStep::End { is_complete: true });
        assert_eq!(SweepProgress::new(false).end_part(false), SweepStep::End { is_complete: false });
    }

    #[test]
    fn a_sweep_is_complete_only_where_both_parts_were() {
        for (flows, expectations) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut progress = SweepProgress::new(true);
            assert_eq!(progress.end_part(flows), SweepStep::Expectations);
            assert_eq!(progress.end_part(expectations), SweepStep::End { is_complete: flows && expectations });
        }
    }
}
