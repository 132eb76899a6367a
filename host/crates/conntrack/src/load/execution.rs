//! The second reading of a file of commands: executes them in order.
//!
//! The first line that the kernel refuses ends the execution: everything before it is done, nothing after it is. Yet
//! many entries are created in one send, and the kernel does not stop at an error within a send. So each entry is
//! created exclusively, even if its line may change an existing one (`-A`). If a line is refused, the entries of later
//! lines are known to be new, and are removed again. If an entry exists already, an `-A` line changes it with a
//! separate request.
//!
//! Flows with a master are created last, because the kernel requires the master to exist and a saved table has no
//! order.

use std::sync::mpsc::SyncSender;

use ctwarden_format::command::{self, Command, Create};
use ctwarden_model::{FlowId, FlowKey};
use ctwarden_netlink::{Batch, Reading, RequestSocket};
use ctwarden_wire::request::manual_request::WhereItIs;
use ctwarden_wire::{Content, request};
use rustix::io::Errno;

use super::lines::{Lines, TooLong};
use crate::environment::{HostEnvironment, NAME};
use crate::failure::{Failure, Operation, TITLE};
use crate::kernel;
use crate::output::{Output, say};
use crate::printer::Printer;
use crate::readings;
use crate::tally::Tally;
use crate::{create, delete, flush, update};

/// Entries created in one send. More bring no gain, and the kernel's refusals of all of them must fit into the receive
/// buffer.
const IN_ONE_SEND: usize = 256;

/// Sends that are passed on at once. This wakes the receiving thread less often; a wakeup costs about as much as the
/// kernel needs for ten entries.
const SENDS: usize = 4;

/// The next thing to do.
pub(super) enum Step {
    /// Create these flows in this order; each element is one send.
    Make(Vec<Creations>),
    /// Create a flow with a master, after the other flows.
    MakeLate(Box<Making>),
    /// Execute another command, after everything before it.
    CarryOut(u64, Box<Command>),
    Fail(Failure),
}

/// Requests of one send.
#[derive(Default)]
pub(super) struct Creations {
    batch: Batch,
    made: Vec<Making>,
}

/// An entry that a line creates.
#[derive(Clone)]
pub(super) struct Making {
    line: u64,
    operation: Operation,
    creation: Create,
}

impl Making {
    /// The key of the entry without an id, which is not known yet.
    fn key(&self) -> FlowKey {
        FlowKey { id: FlowId::default(), ..self.creation.flow.key() }
    }

    fn failure(&self, errno: i32, file: &str) -> Failure {
        Failure::Refused(errno).at(file, self.line, self.operation)
    }
}

/// Reads the lines and turns them into steps, until the receiver stops.
pub(super) fn prepare(lines: &Lines<'_>, steps: &SyncSender<Step>) {
    let mut ready = Ready::default();
    let taken = |step| steps.send(step).map_err(|_| Failure::other("the execution has ended"));
    let machine = HostEnvironment::default();
    let outcome = lines.each(|line, text| {
        let read = text
            .map_err(TooLong::failure)
            .and_then(|text| command::line(NAME, text, &machine).map_err(|refused| Failure::Words(Box::new(refused))));
        let command = match read.map_err(|failure| failure.at(lines.name, line, Operation::Other))? {
            Some(parsed) => parsed.command,
            None => return Ok(()),
        };
        let operation = Operation::of(&command);
        if let Command::Create(creation) = command {
            let making = Making { line, operation, creation };
            if making.creation.flow.rare.as_ref().is_some_and(|rare| rare.master.is_some()) {
                return taken(Step::MakeLate(Box::new(making)));
            }
            return if ready.add(making) < SENDS { Ok(()) } else { taken(ready.step()) };
        }
        taken(ready.step())?;
        taken(Step::CarryOut(line, Box::new(command)))
    });
    // The lines before a failed line are still executed. A receiver that has stopped already knows the reason.
    drop(taken(ready.step()).and_then(|()| outcome.map_or_else(|failure| taken(Step::Fail(failure)), |_| Ok(()))));
}

/// Entries that are ready to be created.
#[derive(Default)]
struct Ready {
    full: Vec<Creations>,
    next: Creations,
}

impl Ready {
    /// Adds an entry. Returns the number of full sends.
    fn add(&mut self, making: Making) -> usize {
        self.next.batch.push(|buffer, sequence| {
            create::write(buffer, sequence, false, WhereItIs::Refuse, &making.creation);
        });
        self.next.made.push(making);
        if self.next.made.len() == IN_ONE_SEND {
            self.full.push(std::mem::take(&mut self.next));
        }
        self.full.len()
    }

    fn step(&mut self) -> Step {
        let mut sends = std::mem::take(&mut self.full);
        sends.push(std::mem::take(&mut self.next));
        Step::Make(sends)
    }
}

/// Executes the steps in order, but creates flows with a master after the other flows.
pub(super) struct Execution<'o> {
    output: &'o mut Output,
    /// Name of the file.
    name: &'o str,
    kernel: RequestSocket,
    /// Flows with a master.
    late: Vec<Making>,
}

impl<'o> Execution<'o> {
    pub(super) fn begin(output: &'o mut Output, name: &'o str) -> Result<Self, Failure> {
        Ok(Self { output, name, kernel: kernel::open_for_many()?, late: Vec::new() })
    }

