//! The words of the conntrack command, one entry for each word, whatever table of the grammar contains it.
//!
//! Protocols share names of options (`--sport`); a page and a shell list each name once.

use ctwarden_format::command::{Argument, COMMANDS, Group, OPTIONS, PROTOCOLS, Verb, Verbs};

/// An option with everything that the page says about it.
pub(super) struct Word {
    pub(super) short: Option<char>,
    /// Never empty.
    pub(super) long: &'static [&'static str],
    pub(super) argument: Argument,
    pub(super) heading: &'static str,
    /// Whether conntrack 1.4.9 lacks it.
    pub(super) ours: bool,
    /// Help texts, each with its protocols; no protocols if the text is not specific to a protocol.
    pub(super) help: Vec<(Vec<&'static str>, &'static str)>,
    /// Commands that can have the option. The next fields: commands that need it, and commands that need it together
    /// with the other end of its direction.
    pub(super) optional: Vec<String>,
    pub(super) required: Vec<String>,
    pub(super) paired: Vec<String>,
}

impl Word {
    /// The name that messages use.
    pub(super) fn name(&self) -> &'static str {
        self.long.first().copied().unwrap_or_default()
    }

    /// Help in one line.
    pub(super) fn help_line(&self) -> String {
        let parts = self.help.iter().map(|(protocols, help)| {
            if protocols.is_empty() { (*help).to_owned() } else { format!("{}: {help}", protocols.join(", ")) }
        });
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// Every option, in the order of the table.
pub(super) fn words() -> Vec<Word> {
    let mut words: Vec<Word> = OPTIONS
        .iter()
        .map(|option| Word {
            // Some letters are internal signs of the grammar.
            short: option.short.filter(char::is_ascii_alphanumeric),
            long: option.long,
            argument: option.argument,
            heading: heading(option.group),
            ours: option.ours,
            help: vec![(Vec::new(), option.help)],
            optional: commands(option.optional),
            required: commands(option.required),
            paired: commands(option.paired),
        })
        .collect();
    for protocol in PROTOCOLS {
        for option in protocol.options {
            let Some(word) = words.iter_mut().find(|word| word.long == option.long) else {
                words.push(Word {
                    short: None,
                    long: option.long,
                    argument: Argument::Required(option.value),
                    heading: "Options of protocols (after -p)",
                    ours: option.ours,
                    help: vec![(vec![protocol.name], option.help)],
                    optional: commands(option.optional),
                    required: commands(option.required),
                    paired: commands(option.paired),
                });
                continue;
            };
            match word.help.iter_mut().find(|(_, help)| *help == option.help) {
                Some((protocols, _)) => protocols.push(protocol.name),
                None => word.help.push((vec![protocol.name], option.help)),
            }
            // Options that only one protocol needs are listed with the optional ones.
            add(&mut word.optional, commands(option.optional));
            add(&mut word.required, commands(option.required));
            add(&mut word.paired, commands(option.paired));
        }
    }
    words
}

const fn heading(group: Group) -> &'static str {
    match group {
        Group::Entry => "Entries to select, or the entry to create",
        Group::Conntrack => "Conditions and parameters of connections",
        Group::Expectation => "Parameters of expectations",
        Group::Update => "Changes to an entry",
        Group::Output => "Input and output",
        Group::Saved => "Additional options of saved lines",
    }
}

fn add(all: &mut Vec<String>, more: Vec<String>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// The commands in the form in which users write them.
fn commands(verbs: Verbs) -> Vec<String> {
    let mut found = Vec::new();
    let mut take = |verb: Verb, text: String| {
        if verbs.has(verb) && !found.contains(&text) {
            found.push(text);
        }
    };
    for command in COMMANDS {
        let (flows, expectations) = command.verbs;
        take(flows, format!("-{}", command.short));
        if let Some(verb) = expectations.filter(|verb| *verb != flows) {
            take(verb, format!("-{} expect", command.short));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_with_every_protocol_that_has_it() {
        let words = words();
        for (index, word) in words.iter().enumerate() {
            let others = words.iter().skip(index + 1);
            assert!(others.flat_map(|other| other.long).all(|name| !word.long.contains(name)), "{}", word.name());
        }
        let sport = words.iter().find(|word| word.name() == "sport").unwrap();
        let (protocols, _) = &sport.help[0];
        assert!(protocols.contains(&"tcp") && protocols.contains(&"sctp"), "{protocols:?}");
        assert!(sport.optional.contains(&"-L".to_owned()) && sport.required.contains(&"-I expect".to_owned()));
        let state = words.iter().find(|word| word.name() == "state").unwrap().help_line();
        assert!(state.contains("tcp: ") && state.contains("; sctp: "), "{state}");
    }
}
