//! The man pages: the list of pages, and how each is made.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use thiserror::Error;

use super::{CONNTRACK, conntrack_page, whole};

/// No such page.
#[derive(Debug, Error)]
#[error("there is no man page for \"{name}\"; available pages: {}", known.join(", "))]
pub(crate) struct UnknownPage {
    name: String,
    known: Vec<String>,
}

/// The page of the program, or of one of its verbs.
pub(crate) fn page(program: Command, verb: Option<&str>) -> Result<String, UnknownPage> {
    let mut program = whole(program);
    // Gives the verbs their full names.
    program.build();
    let source = format!("{} {}", program.get_name(), program.get_version().unwrap_or_default());
    let command = match verb {
        None => program,
        Some(CONNTRACK) => return Ok(conntrack_page::page(&source)),
        Some(verb) => match program.find_subcommand(verb) {
            Some(command) => command.clone(),
            None => return Err(UnknownPage { name: verb.to_owned(), known: verbs(&program) }),
        },
    };
    let mut text = Vec::new();
    // Writing into memory cannot fail.
    let _ = Man::new(command).source(source).manual("ctwarden").render(&mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Verbs that have a page.
fn verbs(program: &Command) -> Vec<String> {
    let mut verbs: Vec<String> = program.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    if !verbs.iter().any(|verb| verb == CONNTRACK) {
        verbs.push(CONNTRACK.to_owned());
    }
    verbs
}

/// Writes every page into a folder and returns the names of the files. The folder is created if it is missing.
/// `conntrack.8` only refers to the page.
pub(crate) fn write_all(program: &Command, folder: &Path) -> io::Result<Vec<String>> {
    let name = program.get_name();
    let mut files = vec![(format!("{name}.1"), page(program.clone(), None))];
    for verb in verbs(program) {
        files.push((format!("{name}-{verb}.1"), page(program.clone(), Some(&verb))));
    }
    files.push((format!("{CONNTRACK}.8"), Ok(format!(".so man1/{name}-{CONNTRACK}.1\n"))));
    fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for (file, text) in files {
        fs::write(folder.join(&file), text.map_err(io::Error::other)?)?;
        written.push(file);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_that_names_it_and_its_options() {
        let program = crate::cli::definition();
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("share/man/man1");
        let files = write_all(&program, &folder).unwrap();
        assert_eq!(files.len(), verbs(&program).len() + 2);
        for verb in program.get_subcommands().filter(|verb| verb.get_name() != CONNTRACK) {
            let text = fs::read_to_string(folder.join(format!("ctwarden-{}.1", verb.get_name()))).unwrap();
            assert!(text.contains(&format!("ctwarden\\-{}", verb.get_name())), "{text}");
            for option in verb.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(&option.replace('-', "\\-")), "--{option} of {}", verb.get_name());
            }
        }
        let alias = fs::read_to_string(folder.join("conntrack.8")).unwrap();
        assert_eq!(alias, ".so man1/ctwarden-conntrack.1\n");
    }

    #[test]
    fn a_page_that_is_not_there_is_told_with_those_that_are() {
        let error = page(crate::cli::definition(), Some("dance")).unwrap_err().to_string();
        assert!(error.contains("\"dance\"") && error.contains("doctor, ") && error.contains(CONNTRACK), "{error}");
    }
}