    /// Executes the next step.
    pub(super) fn take(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Make(sends) => sends.into_iter().try_for_each(|creations| self.make(creations)),
            Step::MakeLate(late) => {
                self.late.push(*late);
                Ok(())
            }
            Step::CarryOut(line, command) => {
                self.make_late()?;
                self.change(&command).map_err(|failure| failure.at(self.name, line, Operation::of(&command)))
            }
            Step::Fail(failure) => Err(failure),
        }
    }

    /// Creates the postponed flows, and prints the remaining output.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.make_late()?;
        self.output.drain()
    }

    fn make(&mut self, mut creations: Creations) -> Result<(), Failure> {
        let Creations { batch, made } = &mut creations;
        let refused = self.refused(batch)?;
        for (place, errno) in &refused {
            let Some(making) = made.get(*place) else { continue };
            if let Err(failure) = self.change_instead(making, *errno) {
                let behind = made.iter().enumerate().skip(place + 1);
                let new: Vec<_> =
                    behind.filter(|(place, _)| refused.iter().all(|(refused, _)| refused != place)).collect();
                return Err(self.end_at(making.line, failure, new.into_iter().map(|(_, making)| making.key())));
            }
        }
        Ok(())
    }

    /// Sends the requests. Returns the indexes of the refused ones, in order, and the reasons.
    fn refused(&mut self, batch: &mut Batch) -> Result<Vec<(usize, i32)>, Failure> {
        let mut refused = Vec::new();
        self.kernel.carry_out(batch, |place, content| {
            if let Content::Answer(answer) = content
                && !answer.is_ack()
            {
                refused.push((place, answer.errno));
            }
        })?;
        Ok(refused)
    }

    /// Changes the entry if it exists and the line may change it. Any other refusal stays a refusal.
    fn change_instead(&mut self, making: &Making, errno: i32) -> Result<(), Failure> {
        if making.creation.exclusive || errno != Errno::EXIST.raw_os_error() {
            return Err(making.failure(errno, self.name));
        }
        let write = |buffer: &mut Vec<u8>, sequence| {
            create::write(buffer, sequence, true, WhereItIs::Change, &making.creation);
        };
        match self.kernel.ask(write, |_| ()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::from(error).at(self.name, making.line, making.operation)),
        }
    }

    /// Ends the execution at a failed line: removes entries that were created for later lines, and creates the
    /// postponed entries of earlier lines. Returns the failure.
    fn end_at(&mut self, line: u64, failure: Failure, new: impl Iterator<Item = FlowKey>) -> Failure {
        self.late.retain(|late| late.line < line);
        for outcome in [self.remove(new), self.make_late()] {
            // The command reports the first failure.
            if let Err(other) = outcome {
                say(&format!("{TITLE}{}", other.text()));
            }
        }
        failure
    }

    /// Removes entries that were just created. Their ids must be looked up first.
    fn remove(&mut self, keys: impl Iterator<Item = FlowKey>) -> Result<(), Failure> {
        let mut batch = Batch::new();
        for key in keys {
            batch.push(|buffer, sequence| request::get(buffer, sequence, &key));
        }
        let mut found = Vec::new();
        self.kernel.carry_out(&mut batch, |_, content| {
            if let Content::Conntrack(entry) = content {
                found.extend(entry.flow.to_flow().ok().map(|flow| flow.key()));
            }
        })?;
        for key in &found {
            batch.push(|buffer, sequence| request::delete(buffer, sequence, false, key));
        }
        let refused = self.refused(&mut batch)?;
        let gone = Errno::NOENT.raw_os_error();
        match refused.into_iter().find(|(_, errno)| *errno != gone) {
            None => Ok(()),
            Some((_, errno)) => Err(Failure::Refused(errno)),
        }
    }

    fn make_late(&mut self) -> Result<(), Failure> {
        // A master may itself have a master: as long as some flows could be created, others may follow.
        loop {
            let waiting = std::mem::take(&mut self.late);
            let mut without_master = None;
            for part in waiting.chunks(IN_ONE_SEND) {
                for (place, errno) in self.try_late(part)? {
                    let Some(late) = part.get(place) else { continue };
                    if errno == Errno::NOENT.raw_os_error() {
                        without_master = without_master.or_else(|| Some(late.failure(errno, self.name)));
                        self.late.push(late.clone());
                    } else {
                        self.change_instead(late, errno)?;
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

    /// Tries to create the flows. Returns the indexes of the refused ones, and the reasons.
    fn try_late(&mut self, part: &[Making]) -> Result<Vec<(usize, i32)>, Failure> {
        let mut batch = Batch::new();
        for late in part {
            batch.push(|buffer, sequence| {
                create::write(buffer, sequence, false, WhereItIs::Refuse, &late.creation);
            });
        }
        self.refused(&mut batch)
    }

    fn change(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Delete(delete) => {
                all(delete::flows(self.output, &mut Printer::of_deleted(&delete.output), &delete.filter)?)
            }
            Command::Update(update) => {
                let mut printer = Printer::of_entries(&update.output);
                all(update::flows(self.output, &mut printer, &update.filter, &update.change)?)
            }
            Command::Flush { family } => flush::flows(&mut self.kernel, *family),
            // No line parses to one of these commands.
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

/// Fails unless the command has read every entry.
fn all(tally: Tally) -> Result<(), Failure> {
    match tally.reading {
        Reading::Whole => Ok(()),
        Reading::Interrupted => Err(Failure::other(format!("Operation failed: {}", readings::interrupted()))),
    }
}
