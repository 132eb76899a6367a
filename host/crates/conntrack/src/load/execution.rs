//! The second reading of a file of commands: they are carried out, in their order.
//!
//! Entries are made many in one send. The kernel stops at no error within a send; the first that it refused is told with the
//! number of its line, and what stood behind it in the same send was carried out all the same. Flows that another one
//! expected are made after the others, because the kernel wants that one to be there and a saved table has no order.

use std::sync::mpsc::SyncSender;

use ctwarden_format::command::{self, Command, Create};
use ctwarden_wire::Content;
use rustix::io::Errno;

use super::lines::Lines;
use crate::failure::{Failure, Operation};
use crate::kernel::{Batch, Kernel};
use crate::output::Output;
use crate::printer::Printer;
use crate::surroundings::Machine;
use crate::{NAME, create, delete, flush, operation_of, update};

/// Entries that are made in one send: more gain nothing, and the kernel's refusals of all of them have to fit into the receive
/// buffer.
const IN_ONE_SEND: usize = 256;

/// Sends that are handed over at once: whoever waits for them is woken that much less often, and a waking costs about as much
/// as the kernel needs for ten entries.
const SENDS: usize = 4;

/// What is to be done next.
pub(super) enum Step {
    /// Entries are to be made.
    Make(Vec<Creations>),
    /// A flow that another one expected is to be made, when the others are.
    MakeLate(Box<Late>),
    /// Another command is to be carried out, when all before it was.
    CarryOut(u64, Box<Command>),
    /// The reading failed.
    Fail(Failure),
}

/// Requests of one send.
#[derive(Default)]
pub(super) struct Creations {
    batch: Batch,
    /// Line of each entry, and how its making is called.
    lines: Vec<(u64, Operation)>,
}

/// A flow whose master has to be made before it.
#[derive(Clone)]
pub(super) struct Late {
    line: u64,
    operation: Operation,
    creation: Create,
}

/// Reads the lines and makes steps of them, until nobody takes any more.
pub(super) fn prepare(lines: &Lines<'_>, steps: &SyncSender<Step>) {
    let mut ready = Ready::default();
    let taken = |step| steps.send(step).map_err(|_| Failure::other("nobody takes the next step"));
    let machine = Machine::default();
    let outcome = lines.each(|line, text| {
        let command = match command::line(NAME, text, &machine) {
            Ok(Some(parsed)) => parsed.command,
            Ok(None) => return Ok(()),
            Err(refused) => return Err(Failure::Words(Box::new(refused)).at(lines.name, line, Operation::Other)),
        };
        let operation = operation_of(&command);
        if let Command::Create(creation) = command {
            if creation.flow.rare.as_ref().is_some_and(|rare| rare.master.is_some()) {
                return taken(Step::MakeLate(Box::new(Late { line, operation, creation })));
            }
            return if ready.add(line, operation, &creation) < SENDS { Ok(()) } else { taken(ready.step()) };
        }
        taken(ready.step())?;
        taken(Step::CarryOut(line, Box::new(command)))
    });
    // What stands before a line that fails is still carried out; who has stopped taking steps knows why.
    drop(taken(ready.step()).and_then(|()| outcome.map_or_else(|failure| taken(Step::Fail(failure)), |_| Ok(()))));
}

/// Entries that are ready to be made.
#[derive(Default)]
struct Ready {
    full: Vec<Creations>,
    next: Creations,
}

impl Ready {
    /// Adds one. Gives how many sends are full.
    fn add(&mut self, line: u64, operation: Operation, creation: &Create) -> usize {
        self.next.batch.push(|buffer, sequence| create::write(buffer, sequence, false, creation));
        self.next.lines.push((line, operation));
        if self.next.lines.len() == IN_ONE_SEND {
            self.full.push(std::mem::take(&mut self.next));
        }
        self.full.len()
    }

    /// Takes everything away.
    fn step(&mut self) -> Step {
        let mut sends = std::mem::take(&mut self.full);
        sends.push(std::mem::take(&mut self.next));
        Step::Make(sends)
    }
}

