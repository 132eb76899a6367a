//! Shell completions of the program, and of the separate command `conntrack`.

use clap::{Command, ValueEnum};
use clap_complete::Generator;
use clap_complete::shells::{Bash, Fish, Zsh};

use super::{CONNTRACK, conntrack_command, whole};

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// The completion script for the shell.
pub(crate) fn completions(shell: Shell, program: Command) -> String {
    let name = program.get_name().to_owned();
    let (ours, conntrack) = (whole(program), conntrack_command::command());
    match shell {
        Shell::Bash => [script(Bash, ours, &name), script(Bash, conntrack, CONNTRACK)].concat(),
        Shell::Fish => [script(Fish, ours, &name), script(Fish, conntrack, CONNTRACK)].concat(),
        Shell::Zsh => both_in_zsh(&name, &script(Zsh, ours, &name), &script(Zsh, conntrack, CONNTRACK)),
    }
}

fn script(shell: impl Generator, mut command: Command, name: &str) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Joins both scripts for zsh, which loads one file for all the names in its first line. Both scripts lose their own first
/// line and their end, which assume that the script is the whole file (zshcompsys(1), "Autoloaded files").
fn both_in_zsh(name: &str, ours: &str, conntrack: &str) -> String {
    let functions = |script: &str, name: &str| {
        let begin = script.split_once('\n').map_or("", |(_, rest)| rest);
        let end = format!("if [ \"$funcstack[1]\" = \"_{name}\" ]; then");
        begin.rsplit_once(end.as_str()).map_or(begin, |(functions, _)| functions).to_owned()
    };
    format!(
        "#compdef {name} {CONNTRACK}\n{}\n{}\n\
         compdef _{name} {name}\ncompdef _{CONNTRACK} {CONNTRACK}\n\
         if [ \"$funcstack[1]\" = \"_{name}\" ]; then\n\
         \x20   case \"$service\" in\n\
         \x20   {CONNTRACK}) _{CONNTRACK} \"$@\" ;;\n\
         \x20   *) _{name} \"$@\" ;;\n\
         \x20   esac\nfi\n",
        functions(ours, name),
        functions(conntrack, CONNTRACK)
    )
}

#[cfg(test)]
mod tests {
    use ctwarden_format::command::{COMMANDS, OPTIONS, PROTOCOLS};

    use super::*;

    #[test]
    fn every_option_of_the_table_is_offered_in_every_shell() {
        let named = COMMANDS.iter().map(|command| command.long);
        let named = named.chain(OPTIONS.iter().flat_map(|option| option.long.iter().copied()));
        let of_protocols = PROTOCOLS.iter().flat_map(|protocol| protocol.options);
        let named: Vec<&str> =
            named.chain(of_protocols.flat_map(|option| option.long.iter().copied())).chain(["load-file"]).collect();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell, crate::cli::definition());
            for name in &named {
                let written = if shell == Shell::Fish { format!("-l {name}") } else { format!("--{name}") };
                // Once for `conntrack`, once for `ctwarden conntrack`.
                assert!(script.matches(&written).count() >= 2, "{shell:?} lacks {written}");
            }
            for verb in crate::cli::definition().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell:?} lacks {}", verb.get_name());
            }
        }
    }

    #[test]
    fn zsh_binds_both_names() {
        let script = completions(Shell::Zsh, crate::cli::definition());
        assert!(script.starts_with("#compdef ctwarden conntrack\n"), "{}", script.lines().next().unwrap());
        assert_eq!(script.matches("funcstack").count(), 1);
        for line in ["_ctwarden() {", "_conntrack() {", "compdef _conntrack conntrack"] {
            assert!(script.lines().any(|found| found == line), "no {line}");
        }
    }
}
