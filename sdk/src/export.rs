//! Makes a component of a policy: the life of an instance, and the macro that exports its functions.

use std::cell::RefCell;

use crate::bindings::exports::ctwarden::conntrack::{
    expectations as wit_expectations, outcomes as wit_outcomes, policy as wit,
};
use crate::expectation::ExpectationBatch;
use crate::outcome::ReportBatch;
use crate::{
    Batch, Configuration, Expectations, Extent, Outcomes, Policy, Refusal, Reply, SetChange, Timestamp, VerdictKind,
    Verdicts,
};

/// The one policy of a component: none until it is configured. A call before that is answered with no verdicts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Instance<P>(RefCell<Option<P>>);

impl<P: Policy> Instance<P> {
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    #[must_use]
    pub fn describe(name: &str, version: &str, summary: &str) -> wit::Descriptor {
        wit::Descriptor {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            configuration_schema: P::Config::schema(),
            wants: VerdictKind::flags(P::WANTS),
            codes: P::CODES.iter().map(Into::into).collect(),
        }
    }

    pub fn configure(&self, now: u64, json: &str) -> Result<wit::Subscription, String> {
        let policy = P::Config::read(json).and_then(|config| P::configure(config, Timestamp(now)))?;
        let subscription = policy.subscription().into_wit(P::WANTS)?;
        if let Ok(mut place) = self.0.try_borrow_mut() {
            *place = Some(policy);
        }
        Ok(subscription)
    }

    #[must_use]
    pub fn judge(&self, batch: wit::Batch) -> Vec<wit::Verdict> {
        self.run(|policy| judge(policy, batch))
    }

    #[must_use]
    pub fn tick(&self, now: u64) -> Vec<wit::Verdict> {
        self.run(|policy| policy.tick(Timestamp(now)))
    }

    pub fn message(&self, now: u64, text: &str) -> Result<wit::Reply, String> {
        match self.0.try_borrow_mut().ok().as_deref_mut() {
            Some(Some(policy)) => Ok(message(policy, text, Timestamp(now))?.into()),
            Some(None) | None => Err("the plugin is not configured".to_owned()),
        }
    }

    pub fn stop(&self) {
        if let Ok(mut place) = self.0.try_borrow_mut()
            && let Some(mut policy) = place.take()
        {
            policy.stop();
        }
    }

    fn run(&self, call: impl FnOnce(&mut P) -> Verdicts) -> Vec<wit::Verdict> {
        match self.0.try_borrow_mut().ok().as_deref_mut() {
            Some(Some(policy)) => call(policy).into_iter().map(Into::into).collect(),
            Some(None) | None => Vec::new(),
        }
    }
}

impl<P: Expectations> Instance<P> {
    #[must_use]
    pub fn judge_expectations(&self, batch: wit_expectations::ExpectationBatch) -> Vec<wit::Verdict> {
        self.run(|policy| policy.expectations(&ExpectationBatch::from_wit(batch)))
    }
}

impl<P: Outcomes> Instance<P> {
    #[must_use]
    pub fn concluded(&self, batch: wit_outcomes::ReportBatch) -> Vec<wit::Verdict> {
        self.run(|policy| policy.reports(&ReportBatch::from_wit(batch)))
    }
}

impl<P: Policy> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the daemon accepts the name: 1 to 64 ASCII letters, digits or `-`, beginning with a letter.
const fn is_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    let mut first = true;
    while let [byte, behind @ ..] = rest {
        let inside = byte.is_ascii_digit() || *byte == b'-';
        if !(byte.is_ascii_alphabetic() || inside && !first) {
            return false;
        }
        (rest, first) = (behind, false);
    }
    !name.is_empty() && name.len() <= 64
}

/// Whether the text has at most this many bytes on one line, as the daemon demands of texts for people.
pub(crate) const fn is_one_line(text: &str, bytes: usize) -> bool {
    let (mut rest, mut before) = (text.as_bytes(), 0);
    while let [byte, behind @ ..] = rest {
        // U+0080 to U+009F are control characters too. In UTF-8 they are 0xc2 and a byte up to 0x9f.
        if byte.is_ascii_control() || before == 0xc2 && *byte <= 0x9f {
            return false;
        }
        (rest, before) = (behind, *byte);
    }
    text.len() <= bytes
}

