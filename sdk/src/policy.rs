//! The one trait that a policy implements.

use crate::{Batch, Configuration, Extent, Flow, Refusal, Reply, Subscription, Timestamp, VerdictKind, Verdicts};

/// A policy: a function from flows to verdicts, and what it remembers between calls, which is the struct itself.
///
/// Calls never overlap and come in the order in which things happened. After a fault (a panic, out of time, out of memory)
/// the struct is gone: a fresh one is configured and the table swept for it. What must outlive that goes into
/// [`memory`](crate::memory).
pub trait Policy: Sized + 'static {
    /// What the operator writes under `[plugin.config]`; [`Nothing`](crate::Nothing) if there is nothing to write.
    type Config: Configuration;

    /// Kinds of verdicts that it may return, whatever its configuration. Others are refused. The operator sees them in
    /// `ctwarden check` and grants each; where the configuration asks for fewer, say so with [`Subscription::needs`].
    const WANTS: &'static [VerdictKind];

    /// Makes the policy.
    ///
    /// # Errors
    /// One line that names what is wrong with the configuration.
    fn configure(config: Self::Config, now: Timestamp) -> Result<Self, Refusal>;

    /// What the host is to deliver; asked after `configure`, and the same for as long as the policy lives. By default every
    /// new flow and every row of a sweep.
    fn subscription(&self) -> Subscription {
        Subscription::default()
    }

    /// Judges a flow. A verdict that does not say what it is about is about this flow.
    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts;

    /// Judges many flows, for a policy that does better than one at a time (such as asking a [set](crate::sets) once for
    /// all of them). By default each goes through `judge`.
    fn batch(&mut self, batch: &Batch) -> Verdicts {
        batch.each(|flow| self.judge(flow))
    }

    /// A sweep begins: rows of the table follow, between which events may come.
    fn sweep_begin(&mut self, extent: Extent, now: Timestamp) -> Verdicts {
        let _ = (extent, now);
        Verdicts::none()
    }

    /// The sweep ended. If it is complete, every entry that lived throughout it was delivered; else rows may be missing or
    /// doubled.
    fn sweep_end(&mut self, complete: bool, now: Timestamp) -> Verdicts {
        let _ = (complete, now);
        Verdicts::none()
    }

    /// Events were lost here, and a sweep follows: `missed` of them in front of this plugin because it was too slow, or 0
    /// where the kernel lost them and nobody knows how many.
    fn overrun(&mut self, missed: u64, now: Timestamp) -> Verdicts {
        let _ = (missed, now);
        Verdicts::none()
    }

    /// These sets, of those that the subscription names, have changed. By default the table is swept, if the policy wants
    /// and needs [`VerdictKind::Sweep`]: a flow may have to be judged anew because its address is in the set now, or because it
    /// is not any more. A policy to which only those in it matter, such as a list of bans, asks for these alone; with
    /// [`Subscription::selects`] they are found without reading the table:
    ///
    /// ```
    /// # use ctwarden_sdk::prelude::*;
    /// fn sets_changed(sets: &[String]) -> Verdicts {
    ///     let listed = sets.iter().fold(Filter::new(), |filter, set| filter.in_set(set));
    ///     sweep().on(listed).because("set-changed", sets.join(", ")).into()
    /// }
    /// ```
    fn sets_changed(&mut self, sets: &[String], now: Timestamp) -> Verdicts {
        let _ = now;
        if Self::WANTS.contains(&VerdictKind::Sweep) && self.subscription().may(VerdictKind::Sweep) {
            crate::sweep().because("set-changed", sets.join(", ")).into()
        } else {
            Verdicts::none()
        }
    }

    /// Time has passed; see [`Subscription::tick_every`].
    fn tick(&mut self, now: Timestamp) -> Verdicts {
        let _ = now;
        Verdicts::none()
    }

    /// A word from outside: a ban, an operator's request, whatever `ctwarden send` was given.
    ///
    /// # Errors
    /// One line for the sender.
    fn message(&mut self, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
        let _ = (text, now);
        Err("this policy takes no messages".into())
    }

    /// The last call of an orderly end.
    fn stop(&mut self) {}
}
