//! `-L`: the entries of a table, as they come from the kernel.
//!
//! Nothing is kept: an entry is decoded, matched and printed where it lies in the read buffer, so that the largest table
//! needs no more memory than the smallest.

use ctwarden_format::{Occasion, xml};
use ctwarden_model::{EventKind, Family, Filter, Flow};
use ctwarden_wire::{Content, KernelFilter, request};

use super::failure::Failure;
use super::kernel::Kernel;
use super::output::Output;
use super::printer::Printer;

/// Which list of flows the kernel is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The table.
    Table,
    /// The table, and its counters begin anew.
    TableAndZero,
    /// Dead entries whose end could not be told to everybody who listens.
    Dying,
    /// Entries of packets that are still on their way.
    Unconfirmed,
}

/// Prints the flows that match. Gives how many.
pub(super) fn flows(
    output: &mut Output,
    printer: &mut Printer<'_>,
    source: Source,
    filter: &Filter,
) -> Result<u64, Failure> {
    let mut shown = 0;
    let outcome = each_flow(source, filter, |flow| {
        printer.flow(output.text(), flow, &Occasion::ROW);
        shown += 1;
        output.drain_if_full()
    });
    printer.close(output.text(), xml::Table::Conntrack);
    output.drain()?;
    outcome.map(|()| shown)
}

/// Hands over every flow that matches. The kernel leaves out what it can; what it cannot judge is judged here.
pub(super) fn each_flow(
    source: Source,
    filter: &Filter,
    mut each: impl FnMut(&Flow) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut kernel = Kernel::open()?;
    let everything = *filter == Filter::default();
    let asked = KernelFilter::of(filter);
    kernel.dump(
        |buffer, sequence| match source {
            Source::Table => request::dump(buffer, sequence, &asked),
            Source::TableAndZero => request::dump_and_zero(buffer, sequence, &asked),
            Source::Dying => request::dump_dying(buffer, sequence, filter.family),
            Source::Unconfirmed => request::dump_unconfirmed(buffer, sequence, filter.family),
        },
        |content| {
            let Content::Conntrack(entry) = content else { return Ok(()) };
            // An entry without a readable tuple names no flow.
            let Ok(flow) = entry.flow.to_flow() else { return Ok(()) };
            if everything || filter.matches(&flow) { each(&flow) } else { Ok(()) }
        },
    )
}

/// Prints the expectations. Gives how many.
pub(super) fn expectations(output: &mut Output, printer: &mut Printer<'_>, family: Family) -> Result<u64, Failure> {
    let mut shown = 0;
    let outcome = Kernel::open()?.dump(
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
    printer.close(output.text(), xml::Table::Expect);
    output.drain()?;
    outcome.map(|()| shown)
}
