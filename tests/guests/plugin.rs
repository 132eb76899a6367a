//! What the guests of the tests share: the bindings of line 0.1 and a plugin that behaves.
//!
//! Each of them is that plugin with one thing gone wrong, and only when it is provoked, so that a test can see it work
//! before and the others work on afterwards. It is a file and not a crate because everything in this folder that is a
//! crate is a guest.

#![allow(dead_code, unused_imports, reason = "each guest uses its own part of it")]

/// What wit-bindgen makes of the WIT.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/v0.1", world: "ctwarden:policy/plugin" });
}

pub(crate) use bindings::ctwarden::policy::types::{Filter, Flow};
pub(crate) use bindings::exports::ctwarden::policy::policy::{
    Action, Batch, Descriptor, Guest, Kinds, Reach, Reply, Selection, Subscription, Target, Verdict, VerdictKinds,
};

/// A flow to this port provokes.
pub(crate) const PROVOCATION: u16 = 6666;

/// A plugin that writes a record of each flow and answers each message with it, until it is provoked: by a flow to port
/// [`PROVOCATION`] or by the message `provoke`.
pub(crate) trait Provoked {
    /// What it does then.
    fn misbehave() -> Vec<Verdict>;

    /// Its configuration.
    fn configure(_configuration: &str) -> Result<Subscription, String> {
        Ok(everything())
    }

    /// Who it is.
    fn describe() -> Descriptor {
        descriptor()
    }
}

impl<T: Provoked> Guest for T {
    fn describe() -> Descriptor {
        T::describe()
    }

    fn configure(_now: u64, configuration: String) -> Result<Subscription, String> {
        <T as Provoked>::configure(&configuration)
    }

    fn judge(batch: Batch) -> Vec<Verdict> {
        if batch.flows.iter().any(|flow| flow.original.dst_port == PROVOCATION) {
            return T::misbehave();
        }
        (0..).zip(&batch.flows).map(|(index, _)| seen(Target::Entry(index))).collect()
    }

    fn tick(_now: u64) -> Vec<Verdict> {
        Vec::new()
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        let verdicts = if text == "provoke" { T::misbehave() } else { Vec::new() };
        Ok(Reply { text, verdicts })
    }

    fn stop() {}
}

/// The crate's own name and version, wanting every kind of verdict.
pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "a guest of the tests".to_owned(),
        configuration_schema: String::new(),
        wants: VerdictKinds::all(),
    }
}

/// Every event and row, nothing by time, and no kind of verdict but records.
pub(crate) fn everything() -> Subscription {
    Subscription {
        needs: VerdictKinds::LOG,
        reach: Reach { mark_bits: 0, label_bits: Vec::new(), block_sets: Vec::new(), read_sets: Vec::new() },
        kinds: Kinds::all(),
        filters: Vec::new(),
        sweep_every: 0,
        tick_every: 0,
        own_changes: false,
        sets: Vec::new(),
        selects: false,
    }
}

/// A filter that holds for every flow.
pub(crate) fn any_flow() -> Filter {
    Filter {
        family: None,
        protocols: Vec::new(),
        zones: Vec::new(),
        original_src: Vec::new(),
        original_dst: Vec::new(),
        reply_src: Vec::new(),
        reply_dst: Vec::new(),
        either: Vec::new(),
        sets: Vec::new(),
        src_ports: Vec::new(),
        dst_ports: Vec::new(),
        reply_src_ports: Vec::new(),
        reply_dst_ports: Vec::new(),
        states: Vec::new(),
        mark: None,
        status: None,
        timeout: None,
        labels: Vec::new(),
    }
}

/// A record without fields.
pub(crate) fn seen(target: Target) -> Verdict {
    verdict(target, Action::Log(Vec::new()), "seen")
}

/// A verdict without a reason.
pub(crate) fn verdict(target: Target, action: Action, code: &str) -> Verdict {
    Verdict { target, action, code: code.to_owned(), reason: String::new() }
}

/// Makes the type what the component exports; natively, where these crates are only checked, it does nothing.
macro_rules! export_plugin {
    ($plugin:ident) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the entry points of the canonical ABI, as wit-bindgen generates them")]
        mod exported {
            crate::plugin::bindings::export!(Exported with_types_in crate::plugin::bindings);
            use crate::$plugin as Exported;
        }
    };
}

pub(crate) use export_plugin;
