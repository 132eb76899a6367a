//! Checks the licences and sources of all linked crates against the list in `deny.toml`. cargo-deny does this and more,
//! but takes minutes to compile, and this check runs in every run of CI.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{process, tree};

/// An error that names every crate whose licence or source is not accepted.
pub(crate) fn check() -> Result<()> {
    let (configuration, lock) = (tree::root().join("deny.toml"), tree::root().join("Cargo.lock"));
    let configuration = fs::read_to_string(configuration).context("cannot read deny.toml")?;
    let lock = fs::read_to_string(lock).context("cannot read Cargo.lock")?;
    let accepted = accepted_in(&configuration);
    if accepted.is_empty() {
        bail!("deny.toml accepts no licence at all");
    }
    let mut cargo = process::cargo();
    cargo.args([
        "tree",
        "--locked",
        "--workspace",
        "--target=all",
        "--edges=all",
        "--prefix=none",
        "--format={p}\t{l}",
    ]);
    let listed = process::read(cargo.current_dir(tree::root()))?;
    let mut refused = foreign_sources(&lock);
    refused.extend(refused_licences(&listed, &accepted));
    if !refused.is_empty() {
        bail!("not accepted (the list is in deny.toml):\n  {}", refused.join("\n  "));
    }
    Ok(())
}

/// The strings of `allow = [...]` in the `[licenses]` table.
fn accepted_in(configuration: &str) -> Vec<&str> {
    let table = configuration.lines().map(str::trim).skip_while(|line| *line != "[licenses]").skip(1);
    let list = table.take_while(|line| !line.starts_with('[')).skip_while(|line| !line.starts_with("allow = ["));
    let quoted = list.take_while(|line| *line != "]").filter_map(|line| line.split('#').next()?.split('"').nth(1));
    quoted.collect()
}

/// Lines `NAME VERSION…<tab>LICENCE` whose licence is not accepted, each once.
fn refused_licences(listed: &str, accepted: &[&str]) -> Vec<String> {
    let mut refused: Vec<String> = Vec::new();
    for line in listed.lines() {
        let Some((package, licence)) = line.split_once('\t') else { continue };
        // "(*)" marks a crate that was listed before.
        let licence = licence.trim_end_matches("(*)").trim();
        if !is_accepted(licence, accepted) {
            let licence = if licence.is_empty() { "no licence" } else { licence };
            refused.push(format!("{}: {licence}", package.trim()));
        }
    }
    refused.sort();
    refused.dedup();
    refused
}

/// Packages of the lock file that come neither from this workspace nor from the registry.
fn foreign_sources(lock: &str) -> Vec<String> {
    let mut name = "";
    let mut foreign = Vec::new();
    for line in lock.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value.trim_matches('"');
        } else if let Some(source) = line.strip_prefix("source = ")
            && !source.trim_matches('"').starts_with("registry+")
        {
            foreign.push(format!("{name}: from {source}"));
        }
    }
    foreign
}

/// Evaluates SPDX expressions, annex D of the specification: OR binds weaker than AND, AND weaker than WITH. The slash
/// is the form for OR from before cargo required SPDX.
fn is_accepted(expression: &str, accepted: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    any_of(&mut words, accepted) == Some(true) && words.is_empty()
}

/// `None` if the text is no expression.
fn any_of(words: &mut &[&str], accepted: &[&str]) -> Option<bool> {
    let mut held = all_of(words, accepted)?;
    while take(words, "OR") {
        held |= all_of(words, accepted)?;
    }
    Some(held)
}

fn all_of(words: &mut &[&str], accepted: &[&str]) -> Option<bool> {
    let mut held = one(words, accepted)?;
    while take(words, "AND") {
        held &= one(words, accepted)?;
    }
    Some(held)
}

fn one(words: &mut &[&str], accepted: &[&str]) -> Option<bool> {
    if take(words, "(") {
        let held = any_of(words, accepted)?;
        return take(words, ")").then_some(held);
    }
    let licence = next(words)?;
    if take(words, "WITH") {
        let exception = next(words)?;
        return Some(accepted.contains(&format!("{licence} WITH {exception}").as_str()));
    }
    Some(accepted.contains(&licence))
}

fn take(words: &mut &[&str], expected: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == expected => {
            *words = rest;
            true
        }
        _ => false,
    }
}

fn next<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: [&str; 4] = ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];

    #[test]
    fn expressions_bind_as_spdx_says() {
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "GPL-3.0 AND BSL-1.0 OR MIT",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_accepted(good, &ACCEPTED), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "Unicode-3.0 WITH LLVM-exception",
            "MIT OR",
            "(MIT",
            "MIT MIT",
            "mit",
        ] {
            assert!(!is_accepted(bad, &ACCEPTED), "{bad}");
        }
    }

    #[test]
    fn a_refused_crate_is_named_once() {
        let listed =
            "a v1.0.0\tMIT\nb v2.0.0\tGPL-3.0\n\nb v2.0.0\tGPL-3.0 (*)\nc v3.0.0 (proc-macro)\t\na v1.0.0\tMIT (*)\n";
        assert_eq!(refused_licences(listed, &ACCEPTED), ["b v2.0.0: GPL-3.0", "c v3.0.0 (proc-macro): no licence"]);
    }

    #[test]
    fn a_source_outside_the_registry_is_named() {
        let lock = "[[package]]\nname = \"a\"\nsource = \"registry+https://x.example\"\n\n[[package]]\nname = \"own\"\n\n\
                    [[package]]\nname = \"b\"\nsource = \"git+https://y.example#1\"\n";
        assert_eq!(foreign_sources(lock), ["b: from \"git+https://y.example#1\""]);
    }

    #[test]
    fn the_list_is_read_from_the_configuration() {
        let text = "[graph]\nallow = [\n\"X\",\n]\n[licenses]\n# comment\nallow = [\n  \"MIT\", # why\n  # \"GPL-3.0\",\n  \"ISC\",\n]\n[bans]\nallow = [\n\"Y\",\n]\n";
        assert_eq!(accepted_in(text), ["MIT", "ISC"]);
        assert!(accepted_in(&fs::read_to_string(tree::root().join("deny.toml")).unwrap()).contains(&"MIT"));
    }
}
