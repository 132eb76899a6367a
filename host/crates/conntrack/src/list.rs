//! `-L`: the entries of a table, as the kernel sends them.
//!
//! Each entry is decoded, matched and printed in the read buffer. Only eight bytes of it are kept, for the case that
//! the table has to be read again (`readings.rs`).

use ctwarden_format::{EventContext, xml};
use ctwarden_model::{Counters, EventKind, Family, Filter, Flow};
use ctwarden_netlink::{Reading, ResizeWatch};
use ctwarden_wire::{Content, KernelFilter, request};

use super::failure::Failure;
use super::kernel;
use super::output::Output;
use super::printer::Printer;
use super::readings;
use super::tally::Tally;

/// Which list of flows the kernel sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Table,
    /// The table; the kernel also resets its counters.
    TableAndZero,
    /// Dead entries whose end could not be sent to every listener.
    Dying,
    /// Entries of packets that are still in transit.
    Unconfirmed,
}

/// Prints the flows that match.
pub(super) fn flows(
    output: &mut Output,
    printer: &mut Printer<'_>,
    source: Source,
    filter: &Filter,
) -> Result<Tally, Failure> {
    let mut shown = 0;
    let outcome = each_flow(source, filter, |flow| {
        shown += u64::from(printer.flow(output.text(), flow, &EventContext::ROW));
        output.drain_if_full()
    });
    printer.close(output.text(), xml::DocumentTable::Conntrack);
    output.drain()?;
    outcome.map(|reading| Tally { count: shown, reading })
}

/// Passes on every matching flow once. The kernel filters as far as it can; the rest of the filter is checked here.
pub(super) fn each_flow(
    source: Source,
    filter: &Filter,
    mut each: impl FnMut(&Flow) -> Result<(), Failure>,
) -> Result<Reading, Failure> {
    let everything = *filter == Filter::default();
    let asked = KernelFilter::of(filter);
    let matching = |content: &Content<'_>| -> Option<Flow> {
        let Content::Conntrack(entry) = content else { return None };
        // An entry without a readable tuple names no flow.
        let flow = entry.flow.to_flow().ok()?;
        (everything || filter.matches(&flow)).then_some(flow)
    };
    let dump: fn(&mut Vec<u8>, u32, &KernelFilter) = match source {
        Source::Table => request::dump,
        Source::TableAndZero => request::dump_and_zero,
        Source::Dying | Source::Unconfirmed => {
            let list = if source == Source::Dying { request::dump_dying } else { request::dump_unconfirmed };
            let each = |content: &Content<'_>| matching(content).map_or(Ok(()), |flow| each(&flow));
            kernel::dump(|buffer, sequence| list(buffer, sequence, filter.family), each)?;
            return Ok(Reading::Whole);
        }
    };
    let mut kernel = kernel::open()?;
    readings::repeat(
        |hand| {
            kernel.dump(
                |buffer, sequence| dump(buffer, sequence, &asked),
                Some(ResizeWatch::begin()),
                |content, reading| matching(content).map_or(Ok(()), |flow| hand(&flow, reading)),
            )
        },
        each,
        // The first delivery of the flow reset its counters: without this, the counts since then would be lost.
        |flow| source == Source::TableAndZero && has_counted(flow),
    )
}

/// Whether a packet passed since the counters were reset.
fn has_counted(flow: &Flow) -> bool {
    [flow.counters.original, flow.counters.reply].into_iter().flatten().any(|counters| counters != Counters::default())
}

/// Prints the expectations. Returns their number.
pub(super) fn expectations(output: &mut Output, printer: &mut Printer<'_>, family: Family) -> Result<u64, Failure> {
    let mut shown = 0;
    let outcome = kernel::dump(
        |buffer, sequence| request::expectation::dump(buffer, sequence, Some(family)),
        |content| {
            let Content::Expectation(entry) = content else { return Ok(()) };
            let Ok(expectation) = entry.expectation.to_expectation() else { return Ok(()) };
            printer.look_at_the_clock();
            printer.expectation(output.text(), &expectation, EventKind::Row);
            shown += 1;
            output.drain_if_full()
        },
    );
    printer.close(output.text(), xml::DocumentTable::Expect);
    output.drain()?;
    outcome.map(|()| shown)
}
