//! The answer of a policy, in forms that a test compares.

use std::collections::BTreeSet;
use std::ops::Deref;

use super::imports::Host;
use crate::verdict::{Action, Target, Verdict};
use crate::{Filter, Policy, Refusal, Severity, Subscription, VerdictKind, Verdicts};

/// What a policy declares about its verdicts.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    wants: &'static [VerdictKind],
    needs: Vec<VerdictKind>,
    codes: BTreeSet<String>,
}

impl Declared {
    /// # Errors
    /// The subscription needs a kind that the policy does not want, or the host would refuse the subscription.
    pub(crate) fn of<P: Policy>(subscription: &Subscription) -> Result<Self, Refusal> {
        let codes = P::CODES.iter().map(|code| code.code().to_owned()).chain(subscription.codes().iter().cloned());
        Ok(Self { wants: P::WANTS, needs: subscription.needed(P::WANTS)?, codes: codes.collect() })
    }

    pub(crate) fn needs(&self) -> &[VerdictKind] {
        &self.needs
    }
}

/// Verdicts of one or more calls, in order, and the text of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    verdicts: Vec<Verdict>,
    text: String,
}

impl Deref for Answer {
    type Target = [Verdict];

    fn deref(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl Answer {
    /// Checks each verdict as the host does, and panics if the host would refuse one or count it as `other`.
    #[track_caller]
    pub(crate) fn new(declared: &Declared, host: &Host, verdicts: Verdicts, text: String, entries: usize) -> Self {
        let verdicts: Vec<Verdict> = verdicts.into_iter().collect();
        for verdict in &verdicts {
            if let Err(fault) = check(declared, host, verdict, entries) {
                panic!("the host would refuse \"{verdict}\": {fault}");
            }
            let code = verdict.code();
            if !declared.codes.is_empty() && !declared.codes.contains(code) {
                panic!("neither CODES nor the subscription declares the code {code} of \"{verdict}\"");
            }
        }
        Self { verdicts, text }
    }

    pub(crate) fn then(mut self, later: Self) -> Self {
        self.verdicts.extend(later.verdicts);
        self
    }

    /// Returns one line for each verdict: kind and value, target, code and reason.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.verdicts.iter().map(ToString::to_string).collect()
    }

    /// Returns the kinds of the verdicts, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<VerdictKind> {
        self.verdicts.iter().map(Verdict::kind).collect()
    }

    /// Returns the entry index of each verdict of this kind whose target is an entry.
    #[must_use]
    pub fn entries(&self, kind: VerdictKind) -> Vec<u32> {
        let index = |verdict: &Verdict| match verdict.target() {
            Some(Target::Entry(index)) => Some(*index),
            Some(Target::Key(_) | Target::Matching { .. }) | None => None,
        };
        self.verdicts.iter().filter(|verdict| verdict.kind() == kind).filter_map(index).collect()
    }

    /// Returns the filter of the only verdict about every flow that matches.
    ///
    /// # Panics
    /// There is no such verdict, or more than one.
    #[must_use]
    #[track_caller]
    pub fn filter(&self) -> &Filter {
        let filter = |verdict| match Verdict::target(verdict) {
            Some(Target::Matching { filter, .. }) => Some(&**filter),
            Some(Target::Key(_) | Target::Entry(_)) | None => None,
        };
        let filters: Vec<&Filter> = self.verdicts.iter().filter_map(filter).collect();
        match filters.as_slice() {
            [only] => only,
            _ => panic!("{} verdicts are about every match, expected one: {:?}", filters.len(), self.lines()),
        }
    }

    /// Returns the text of the reply to a message. Empty for other calls.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn check(declared: &Declared, host: &Host, verdict: &Verdict, entries: usize) -> Result<(), String> {
    let kind = verdict.kind();
    if !declared.wants.contains(&kind) {
        return Err(format!("WANTS does not list {}", kind.name()));
    }
    if !declared.needs.contains(&kind) {
        return Err(format!("the needs of its subscription do not list {}", kind.name()));
    }
    if let Some(Target::Matching { filter, .. }) = verdict.target()
        && let Some(set) = filter.sets().iter().find(|set| !host.sets.contains_key(*set))
    {
        return Err(format!("there is no set {set}"));
    }
    match (verdict.target(), verdict.action()) {
        (Some(Target::Entry(index)), _) if usize::try_from(*index).is_ok_and(|index| index >= entries) => {
            return Err(format!("the batch has {entries} entries"));
        }
        (
            None,
            Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels { .. }
            | Action::Timeout(_)
            | Action::Protect(_),
        ) => {
            return Err("it names no flow; name one with on()".to_owned());
        }
        (
            None | Some(_),
            Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels { .. }
            | Action::Timeout(_)
            | Action::Alert(_)
            | Action::Log(_)
            | Action::Block(_)
            | Action::Unblock { .. }
            | Action::Protect(_)
            | Action::Sweep,
        ) => {}
    }
    let code = verdict.code();
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!("the code \"{code}\" is empty or has characters other than letters, digits and -"));
    }
    if let Action::Alert(alert) = verdict.action()
        && (alert.title.is_empty() || alert.title.contains('\n') || alert.severity > Severity::Debug)
    {
        return Err("an alert needs a title of one line and a severity up to debug".to_owned());
    }
    Ok(())
}
