//! The work of the pure parts for one entry, as bodies of benchmarks.
//!
//! The times (`cargo bench -p ctwarden-counts`) and the counted instructions (`cargo xtask counts`) use the same list
//! of bodies. They therefore always measure the same work. The inputs are the same in each run and on each machine.

mod counters;
mod decode;
mod encode;
mod engine;
mod flows;
mod matching;
mod numbers;
mod print;
mod read;
mod replica;

use anyhow::Result;

/// One piece of work of the pure parts.
#[derive(Debug)]
pub struct Body {
    /// The name of the body in figures and files.
    pub name: &'static str,
    /// A description of one operation.
    pub operation: &'static str,
    prepare: fn() -> Result<Prepared>,
}

/// A body whose inputs are ready.
pub struct Prepared {
    operations: usize,
    round: Box<dyn FnMut() -> usize>,
}

impl Body {
    /// Makes the inputs.
    ///
    /// # Errors
    /// If the inputs cannot be made, which is a defect of the body.
    pub fn prepare(&self) -> Result<Prepared> {
        (self.prepare)()
    }
}

impl Prepared {
    /// Each call of `round` does this number of operations, and returns the number of operations with the right result.
    fn new(operations: usize, round: impl FnMut() -> usize + 'static) -> Result<Self> {
        Ok(Self { operations, round: Box::new(round) })
    }

    /// The number of operations in a round.
    #[must_use]
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// Does a round and returns the number of operations with the right result. Figures are only valid if all are
    /// right.
    pub fn round(&mut self) -> usize {
        (self.round)()
    }
}

pub const BODIES: &[Body] = &[
    Body { name: "decode-view", operation: "a row: id, mark, status, timeout", prepare: decode::view },
    Body { name: "decode-row", operation: "a row, as a value", prepare: decode::rows },
    Body { name: "encode-delete", operation: "a request with tuple, zone and id", prepare: encode::delete },
    Body { name: "encode-mark", operation: "a request that changes a mark", prepare: encode::mark },
    Body { name: "encode-dump", operation: "a filter, as a request for a dump", prepare: encode::dump },
    Body { name: "event-program", operation: "four filters, as a BPF program", prepare: encode::event_program },
    Body { name: "match-filters", operation: "a flow against eight filters", prepare: matching::filters },
    Body { name: "match-networks", operation: "a flow against 10,000 networks", prepare: matching::networks },
    Body { name: "replica-flow", operation: "NEW and DESTROY of a flow among 100,000", prepare: replica::flow },
    Body { name: "replica-update", operation: "UPDATE of one of 100,000 flows", prepare: replica::update },
    Body { name: "replica-address", operation: "all of one address among 100,000", prepare: replica::address },
    Body { name: "replica-scan", operation: "a flow, where all are asked for a port", prepare: replica::scan },
    Body { name: "replica-sweep", operation: "a row of a sweep of 100,000", prepare: replica::sweep },
    Body { name: "counter-add", operation: "an amount for one of 100,000 addresses", prepare: counters::add },
    Body {
        name: "counter-distinct",
        operation: "a known value of one of 100,000 addresses",
        prepare: counters::distinct,
    },
    Body { name: "counter-flood", operation: "a new address that evicts another", prepare: counters::flood },
    Body { name: "engine-event", operation: "an event, one plugin, no verdict", prepare: engine::event },
    Body { name: "engine-verdicts", operation: "an event that three plugins mark", prepare: engine::verdicts },
    Body { name: "engine-row", operation: "a row, three plugins, every tenth marked", prepare: engine::row },
    Body { name: "print-text", operation: "a row as text", prepare: print::text },
    Body { name: "print-xml", operation: "a row as XML", prepare: print::xml },
    Body { name: "print-save", operation: "a row as a command line", prepare: print::save },
    Body { name: "print-json", operation: "a row as JSON", prepare: print::json },
    Body { name: "read-text", operation: "a line of text", prepare: read::text },
    Body { name: "read-json", operation: "a line of JSON", prepare: read::json },
];
