//! A configuration for a rehearsal: a configuration file, or a file of rules that gets the grants that it needs.

use std::fmt::Write;
use std::path::Path;

use ctwarden_rules::{Needs, Rules};

use super::plugin_source::read_rules;
use super::problem::{Problem, Problems};
use super::resolved::Configuration;
use super::rule_grants::{grant_keys, quoted};
use super::{FILE_MAX, load, load_bytes, resolve};
use crate::trusted_path;

/// Loads a file for a rehearsal. A file with `[[rule]]` at the top level is a file of rules: `builtin:rules` applies
/// them in mode `enforce`, with the grants that they need. The sets and protections are those of the configuration
/// `beside`. A set that it lacks is empty.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_for_rehearsal(file: &Path, beside: Option<&Path>) -> Result<Configuration, Problems> {
    let Some(text) = text_of_rules(file)? else {
        return match beside {
            None => load(file),
            Some(_) => {
                let what = "is a configuration and not a file of rules, which begin with [[rule]]; remove --config";
                let file = file.to_path_buf();
                Err(Problems(vec![Problem { file, line: None, column: None, section: None, what: what.to_owned() }]))
            }
        };
    };
    let rules = read_rules(file, &text).map_err(Problems)?;
    let own = load_bytes(file, around(file, &rules).as_bytes())?;
    let Some(beside) = beside else { return Ok(own) };
    let mut configuration = load(beside)?;
    configuration.plugins = own.plugins;
    for (name, set) in own.sets {
        configuration.sets.entry(name).or_insert(set);
    }
    for (name, mirror) in own.mirrors {
        configuration.mirrors.entry(name).or_insert(mirror);
    }
    Ok(configuration)
}

/// The text of a file of rules. `None`: the file is something else.
fn text_of_rules(file: &Path) -> Result<Option<String>, Problems> {
    let bytes =
        trusted_path::read(file, FILE_MAX).map_err(|error| Problems(vec![resolve::unreadable(file, &error)]))?;
    let text = String::from_utf8_lossy(&bytes);
    let is_rules = text.lines().any(|line| {
        // Not parsed as TOML: a file of rules with a mistake in its syntax is still one.
        let line = line.split('#').next().unwrap_or_default().trim();
        line == "[[rule]]" || line.split_once('=').is_some_and(|(key, _)| key.trim() == "rule")
    });
    Ok(is_rules.then(|| text.into_owned()))
}

/// A configuration that has only these rules.
fn around(file: &Path, rules: &Rules) -> String {
    let needs = Needs::of(rules);
    let mut text = String::new();
    for set in needs.read_sets.union(&needs.block_sets) {
        let firewall = if needs.block_sets.contains(set) { "firewall = true\n" } else { "" };
        // Writing into a text cannot fail.
        let _ = write!(text, "[sets.{}]\n{firewall}", quoted(set));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let keys = grant_keys(&needs).join("\n");
    let rules = quoted(&name);
    let _ = write!(
        text,
        "[[plugin]]\nname = \"rules\"\nuse = \"builtin:rules\"\nrules = {rules}\nmode = \"enforce\"\n{keys}\n"
    );
    text
}