/// Commands while they are carried out.
pub(super) struct Execution<'o> {
    output: &'o mut Output,
    /// Name of the file.
    name: &'o str,
    kernel: Kernel,
    /// Flows that others expected.
    late: Vec<Late>,
}

impl<'o> Execution<'o> {
    /// Opens what is needed.
    pub(super) fn begin(output: &'o mut Output, name: &'o str) -> Result<Self, Failure> {
        Ok(Self { output, name, kernel: Kernel::open_for_batches()?, late: Vec::new() })
    }

    /// Does the next step.
    pub(super) fn take(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Make(sends) => sends.into_iter().try_for_each(|creations| self.make(creations)),
            Step::MakeLate(late) => {
                self.late.push(*late);
                Ok(())
            }
            Step::CarryOut(line, command) => {
                self.make_late()?;
                self.change(&command).map_err(|failure| failure.at(self.name, line, operation_of(&command)))
            }
            Step::Fail(failure) => Err(failure),
        }
    }

    /// Does what was put off, and prints what is left.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.make_late()?;
        self.output.drain()
    }

    fn make(&mut self, mut creations: Creations) -> Result<(), Failure> {
        let (name, lines) = (self.name, &creations.lines);
        let mut first: Option<Failure> = None;
        self.kernel.carry_out(&mut creations.batch, |place, content| {
            if let (Content::Answer(answer), Some((line, operation))) = (content, lines.get(place))
                && !answer.is_ack()
                && first.is_none()
            {
                first = Some(Failure::Refused(answer.errno).at(name, *line, *operation));
            }
        })?;
        first.map_or(Ok(()), Err)
    }

    fn make_late(&mut self) -> Result<(), Failure> {
        // A master may itself be one that was expected: as long as some could be made, others may be.
        loop {
            let waiting = std::mem::take(&mut self.late);
            let mut without_master = None;
            for part in waiting.chunks(IN_ONE_SEND) {
                for (late, errno) in part.iter().zip(self.try_late(part)?) {
                    let failure = || Failure::Refused(errno).at(self.name, late.line, late.operation);
                    if errno == Errno::NOENT.raw_os_error() {
                        without_master = without_master.or_else(|| Some(failure()));
                        self.late.push(late.clone());
                    } else if errno != 0 {
                        return Err(failure());
                    }
                }
            }
            match without_master {
                None => return Ok(()),
                Some(failure) if self.late.len() == waiting.len() => return Err(failure),
                Some(_) => {}
            }
        }
    }

    /// Tries to make them. Gives an errno for each, 0 where it was made.
    fn try_late(&mut self, part: &[Late]) -> Result<Vec<i32>, Failure> {
        let mut batch = Batch::new();
        for late in part {
            batch.push(|buffer, sequence| create::write(buffer, sequence, false, &late.creation));
        }
        let mut errors = vec![0; part.len()];
        self.kernel.carry_out(&mut batch, |place, content| {
            if let (Content::Answer(answer), Some(error)) = (content, errors.get_mut(place)) {
                *error = answer.errno;
            }
        })?;
        Ok(errors)
    }

    fn change(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Delete(delete) => {
                delete::flows(self.output, &mut Printer::of_deleted(&delete.output), &delete.filter).map(drop)
            }
            Command::Update(update) => {
                let mut printer = Printer::of_entries(&update.output);
                update::flows(self.output, &mut printer, &update.filter, &update.change).map(drop)
            }
            Command::Flush { family } => flush::flows(&mut self.kernel, *family),
            // No line is read as one of these.
            Command::Create(_)
            | Command::List(_)
            | Command::Get(_)
            | Command::Events(_)
            | Command::Version
            | Command::Help { .. }
            | Command::ListExpectations { .. }
            | Command::CreateExpectation(_)
            | Command::DeleteExpectation { .. }
            | Command::GetExpectation { .. }
            | Command::FlushExpectations
            | Command::ExpectationEvents { .. }
            | Command::Count
            | Command::CountExpectations
            | Command::Statistics
            | Command::ExpectationStatistics
            | Command::Load { .. } => Err(Failure::parameter("Cannot use this command with --load-file")),
        }
    }
}
