//! `-G`: the entry that has a tuple.

use ctwarden_format::EventContext;
use ctwarden_format::command::Get;
use ctwarden_model::{EventKind, FlowId, FlowKey, Tuple, Zone};
use ctwarden_wire::{Content, request};

use super::failure::Failure;
use super::kernel;
use super::output::Output;
use super::printer::Printer;

/// Prints the flow. Returns the number of printed flows: 0 if the flow exists but does not match.
pub(super) fn flow(output: &mut Output, printer: &mut Printer<'_>, get: &Get) -> Result<u64, Failure> {
    let key = FlowKey { id: FlowId::default(), zone: Zone(0), original: get.tuple };
    let mut shown = 0;
    kernel::open()?.ask(
        |buffer, sequence| request::get(buffer, sequence, &key),
        |content| {
            if let Content::Conntrack(entry) = content
                && let Ok(flow) = entry.flow.to_flow()
                && get.filter.matches(&flow)
            {
                shown += u64::from(printer.flow(output.text(), &flow, &EventContext::ROW));
            }
        },
    )?;
    output.drain()?;
    Ok(shown)
}

/// Prints the expectation that waits for the tuple.
pub(super) fn expectation(output: &mut Output, printer: &mut Printer<'_>, tuple: &Tuple) -> Result<(), Failure> {
    kernel::open()?.ask(
        |buffer, sequence| request::expectation::get_any(buffer, sequence, tuple),
        |content| {
            if let Content::Expectation(entry) = content
                && let Ok(expectation) = entry.expectation.to_expectation()
            {
                printer.expectation(output.text(), &expectation, EventKind::Row);
            }
        },
    )?;
    output.drain()
}
