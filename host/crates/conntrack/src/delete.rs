//! `-D`: deletes the matching flows and prints each one that it deleted.
//!
//! A dump gives the flows. Each one is then deleted by tuple, zone and id, so a newer flow with the same tuple stays.
//! The deletes are sent to the kernel in batches.

use ctwarden_model::{Filter, Flow};
use ctwarden_netlink::{Batch, RequestSocket};
use ctwarden_wire::{Content, request};
use rustix::io::Errno;

use super::failure::Failure;
use super::kernel;
use super::list::{self, Source};
use super::output::Output;
use super::printer::Printer;
use super::tally::Tally;

/// Deletes in one send. More bring no gain, and the kernel's answers to all of them must fit into the receive buffer.
const IN_ONE_SEND: usize = 256;

pub(super) fn flows(output: &mut Output, printer: &mut Printer<'_>, filter: &Filter) -> Result<Tally, Failure> {
    let mut deletion = Deletion {
        kernel: kernel::open_for_many()?,
        batch: Batch::new(),
        text: Vec::new(),
        ends: Vec::new(),
        deleted: 0,
    };
    let listed = list::each_flow(Source::Table, filter, |flow| {
        deletion.add(flow, printer);
        if deletion.batch.len() >= IN_ONE_SEND { deletion.carry_out(output) } else { Ok(()) }
    });
    let last = listed.and_then(|reading| deletion.carry_out(output).map(|()| reading));
    output.drain()?;
    last.map(|reading| Tally { count: deletion.deleted, reading })
}

/// The next deletes to send.
struct Deletion {
    kernel: RequestSocket,
    batch: Batch,
    /// Lines of the flows in the batch.
    text: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    deleted: u64,
}

impl Deletion {
    fn add(&mut self, flow: &Flow, printer: &mut Printer<'_>) {
        let key = flow.key();
        self.batch.push(|buffer, sequence| request::delete(buffer, sequence, false, &key));
        let occasion = printer.deletion();
        printer.flow(&mut self.text, flow, &occasion);
        self.ends.push(self.text.len());
    }

    /// Deletes the flows in the batch and prints those that still existed.
    fn carry_out(&mut self, output: &mut Output) -> Result<(), Failure> {
        let mut errors = vec![0; self.ends.len()];
        self.kernel.carry_out(&mut self.batch, |place, content| {
            if let (Content::Answer(answer), Some(error)) = (content, errors.get_mut(place)) {
                *error = answer.errno;
            }
        })?;
        let mut begin = 0;
        let mut refused = None;
        for (end, errno) in self.ends.drain(..).zip(errors) {
            if errno == 0 {
                output.text().extend_from_slice(self.text.get(begin..end).unwrap_or_default());
                self.deleted += 1;
            } else if errno != Errno::NOENT.raw_os_error() {
                // A flow that is already gone is no error. Any other refusal ends the command, after the completed
                // deletes are printed.
                refused = refused.or(Some(errno));
            }
            begin = end;
        }
        self.text.clear();
        output.drain_if_full()?;
        refused.map_or(Ok(()), |errno| Err(Failure::Refused(errno)))
    }
}