/// Fails the build of a component that the daemon would refuse.
///
/// ```compile_fail
/// const _: () = ctwarden_sdk::__check_crate("a_policy", "1.0.0", "");
/// ```
///
/// ```
/// const _: () = ctwarden_sdk::__check_crate("a-policy", "1.0.0", "");
/// ```
#[doc(hidden)]
pub const fn check_crate(name: &str, version: &str, summary: &str) {
    assert!(
        is_name(name),
        "the crate's name is the plugin's: use 1 to 64 letters, digits or - and no underscore, beginning with a letter; change \
         name in Cargo.toml"
    );
    assert!(
        version.len() <= 64,
        "the crate's version is the plugin's: use at most 64 bytes; change version in Cargo.toml"
    );
    assert!(
        is_one_line(summary, 256),
        "the crate's description is the plugin's summary: use at most 256 bytes on one line; change description in Cargo.toml"
    );
}

/// Makes one call of `judge`: first reports lost events, then the begin of a sweep, then judges the flows, then reports
/// the end of a sweep or changed sets.
pub(crate) fn judge<P: Policy>(policy: &mut P, batch: wit::Batch) -> Verdicts {
    let now = Timestamp(batch.now);
    let mut verdicts = Verdicts::none();
    if batch.cause == wit::Cause::Overrun || batch.missed > 0 {
        verdicts.extend(policy.overrun(batch.missed, now));
    }
    if let wit::Cause::SweepBegin(extent) = batch.cause {
        let extent = match extent {
            wit::Extent::Subscribed => Extent::Subscribed,
            wit::Extent::Asked => Extent::Asked,
        };
        verdicts.extend(policy.sweep_begin(extent, now));
    }
    if !batch.flows.is_empty() {
        let rows = batch.cause != wit::Cause::Events;
        verdicts.extend(policy.batch(&Batch::new(rows, now, batch.flows)));
    }
    match batch.cause {
        wit::Cause::Events | wit::Cause::SweepBegin(_) | wit::Cause::SweepRows | wit::Cause::Overrun => {}
        wit::Cause::SweepComplete => verdicts.extend(policy.sweep_end(true, now)),
        wit::Cause::SweepInterrupted => verdicts.extend(policy.sweep_end(false, now)),
        wit::Cause::SetsChanged(changes) => {
            let changes: Vec<SetChange> = changes.into_iter().map(Into::into).collect();
            verdicts.extend(policy.sets_changed(&changes, now));
        }
    }
    verdicts
}

pub(crate) fn message<P: Policy>(policy: &mut P, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
    policy.message(text, now)
}

/// Makes a component of the crate, with this type as its policy. Name, version and summary of the plugin are those of
/// the crate (`name`, `version` and `description` in Cargo.toml). A crate with an underscore in its name does not
/// build, because the name of a plugin has no underscore.
///
/// `export!(MyPolicy with expectations)` also exports the optional [`Expectations`] interface,
/// `export!(MyPolicy with outcomes)` exports [`Outcomes`], and `export!(MyPolicy with expectations, outcomes)` both.
///
/// A native build exports nothing, so that the crate can be tested like any other: `crate-type = ["cdylib", "rlib"]`.
#[macro_export]
macro_rules! export {
    ($policy:ident with expectations, outcomes) => {
        const _: () = {
            $crate::__plugin!($policy);
            $crate::__expectations!();
            $crate::__outcomes!();
        };
    };
    ($policy:ident with expectations) => {
        const _: () = {
            $crate::__plugin!($policy);
            $crate::__expectations!();
        };
    };
    ($policy:ident with outcomes) => {
        const _: () = {
            $crate::__plugin!($policy);
            $crate::__outcomes!();
        };
    };
    ($policy:ty) => {
        const _: () = {
            $crate::__plugin!($policy);
        };
    };
}

