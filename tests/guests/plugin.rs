//! The shared part of the test guests: the bindings of interface version 0.1 and a correct plugin.
//!
//! Most guests are this plugin with one defect, which appears only when the guest is provoked. A test can therefore see
//! the guest work first, and the others go on afterwards. This is a file and not a crate, because every crate in this
//! folder is a guest.

#![allow(dead_code, unused_imports, reason = "each guest uses its own part of it")]

/// The code that wit-bindgen generates from the WIT.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(crate) mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/v0.1", world: "ctwarden:conntrack/plugin" });
}

pub(crate) use bindings::ctwarden::conntrack::types::{Filter, Flow};
pub(crate) use bindings::exports::ctwarden::conntrack::policy::{
    Action, Batch, Descriptor, Guest, Kinds, Reach, Reply, Selection, Subscription, Target, Verdict, VerdictKinds,
};

/// A flow to this port provokes a guest.
pub(crate) const PROVOCATION: u16 = 6666;

/// A plugin that records each flow and answers each message with the message itself, until it is provoked: by a flow to
/// port [`PROVOCATION`] or by the message `provoke`.
pub(crate) trait Provoked {
    /// The misbehaviour of the provoked plugin. It may return verdicts.
    fn misbehave() -> Vec<Verdict>;

    /// Handles the configuration. Returns the subscription or a refusal.
    fn configure(_configuration: &str) -> Result<Subscription, String> {
        Ok(everything())
    }

    /// The descriptor of the plugin.
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

/// A descriptor with the crate's own name and version, which wants every kind of verdict.
pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "a guest of the tests".to_owned(),
        configuration_schema: String::new(),
        wants: VerdictKinds::all(),
        codes: Vec::new(),
    }
}

/// A subscription to every event and dump entry, without sweeps and ticks. It needs only the verdict `log`.
pub(crate) fn everything() -> Subscription {
    Subscription {
        needs: VerdictKinds::LOG,
        reach: Reach { mark_bits: 0, label_bits: Vec::new(), block_sets: Vec::new(), read_sets: Vec::new() },
        kinds: Kinds::all(),
        filters: Vec::new(),
        sweep_every: 0,
        tick_every: 0,
        own_changes: false,
        counters: Vec::new(),
        sets: Vec::new(),
        selects: false,
        codes: Vec::new(),
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

/// A `log` verdict without fields.
pub(crate) fn seen(target: Target) -> Verdict {
    verdict(target, Action::Log(Vec::new()), "seen")
}

/// A verdict without a reason.
pub(crate) fn verdict(target: Target, action: Action, code: &str) -> Verdict {
    Verdict { target, action, code: code.to_owned(), reason: String::new() }
}

/// Exports the type from the component. In a native build, which only checks these crates, it does nothing.
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
