//! `-G`: the one entry that has a tuple.

use ctwarden_format::EventContext;
use ctwarden_format::command::Get;
use ctwarden_model::{EventKind, FlowId, FlowKey, Tuple, Zone};
use ctwarden_wire::{Content, request};

use super::failure::Failure;
use super::kernel::Kernel;
use super::output::Output;
use super::printer::Printer;

/// Prints the flow. Gives how many were printed: none where it is there and does not match.
pub(super) fn flow(output: &mut Output, printer: &mut Printer<'_>, get: &Get) -> Result<u64, Failure> {
    let key = FlowKey { id: FlowId::default(), zone: Zone(0), original: get.tuple };
    let mut shown = 0;
    Kernel::open()?.ask(
        |buffer, sequence| request::get(buffer, sequence, &key),
        |content| {
            let Content::Conntrack(entry) = content else { return Ok(()) };
            let Ok(flow) = entry.flow.to_flow() else { return Ok(()) };
            if get.filter.matches(&flow) {
                shown += u64::from(printer.flow(output.text(), &flow, &EventContext::ROW));
            }
            Ok(())
        },
    )?;
    output.drain()?;
    Ok(shown)
}

/// Prints the expectation that waits for the tuple.
pub(super) fn expectation(output: &mut Output, printer: &mut Printer<'_>, tuple: &Tuple) -> Result<(), Failure> {
    Kernel::open()?.ask(
        |buffer, sequence| request::expectation::get_any(buffer, sequence, tuple),
        |content| {
            let Content::Expectation(entry) = content else { return Ok(()) };
            if let Ok(expectation) = entry.expectation.to_expectation() {
                printer.expectation(output.text(), &expectation, EventKind::Row);
            }
            Ok(())
        },
    )?;
    output.drain()
}
