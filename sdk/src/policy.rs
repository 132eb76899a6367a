//! The one trait that a policy implements.

use crate::{
    Batch, Configuration, Extent, Flow, ReasonCode, Refusal, Reply, SetChange, Subscription, Timestamp, VerdictKind,
    Verdicts,
};

/// A policy: a function from flows to verdicts. The struct itself is the state between calls.
///
/// Calls never overlap and arrive in the order in which things happened. A fault (a panic, out of time, out of memory)
/// loses the struct. Then the host configures a fresh one and sweeps the table for it. State that must survive a fault
/// goes into [`memory`](crate::memory).
pub trait Policy: Sized + 'static {
    /// The configuration that the operator writes under `[plugin.config]`; [`Nothing`](crate::Nothing) if there is
    /// none.
    type Config: Configuration;

    /// Kinds of verdicts that the policy may return, whatever its configuration. The host refuses other kinds. The
    /// operator sees them in `ctwarden check` and grants each of them. If a configuration needs fewer kinds, use
    /// [`Subscription::needs`].
    const WANTS: &'static [VerdictKind];

    /// Codes that verdicts of the policy have, whatever its configuration. The host counts verdicts by these codes and by
    /// those of [`Subscription::code`]. It carries out a verdict with another code all the same, and counts it as
    /// `other`.
    const CODES: &'static [ReasonCode] = &[];

    /// Creates the policy from its configuration.
    ///
    /// # Errors
    /// One line that names what is wrong with the configuration.
    fn configure(config: Self::Config, now: Timestamp) -> Result<Self, Refusal>;

    /// Returns what the host delivers. It is read once, after `configure`, and holds for the life of the policy. The
    /// default is every new flow and every row of a sweep.
    fn subscription(&self) -> Subscription {
        Subscription::default()
    }

    /// Judges one flow. A verdict without a target is about this flow.
    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts;

    /// Judges many flows at once, for a policy that can do better than one at a time, such as one call of a
    /// [set](crate::sets) for all flows. By default, calls `judge` for each flow.
    fn batch(&mut self, batch: &Batch) -> Verdicts {
        batch.each(|flow| self.judge(flow))
    }

    /// A sweep begins. Rows of the table follow; events may come between them.
    fn sweep_begin(&mut self, extent: Extent, now: Timestamp) -> Verdicts {
        let _ = (extent, now);
        Verdicts::none()
    }

    /// The sweep ended. If it is complete, it delivered every entry that existed throughout the sweep. Otherwise rows
    /// may be missing or repeated.
    fn sweep_end(&mut self, complete: bool, now: Timestamp) -> Verdicts {
        let _ = (complete, now);
        Verdicts::none()
    }

    /// Events were lost at this point. A sweep follows if the policy subscribes to [`Kind::Row`](crate::Kind::Row).
    /// `missed` is the number of entries that the host dropped because the policy was too slow. It is 0 if the kernel
    /// lost events, because nobody knows how many.
    fn overrun(&mut self, missed: u64, now: Timestamp) -> Verdicts {
        let _ = (missed, now);
        Verdicts::none()
    }

    /// These sets changed. All of them are named in the subscription. By default, the policy asks for a sweep if it
    /// wants and needs [`VerdictKind::Sweep`]: a flow may need a new verdict because its address is now in the set, or
    /// no longer in it. A policy that acts only on addresses in the set, such as a list of bans, can ask for just the
    /// flows of added addresses with [`SetChange::filters`]. With [`Subscription::selects`] the host finds them without
    /// reading the table.
    fn sets_changed(&mut self, changes: &[SetChange], now: Timestamp) -> Verdicts {
        let _ = now;
        if Self::WANTS.contains(&VerdictKind::Sweep) && self.subscription().may(VerdictKind::Sweep) {
            crate::sweep().because("set-changed", SetChange::names(changes)).into()
        } else {
            Verdicts::none()
        }
    }

    /// Called periodically; see [`Subscription::tick_every`].
    fn tick(&mut self, now: Timestamp) -> Verdicts {
        let _ = now;
        Verdicts::none()
    }

    /// Takes a message from outside: a ban, an operator's request, or any other text of `ctwarden send`.
    ///
    /// # Errors
    /// One line for the sender, which the host cuts after 1,024 bytes.
    fn message(&mut self, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
        let _ = (text, now);
        Err("this policy takes no messages".into())
    }

    /// The last call before an orderly end. A policy that faulted does not get it.
    fn stop(&mut self) {}
}