/// Exports expectations.
#[doc(hidden)]
#[macro_export]
macro_rules! __expectations {
    () => {
        impl $crate::bindings::exports::ctwarden::conntrack::expectations::Guest for Plugin {
            fn judge_expectations(
                batch: $crate::bindings::exports::ctwarden::conntrack::expectations::ExpectationBatch,
            ) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::conntrack::policy::Verdict> {
                INSTANCE.with(|instance| instance.judge_expectations(batch))
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::exports::ctwarden::conntrack::expectations::__export_ctwarden_conntrack_expectations_0_1_0_cabi!(
            Plugin with_types_in $crate::bindings::exports::ctwarden::conntrack::expectations
        );

        #[cfg(target_family = "wasm")]
        const _: () = {
            #[allow(dead_code, reason = "the linker puts it into the component")]
            #[unsafe(link_section = "component-type:ctwarden-sdk:plugin-with-expectations")]
            static DESCRIPTION: [u8; $crate::bindings::EXPECTATIONS.len()] =
                $crate::bindings::section($crate::bindings::EXPECTATIONS);
        };
    };
}

/// Exports outcomes.
#[doc(hidden)]
#[macro_export]
macro_rules! __outcomes {
    () => {
        impl $crate::bindings::exports::ctwarden::conntrack::outcomes::Guest for Plugin {
            fn concluded(
                batch: $crate::bindings::exports::ctwarden::conntrack::outcomes::ReportBatch,
            ) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::conntrack::policy::Verdict> {
                INSTANCE.with(|instance| instance.concluded(batch))
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::exports::ctwarden::conntrack::outcomes::__export_ctwarden_conntrack_outcomes_0_1_0_cabi!(
            Plugin with_types_in $crate::bindings::exports::ctwarden::conntrack::outcomes
        );

        #[cfg(target_family = "wasm")]
        const _: () = {
            #[allow(dead_code, reason = "the linker puts it into the component")]
            #[unsafe(link_section = "component-type:ctwarden-sdk:plugin-with-outcomes")]
            static DESCRIPTION: [u8; $crate::bindings::OUTCOMES.len()] =
                $crate::bindings::section($crate::bindings::OUTCOMES);
        };
    };
}

/// The part that all forms of [`export!`] share.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin {
    ($policy:ty) => {
        ::std::thread_local! {
            static INSTANCE: $crate::__Instance<$policy> = const { $crate::__Instance::new() };
        }

        const _: () = $crate::__check_crate(
            ::std::env!("CARGO_PKG_NAME"),
            ::std::env!("CARGO_PKG_VERSION"),
            ::std::env!("CARGO_PKG_DESCRIPTION"),
        );

        const _: () = $crate::__check_codes(<$policy as $crate::Policy>::CODES);

        struct Plugin;

        impl $crate::bindings::exports::ctwarden::conntrack::policy::Guest for Plugin {
            fn describe() -> $crate::bindings::exports::ctwarden::conntrack::policy::Descriptor {
                $crate::__Instance::<$policy>::describe(
                    ::std::env!("CARGO_PKG_NAME"),
                    ::std::env!("CARGO_PKG_VERSION"),
                    ::std::env!("CARGO_PKG_DESCRIPTION"),
                )
            }

            fn configure(
                now: u64,
                configuration: ::std::string::String,
            ) -> ::std::result::Result<
                $crate::bindings::exports::ctwarden::conntrack::policy::Subscription,
                ::std::string::String,
            > {
                INSTANCE.with(|instance| instance.configure(now, &configuration))
            }

            fn judge(
                batch: $crate::bindings::exports::ctwarden::conntrack::policy::Batch,
            ) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::conntrack::policy::Verdict> {
                INSTANCE.with(|instance| instance.judge(batch))
            }

            fn tick(now: u64) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::conntrack::policy::Verdict> {
                INSTANCE.with(|instance| instance.tick(now))
            }

            fn message(
                now: u64,
                text: ::std::string::String,
            ) -> ::std::result::Result<
                $crate::bindings::exports::ctwarden::conntrack::policy::Reply,
                ::std::string::String,
            > {
                INSTANCE.with(|instance| instance.message(now, &text))
            }

            fn stop() {
                INSTANCE.with(|instance| instance.stop());
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::exports::ctwarden::conntrack::policy::__export_ctwarden_conntrack_policy_0_1_0_cabi!(
            Plugin with_types_in $crate::bindings::exports::ctwarden::conntrack::policy
        );

        // A native build exports nothing. This line keeps the compiler from calling the policy dead code.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = <Plugin as $crate::bindings::exports::ctwarden::conntrack::policy::Guest>::stop;
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectation::Expectation;
    use crate::outcome::{Outcome, Report};
    use crate::testing::flow;
    use crate::{Flow, Kind, Nothing, ReasonCode, Subscription, alert, delete, reply, sweep};

    /// Answers each call with the name of the call.
    struct Echo;

    impl Policy for Echo {
        type Config = Nothing;
        const WANTS: &[VerdictKind] = &[VerdictKind::Delete, VerdictKind::Alert, VerdictKind::Sweep];
        const CODES: &[ReasonCode] = &[ReasonCode::new("word", "The policy says a word.")];

        fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
            Ok(Self)
        }

        fn subscription(&self) -> Subscription {
            Subscription::to(&[Kind::Update]).set("list")
        }

        fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
            Verdicts::from(delete()).and(alert("word").because("word", format!("{}", flow.index()))).and(sweep())
        }

        fn sweep_begin(&mut self, extent: Extent, _: Timestamp) -> Verdicts {
            alert(format!("begin {extent:?}")).into()
        }

        fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
            alert(if complete { "complete" } else { "interrupted" }).into()
        }

        fn overrun(&mut self, missed: u64, _: Timestamp) -> Verdicts {
            alert(format!("overrun {missed}")).into()
        }

        fn tick(&mut self, now: Timestamp) -> Verdicts {
            alert(now.0.to_string()).into()
        }

        fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
            if text.is_empty() { Err("say something".into()) } else { Ok(reply(text).with(sweep())) }
        }
    }

    impl Expectations for Echo {
        fn judge_expectation(&mut self, expectation: &Expectation) -> Verdicts {
            if expectation.helper() == Some("ftp") { delete().into() } else { Verdicts::none() }
        }
    }

    fn batch(cause: wit::Cause, missed: u64, flows: usize) -> wit::Batch {
        wit::Batch { cause, now: 1, missed, flows: (0..flows).map(|_| flow().record()).collect() }
    }

    fn titles(verdicts: Vec<wit::Verdict>) -> Vec<String> {
        let title = |verdict: wit::Verdict| {
            if let wit::Action::Alert(alert) = verdict.action {
                return alert.title;
            }
            format!("{:?} {:?}", verdict.action, verdict.target)
        };
        verdicts.into_iter().map(title).collect()
    }

    fn configured() -> Instance<Echo> {
        let instance = Instance::new();
        instance.configure(0, "{}").unwrap();
        instance
    }

    #[test]
    fn each_cause_finds_its_method() {
        let instance = configured();
        let judge = |cause, missed, flows| titles(instance.judge(batch(cause, missed, flows)));
        assert_eq!(judge(wit::Cause::SweepBegin(wit::Extent::Subscribed), 0, 0), ["begin Subscribed"]);
        assert_eq!(judge(wit::Cause::SweepBegin(wit::Extent::Asked), 0, 0), ["begin Asked"]);
        assert_eq!(judge(wit::Cause::SweepComplete, 0, 0), ["complete"]);
        assert_eq!(judge(wit::Cause::SweepInterrupted, 0, 0), ["interrupted"]);
        assert_eq!(judge(wit::Cause::Overrun, 0, 0), ["overrun 0"]);
        assert_eq!(
            judge(wit::Cause::SetsChanged(vec![wit::SetChange { set: "list".into(), added: None }]), 0, 0),
            ["Action::Sweep Target::None"]
        );
        let rows = ["overrun 7", "Action::Delete Target::Entry(0)", "word", "Action::Sweep Target::None"];
        assert_eq!(judge(wit::Cause::SweepRows, 7, 1), rows);
        assert_eq!(judge(wit::Cause::Events, 0, 0), [""; 0]);
        assert_eq!(titles(instance.tick(9)), ["9"]);
    }

    #[test]
    fn a_verdict_finds_back_to_its_entry() {
        let verdicts = configured().judge(batch(wit::Cause::Events, 0, 3));
        let words: Vec<_> = verdicts.iter().filter(|verdict| verdict.code == "word").collect();
        assert_eq!(words.len(), 3);
        for (index, verdict) in (0..).zip(words) {
            assert_eq!(verdict.target, wit::Target::Entry(index));
            assert_eq!(verdict.reason, index.to_string());
        }
    }

    #[test]
    fn the_descriptor_says_who_and_what() {
        let descriptor = Instance::<Echo>::describe("echo", "1.2.3", "Answers");
        assert_eq!((descriptor.name.as_str(), descriptor.version.as_str()), ("echo", "1.2.3"));
        assert_eq!((descriptor.summary.as_str(), descriptor.configuration_schema.as_str()), ("Answers", ""));
        let wants = wit::VerdictKinds::DELETE | wit::VerdictKinds::ALERT | wit::VerdictKinds::SWEEP;
        assert_eq!(descriptor.wants, wants);
        let word = wit::ReasonCode { code: "word".to_owned(), meaning: "The policy says a word.".to_owned() };
        assert_eq!(descriptor.codes, [word]);
        let subscription = Instance::<Echo>::new().configure(0, "").unwrap();
        assert_eq!((subscription.kinds, subscription.sets), (wit::Kinds::UPDATE, vec!["list".to_owned()]));
    }

    #[test]
    fn what_the_daemon_does_not_take_is_not_built() {
        for name in ["a", "ban-follower", "B2", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a_policy", "_a", "-a", "9lives", "a b", "ä", "a.b", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
        for summary in ["", "Ends flows of banned addresses.", "für alle", &"x".repeat(256)] {
            assert!(is_one_line(summary, 256), "{summary}");
        }
        for summary in ["two\nlines", "a\tb", "\u{9b}", "\u{7f}", &"x".repeat(257)] {
            assert!(!is_one_line(summary, 256), "{summary}");
        }
    }

    #[test]
    fn a_message_is_answered_or_refused() {
        let instance = configured();
        assert_eq!(
            instance.message(0, "hello").map(|reply| (reply.text, reply.verdicts.len())),
            Ok(("hello".into(), 1))
        );
        assert_eq!(instance.message(0, "").unwrap_err(), "say something");
    }

    #[test]
    fn a_call_too_early_or_too_late_is_answered_with_nothing() {
        let instance = Instance::<Echo>::new();
        for _ in 0..2 {
            assert_eq!(instance.judge(batch(wit::Cause::Events, 1, 1)), []);
            assert_eq!(instance.tick(1), []);
            assert_eq!(instance.message(0, "hello").unwrap_err(), "the plugin is not configured");
            instance.configure(0, "{}").unwrap();
            instance.stop();
            instance.stop();
        }
        let refused = instance.configure(0, "{\"colour\": 1}").unwrap_err();
        assert!(refused.starts_with("unknown field `colour`"), "{refused}");
    }

    #[test]
    fn expectations_are_judged() {
        let endpoints = flow().record().original;
        let tuple = crate::bindings::ctwarden::conntrack::types::FlowTuple { protocol: 6, endpoints };
        let expectation = |helper: &str| wit_expectations::Expectation {
            kind: crate::bindings::ctwarden::conntrack::types::Kind::New,
            id: 1,
            zone: 0,
            by_us: false,
            master: tuple,
            expected: tuple,
            mask: endpoints,
            timeout: None,
            flags: None,
            class: None,
            helper: Some(helper.to_owned()),
        };
        let batch = wit_expectations::ExpectationBatch {
            cause: wit::Cause::Events,
            now: 1,
            missed: 0,
            expectations: vec![expectation("sip"), expectation("ftp")],
        };
        assert_eq!(titles(configured().judge_expectations(batch)), ["Action::Delete Target::Entry(1)"]);
    }

    impl Outcomes for Echo {
        fn concluded(&mut self, report: &Report, _: Timestamp) -> Verdicts {
            alert(format!("{} {:?}", report.kind(), report.outcome())).into()
        }
    }

    #[test]
    fn reports_find_their_method() {
        let report = |kind: &str, outcome| wit_outcomes::Report {
            kind: kind.to_owned(),
            code: "word".to_owned(),
            flow: None,
            network: None,
            outcome,
            flows: vec![(wit_outcomes::Outcome::Applied, 2), (wit_outcomes::Outcome::Gone, 1)],
            detail: String::new(),
        };
        let reports =
            vec![report("delete", wit_outcomes::Outcome::Applied), report("mark", wit_outcomes::Outcome::Gone)];
        let heard = Report::from(reports[0].clone());
        assert_eq!((heard.flows(Outcome::Applied), heard.flows(Outcome::Refused)), (2, 0));
        let batch = wit_outcomes::ReportBatch { now: 1, missed: 0, reports };
        assert_eq!(titles(configured().concluded(batch)), ["delete Applied", "mark Gone"]);
    }

    crate::export!(Echo with expectations, outcomes);
}
