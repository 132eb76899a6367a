//! `-U`: changes the matching flows and prints each one as it is afterwards.
//!
//! An entry that already has the requested values is skipped. Each change is followed by a lookup of the same tuple in
//! the same send, because the kernel does not compare the id in a change. Only the answer to the lookup shows whether
//! the intended flow still has the tuple.

use ctwarden_format::{EventContext, command};
use ctwarden_model::{Filter, Flow, FlowId};
use ctwarden_netlink::{Batch, RequestSocket};
use ctwarden_wire::Content;
use ctwarden_wire::request;
use ctwarden_wire::request::manual_request::{self, Change};
use rustix::io::Errno;

use super::failure::Failure;
use super::kernel;
use super::list::{self, Source};
use super::output::Output;
use super::printer::Printer;
use super::tally::Tally;

/// Changes in one send. Each is answered by a whole entry, and all answers must fit into the receive buffer.
const IN_ONE_SEND: usize = 64;

/// Returns the change to send for the flow, or `None` if the flow already has the values.
fn at<'a>(wish: &'a command::Change, flow: &Flow) -> Option<Change<'a>> {
    wish.alters(flow).then(|| Change {
        timeout: wish.timeout,
        status: wish.status.map(|bits| flow.status.unwrap_or_default() | bits),
        mark: wish.mark.map(|mark| (mark.value, mark.mask)),
        // An entry without labels has none to lose, and may have no space for any.
        labels: wish.labels.filter(|change| flow.labels.is_some() || change.set != 0),
        info: wish.info,
        helper: wish.helper.as_deref(),
    })
}

pub(super) fn flows(
    output: &mut Output,
    printer: &mut Printer<'_>,
    filter: &Filter,
    wish: &command::Change,
) -> Result<Tally, Failure> {
    let mut updating =
        Updating { kernel: kernel::open_for_many()?, batch: Batch::new(), meant: Vec::new(), changed: 0 };
    let listed = list::each_flow(Source::Table, filter, |flow| {
        let Some(change) = at(wish, flow) else { return Ok(()) };
        updating.add(flow, &change);
        if updating.meant.len() >= IN_ONE_SEND { updating.carry_out(output, printer) } else { Ok(()) }
    });
    let last = listed.and_then(|reading| updating.carry_out(output, printer).map(|()| reading));
    output.drain()?;
    last.map(|reading| Tally { count: updating.changed, reading })
}

struct Updating {
    kernel: RequestSocket,
    batch: Batch,
    meant: Vec<Meant>,
    changed: u64,
}

/// A flow in the batch.
struct Meant {
    id: Option<FlowId>,
    /// The entry has no space for labels, so a refusal of new labels is ignored.
    without_labels: bool,
    errno: i32,
}

impl Meant {
    /// Whether the refusal ends the command.
    fn is_failure(&self) -> bool {
        let is = |name: Errno| self.errno == name.raw_os_error();
        self.errno != 0 && !is(Errno::NOENT) && !(self.without_labels && is(Errno::NOSPC))
    }
}

impl Updating {
    fn add(&mut self, flow: &Flow, change: &Change<'_>) {
        let key = flow.key();
        self.batch.push(|buffer, sequence| manual_request::change(buffer, sequence, false, &key, change));
        self.batch.push(|buffer, sequence| request::get(buffer, sequence, &key));
        let without_labels = change.labels.is_some() && flow.labels.is_none();
        self.meant.push(Meant { id: flow.id, without_labels, errno: 0 });
    }

    fn carry_out(&mut self, output: &mut Output, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let Self { kernel, batch, meant, changed } = self;
        // Two requests for each flow: the refusal of the change comes before the answer to the lookup.
        kernel.carry_out(batch, |place, content| {
            let Some(meant) = meant.get_mut(place / 2).filter(|meant| meant.errno == 0) else { return };
            if let Content::Answer(answer) = content {
                meant.errno = answer.errno;
            } else if let Content::Conntrack(entry) = content
                && let Ok(flow) = entry.flow.to_flow()
                && flow.id == meant.id
            {
                printer.flow(output.text(), &flow, &EventContext::ROW);
                *changed += 1;
            }
        })?;
        let refused = meant.iter().find(|meant| meant.is_failure()).map(|meant| meant.errno);
        meant.clear();
        output.drain_if_full()?;
        refused.map_or(Ok(()), |errno| Err(Failure::Refused(errno)))
    }
}

#[cfg(test)]
mod tests {
    use ctwarden_model::{LabelChange, Labels, Layer4, PerDirection, Protocol, Status, Tuple};

    use super::*;

    fn flow() -> Flow {
        let original = Tuple {
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
            protocol: Protocol::UDP,
            layer4: Layer4::Ports { src: 1, dst: 2 },
        };
        let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
        flow.status = Some(Status::CONFIRMED);
        flow
    }

    #[test]
    fn status_bits_are_added_to_those_that_are_there() {
        let wish = command::Change { status: Some(Status::ASSURED), ..command::Change::default() };
        let sent = at(&wish, &flow()).unwrap();
        assert_eq!(sent.status, Some(Status::CONFIRMED | Status::ASSURED));
        let mut assured = flow();
        assured.status = sent.status;
        assert_eq!(at(&wish, &assured), None);
    }

    #[test]
    fn an_entry_without_labels_is_not_asked_to_lose_any() {
        let labels = Some(LabelChange { set: 0, clear: 1 });
        let wish = command::Change { labels, timeout: Some(9), ..command::Change::default() };
        assert_eq!(at(&wish, &flow()).unwrap().labels, None);
        let mut labelled = flow();
        labelled.labels = Some(Labels(1));
        assert_eq!(at(&wish, &labelled).unwrap().labels, labels);
    }
}
