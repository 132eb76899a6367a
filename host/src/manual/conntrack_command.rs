//! The conntrack command as a clap definition, only for generating completions.
//!
//! A separate grammar parses the command, because its rules are older than clap's.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use ctwarden_format::command::{Argument, COMMANDS, PROTOCOLS};

use super::CONNTRACK;
use super::words::{Word, words};

/// One-line description of the command.
pub(super) const ABOUT: &str = "List, change and watch the conntrack table, with the syntax of the conntrack command";

/// The command with all options of the grammar.
pub(super) fn command() -> Command {
    // -h and -V are commands of the grammar.
    let command = Command::new(CONNTRACK).about(ABOUT).disable_help_flag(true).disable_version_flag(true);
    let commands = COMMANDS.iter().map(|definition| {
        let arg = Arg::new(definition.long).short(definition.short).long(definition.long).help(definition.help);
        arg.help_heading("Commands").action(ArgAction::SetTrue)
    });
    let load = Arg::new("load-file").short('R').long("load-file").value_name("FILE").value_hint(ValueHint::FilePath);
    let load = load.help("Execute the saved lines of a file or of standard input (-)").help_heading("Commands");
    let table = Arg::new("table").value_name("TABLE");
    let table = table.value_parser(PossibleValuesParser::new(["conntrack", "expect", "dying", "unconfirmed"]));
    command.args(commands).arg(load).args(words().iter().map(argument)).arg(table)
}

fn argument(word: &Word) -> Arg {
    let mut arg = Arg::new(word.name()).long(word.name()).help(word.help_line()).help_heading(word.heading);
    arg = arg.visible_aliases(word.long.iter().skip(1).copied());
    if let Some(letter) = word.short {
        arg = arg.short(letter);
    }
    match word.argument {
        Argument::None => arg.action(ArgAction::SetTrue),
        Argument::Required(value) => values(arg.value_name(value), value),
        Argument::Optional(value) => values(arg.value_name(value), value).num_args(0..=1),
    }
}

/// The values that a shell can offer.
fn values(arg: Arg, name: &str) -> Arg {
    match name {
        "FILE" => arg.value_hint(ValueHint::FilePath),
        "PROTOCOL" => arg.value_parser(PossibleValuesParser::new(PROTOCOLS.iter().map(|protocol| protocol.name))),
        "FAMILY" => arg.value_parser(PossibleValuesParser::new(["ipv4", "ipv6"])),
        _ => arg.value_hint(ValueHint::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong_with_it() {
        command().debug_assert();
    }
}
