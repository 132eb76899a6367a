//! The text of `-h`, made from the tables that the words are read with.

use alloc::format;
use alloc::string::String;

use ctwarden_model::Protocol;

use super::error::VERSION;
use super::option::{Argument, Group, OPTIONS};
use super::protocol::PROTOCOLS;
use super::verb::COMMANDS;

const GROUPS: [(Group, &str); 6] = [
    (Group::Entry, "Entries to select, or the entry to create"),
    (Group::Conntrack, "For the table conntrack"),
    (Group::Expectation, "For the table expect"),
    (Group::Update, "Changes to an entry"),
    (Group::Output, "Input and output"),
    (Group::Saved, "Additional options of saved lines"),
];

/// Column in which the help of a line begins.
const COLUMN: usize = 36;

fn line(text: &mut String, what: &str, help: &str) {
    text.push_str("  ");
    text.push_str(what);
    let gap = COLUMN.saturating_sub(what.len()).max(2);
    text.extend(core::iter::repeat_n(' ', gap));
    text.push_str(help);
    text.push('\n');
}

/// The help text, and the options of a protocol if one is given. `program` is the name that the command was called by.
#[must_use]
pub fn help(program: &str, protocol: Option<&(Protocol, String)>) -> String {
    let mut text = format!(
        "Shows and changes the kernel's conntrack table, with the options of conntrack {VERSION}.\n\
         Usage: {program} COMMAND [OPTIONS]\n\nCommands:\n"
    );
    for command in COMMANDS {
        line(&mut text, &format!("-{}, --{} {}", command.short, command.long, command.usage), command.help);
    }
    line(&mut text, "-R, --load-file FILE", "Execute the commands in a file (or -), one per line");
    text.push_str("\nTables: conntrack, expect, dying, unconfirmed\n");
    for (group, title) in GROUPS {
        text.push_str(&format!("\n{title}:\n"));
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            let mut what = String::new();
            // Some letters are internal signs that users do not type.
            if let Some(letter) = option.short.filter(|letter| letter.is_ascii_lowercase()) {
                what.push_str(&format!("-{letter}, "));
            }
            let mut names = option.long.iter();
            if let Some(name) = names.next() {
                what.push_str(&format!("--{name}"));
            }
            for name in names {
                what.push_str(&format!(", --{name}"));
            }
            match option.argument {
                Argument::None => {}
                Argument::Required(value) => what.push_str(&format!(" {value}")),
                Argument::Optional(value) => what.push_str(&format!(" [{value}]")),
            }
            line(&mut text, &what, option.help);
        }
    }
    text.push('\n');
    if let Some((protocol, name)) = protocol {
        of_protocol(&mut text, *protocol, name);
    }
    text
}

fn of_protocol(text: &mut String, protocol: Protocol, name: &str) {
    text.push_str(&format!("Proto `{name}' help:\n"));
    match PROTOCOLS.iter().find(|known| known.protocol == protocol) {
        Some(known) => {
            for option in known.options {
                let names = option.long.join(", --");
                line(text, &format!("--{names} {}", option.value), option.help);
            }
        }
        None => text.push_str("  It has no options.\n"),
    }
}
