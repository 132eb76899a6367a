//! Entries in the form that `-o` asks for.
//!
//! Every command prints through this module, so every command supports every form.

use std::collections::BTreeMap;

use ctwarden_format::command::{self, Form};
use ctwarden_format::save::Lack;
use ctwarden_format::{CivilTime, EventContext, LabelMap, PrintOptions, json, save, text, xml};
use ctwarden_model::{EventKind, Expectation, Flow, Timestamp};

use super::clock;
use super::failure::FAILED;
use super::output::say;

/// Whether entries are printed in a document with a head and a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// In a document; the head comes with the first entry.
    Closed,
    /// In a document whose head was printed.
    Open,
    /// No document: commands that change entries print each entry on its own.
    None,
}

pub(super) struct Printer<'a> {
    form: Form,
    options: PrintOptions<'a>,
    document: Document,
    /// Entries that the form has no line for.
    left_out: BTreeMap<Lack, u64>,
}

impl<'a> Printer<'a> {
    /// Creates a printer for rows of a table and for events.
    pub(super) fn of_document(output: &'a command::Output, local_time: &'a dyn Fn(i64) -> CivilTime) -> Self {
        let options = PrintOptions {
            layer3: output.extended,
            id: output.id,
            kernel_timestamps: output.kernel_timestamp,
            timestamp: output.timestamp,
            labels: output.labels.as_ref(),
            now: clock::wall(),
            local_time,
        };
        Self { form: output.form, options, document: Document::Closed, left_out: BTreeMap::new() }
    }

    /// Creates a printer for entries that a command changed, or looked up by tuple: without document and times.
    pub(super) fn of_entries(output: &'a command::Output) -> Self {
        let options = PrintOptions {
            layer3: output.extended,
            id: output.id,
            labels: output.labels.as_ref(),
            ..PrintOptions::plain(clock::wall())
        };
        Self { form: output.form, options, document: Document::None, left_out: BTreeMap::new() }
    }

    /// Creates a printer for deleted entries, without names of labels.
    pub(super) fn of_deleted(output: &'a command::Output) -> Self {
        let mut printer = Self::of_entries(output);
        if matches!(output.form, Form::Text | Form::Xml) {
            printer.options.labels = None;
        }
        printer
    }

    /// Reads the clock; this time applies to all output until the next call.
    pub(super) fn look_at_the_clock(&mut self) {
        self.options.now = clock::wall();
    }

    /// Uses this time for all output until another time is set.
    pub(super) const fn printed_at(&mut self, moment: Timestamp) {
        self.options.now = moment;
    }

    /// The event of a deleted entry: in the save form a destroy, whose line deletes the entry. In other forms it is a
    /// row.
    pub(super) const fn deletion(&self) -> EventContext<'static> {
        match self.form {
            Form::Save => EventContext::of(EventKind::Destroy),
            Form::Text | Form::Xml | Form::Json => EventContext::ROW,
        }
    }

    /// Names of labels that are printed.
    pub(super) const fn labels(&self) -> Option<&'a LabelMap> {
        self.options.labels
    }

    /// Whether the program that caused an event is printed.
    pub(super) const fn tells_programs(&self) -> bool {
        !matches!(self.form, Form::Xml)
    }

    /// Appends a flow and the line end. Returns whether the form has a line for the flow.
    pub(super) fn flow(&mut self, out: &mut Vec<u8>, flow: &Flow, context: &EventContext<'_>) -> bool {
        self.open(out, xml::DocumentTable::Conntrack);
        match self.form {
            Form::Text => text::flow(out, flow, context, &self.options),
            Form::Xml => xml::flow(out, flow, context, &self.options),
            Form::Save => {
                if let Some(lack) = save::lack(flow, context.kind) {
                    *self.left_out.entry(lack).or_default() += 1;
                    return false;
                }
                save::flow(out, flow, context, self.options.labels);
            }
            Form::Json => json::flow(out, flow, context, self.options.labels),
        }
        out.push(b'\n');
        true
    }

    /// Reports how many entries have no line, and why. Returns the exit status of a command that was asked to print
    /// them.
    pub(super) fn tell_left_out(&self) -> u8 {
        if self.left_out.is_empty() {
            return 0;
        }
        let all: u64 = self.left_out.values().sum();
        let each: Vec<String> = self.left_out.iter().map(|(lack, count)| format!("{count} {lack}")).collect();
        say(&format!("{all} entries cannot be saved, because -R could not create them again: {}.", each.join(", ")));
        FAILED
    }

    /// Appends an expectation and the line end.
    pub(super) fn expectation(&mut self, out: &mut Vec<u8>, expectation: &Expectation, kind: EventKind) {
        self.open(out, xml::DocumentTable::Expect);
        let context = EventContext::of(kind);
        match self.form {
            Form::Xml => xml::expectation(out, expectation, &context, &self.options),
            Form::Json => json::expectation(out, expectation, &context),
            // Expectations have no save form; conntrack prints text instead.
            Form::Text | Form::Save => text::expectation(out, expectation, &context, &self.options),
        }
        out.push(b'\n');
    }

    fn open(&mut self, out: &mut Vec<u8>, table: xml::DocumentTable) {
        if self.form == Form::Xml && self.document == Document::Closed {
            xml::head(out, table);
            self.document = Document::Open;
        }
    }

    /// Appends the tail of the document, if the head was printed.
    pub(super) fn close(&mut self, out: &mut Vec<u8>, table: xml::DocumentTable) {
        if self.document == Document::Open {
            xml::tail(out, table);
            self.document = Document::Closed;
        }
    }
}
