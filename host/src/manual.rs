//! Man pages and shell completions, generated from the definitions that parse the command line.
//!
//! Two descriptions of one option would drift apart. So the pages of verbs come from their clap definitions, and those of
//! the conntrack command from the table of its grammar.

mod completions;
mod conntrack_command;
mod conntrack_page;
mod pages;
mod words;

pub(crate) use completions::{Shell, completions};
pub(crate) use pages::{page, write_all};

use clap::Command;

/// Name of the verb that is also a separate command.
const CONNTRACK: &str = "conntrack";

/// The whole program for the generators: the verb `conntrack` gets the options of the conntrack command.
fn whole(program: Command) -> Command {
    let (about, words) = (conntrack_command::ABOUT, conntrack_command::command());
    if program.find_subcommand(CONNTRACK).is_some() {
        program.mut_subcommand(CONNTRACK, |verb| {
            // The arguments of the command replace the catch-all argument of the verb.
            let about = verb.get_about().cloned();
            words.about(about.unwrap_or_else(|| conntrack_command::ABOUT.into()))
        })
    } else {
        program.subcommand(words.about(about))
    }
}
