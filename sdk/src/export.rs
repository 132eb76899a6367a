//! From a policy to a component: the life of an instance, and the macro that gives it its exports.

use std::cell::RefCell;

use crate::bindings::exports::ctwarden::policy::{expectations as wit_expectations, policy as wit};
use crate::expectation::ExpectationBatch;
use crate::{Batch, Configuration, Expectations, Policy, Refusal, Reply, Timestamp, VerdictKind, Verdicts};

/// The one policy of a component: nothing until it is configured. A call that comes too early is answered with nothing.
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
        }
    }

    pub fn configure(&self, json: &str) -> Result<wit::Subscription, String> {
        let policy = P::Config::read(json).and_then(P::configure)?;
        let subscription = policy.subscription().into();
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

impl<P: Policy> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// One call of `judge`: what was missed, then the flows, then what the cause says.
pub(crate) fn judge<P: Policy>(policy: &mut P, batch: wit::Batch) -> Verdicts {
    let now = Timestamp(batch.now);
    let mut verdicts = Verdicts::none();
    if batch.cause == wit::Cause::Gap || batch.missed > 0 {
        verdicts.extend(policy.gap(batch.missed, now));
    }
    if batch.cause == wit::Cause::SweepBegin {
        verdicts.extend(policy.sweep_begin(now));
    }
    if !batch.flows.is_empty() {
        let rows = batch.cause != wit::Cause::Events;
        verdicts.extend(policy.batch(&Batch::new(rows, now, batch.flows)));
    }
    match batch.cause {
        wit::Cause::Events | wit::Cause::SweepBegin | wit::Cause::SweepRows | wit::Cause::Gap => {}
        wit::Cause::SweepComplete => verdicts.extend(policy.sweep_end(true, now)),
        wit::Cause::SweepInterrupted => verdicts.extend(policy.sweep_end(false, now)),
        wit::Cause::SetChanged => verdicts.extend(policy.set_changed(now)),
    }
    verdicts
}

/// One call of `message`.
pub(crate) fn message<P: Policy>(policy: &mut P, text: &str, now: Timestamp) -> Result<Reply, Refusal> {
    policy.message(text, now)
}

/// Makes a component of the crate, with this type as its policy. Name, version and summary of the plugin are those of the
/// crate (`name`, `version` and `description` in Cargo.toml).
///
/// `export!(MyPolicy with expectations)` also exports the optional [`Expectations`] interface.
///
/// Natively it exports nothing, so that the crate can be tested like any other: `crate-type = ["cdylib", "rlib"]`.
#[macro_export]
macro_rules! export {
    ($policy:ident with expectations) => {
        const _: () = {
            $crate::__plugin!($policy);

            impl $crate::bindings::exports::ctwarden::policy::expectations::Guest for Plugin {
                fn judge_expectations(
                    batch: $crate::bindings::exports::ctwarden::policy::expectations::ExpectationBatch,
                ) -> Vec<$crate::bindings::exports::ctwarden::policy::policy::Verdict> {
                    INSTANCE.with(|instance| instance.judge_expectations(batch))
                }
            }

            #[cfg(target_family = "wasm")]
    $crate::bindings::export_with_expectations!(Plugin with_types_in $crate::bindings);
        };
    };
    ($policy:ty) => {
        const _: () = {
            $crate::__plugin!($policy);

            #[cfg(target_family = "wasm")]
            $crate::bindings::exports::ctwarden::policy::policy::__export_ctwarden_policy_policy_0_1_0_cabi!(
                Plugin with_types_in $crate::bindings::exports::ctwarden::policy::policy
            );
        };
    };
}

/// The part that both forms of [`export!`] share.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin {
    ($policy:ty) => {
        ::std::thread_local! {
            static INSTANCE: $crate::__Instance<$policy> = const { $crate::__Instance::new() };
        }

        struct Plugin;

        impl $crate::bindings::exports::ctwarden::policy::policy::Guest for Plugin {
            fn describe() -> $crate::bindings::exports::ctwarden::policy::policy::Descriptor {
                $crate::__Instance::<$policy>::describe(
                    ::std::env!("CARGO_PKG_NAME"),
                    ::std::env!("CARGO_PKG_VERSION"),
                    ::std::env!("CARGO_PKG_DESCRIPTION"),
                )
            }

            fn configure(
                configuration: ::std::string::String,
            ) -> ::std::result::Result<
                $crate::bindings::exports::ctwarden::policy::policy::Subscription,
                ::std::string::String,
            > {
                INSTANCE.with(|instance| instance.configure(&configuration))
            }

            fn judge(
                batch: $crate::bindings::exports::ctwarden::policy::policy::Batch,
            ) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::policy::policy::Verdict> {
                INSTANCE.with(|instance| instance.judge(batch))
            }

            fn tick(now: u64) -> ::std::vec::Vec<$crate::bindings::exports::ctwarden::policy::policy::Verdict> {
                INSTANCE.with(|instance| instance.tick(now))
            }

            fn message(
                now: u64,
                text: ::std::string::String,
            ) -> ::std::result::Result<
                $crate::bindings::exports::ctwarden::policy::policy::Reply,
                ::std::string::String,
            > {
                INSTANCE.with(|instance| instance.message(now, &text))
            }

            fn stop() {
                INSTANCE.with(|instance| instance.stop());
            }
        }
    };
}
