//! Man pages and shell completions, out of the definitions that the command line itself is parsed by.
//!
//! An option that is told in two places is told wrong in one of them; so verbs come from their clap definitions, and
//! the conntrack command from the table of its grammar.

mod completions;
mod conntrack_command;
mod conntrack_page;
mod pages;
mod words;

pub(crate) use completions::{Shell, completions};
pub(crate) use pages::{page, write_all};

use clap::Command;

/// Name of the verb that is a command of its own.
const CONNTRACK: &str = "conntrack";

/// The whole program for generating: with the conntrack command's own words in place of its verb's.
fn whole(program: Command) -> Command {
    let (about, words) = (conntrack_command::ABOUT, conntrack_command::command());
    if program.find_subcommand(CONNTRACK).is_some() {
        program.mut_subcommand(CONNTRACK, |verb| {
            // Its words without the verb's catch-all for them.
            let about = verb.get_about().cloned();
            words.about(about.unwrap_or_else(|| conntrack_command::ABOUT.into()))
        })
    } else {
        program.subcommand(words.about(about))
    }
}
