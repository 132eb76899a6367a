//! Where a plugin comes from: `path`, `use` and `rules` of `[[plugin]]`. Yields the component and its configuration.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctwarden_builtins::{Builtin, HOW_TO_BUILD};
use ctwarden_rules::Rules;
use serde_json::Value;
use toml::Spanned;

use super::json::to_json;
use super::problem::{Problem, Section};
use super::resolve::Resolver;
use super::resolved::ComponentOrigin;
use super::written;
use crate::trusted_path;

/// Largest component. The largest components in circulation (whole JavaScript engines) have 12 MiB.
const COMPONENT_MAX: u64 = 64 << 20;

/// Largest file of rules: far more than 256 rules need.
const RULES_MAX: u64 = 1 << 20;

/// What the name of a builtin begins with.
const PREFIX: &str = "builtin:";

/// A component and its configuration.
pub(super) struct PluginSource {
    pub(super) origin: ComponentOrigin,
    pub(super) component: Arc<[u8]>,
    pub(super) config: Value,
}

impl Resolver<'_, '_> {
    /// Returns the component of the plugin and its configuration, or notes every mistake.
    pub(super) fn source(&mut self, key: &str, plugin: &written::Plugin) -> Option<PluginSource> {
        let config = self.config(key, plugin.config.as_ref());
        match (&plugin.path, &plugin.builtin) {
            (Some(path), None) => {
                if let Some(rules) = &plugin.rules {
                    let what = "only use = \"builtin:rules\" reads a file of rules; remove rules, or path";
                    self.findings.at(&rules.span(), format_args!("{key}: rules: {what}"));
                }
                let file = self.base.join(path.get_ref());
                let bytes =
                    self.keep(&path.span(), &format!("{key}: path"), trusted_path::read(&file, COMPONENT_MAX))?;
                Some(PluginSource { origin: ComponentOrigin::File(file), component: bytes.into(), config: config? })
            }
            (None, Some(name)) => self.builtin(key, name, plugin, config),
            (Some(_), Some(name)) => {
                let what = "the plugin has a path as well; remove use or path";
                self.findings.at(&name.span(), format_args!("{key}: use: {what}"));
                None
            }
            (None, None) => {
                let what = "path is missing; write path = \"FILE.wasm\", or use = \"builtin:NAME\"";
                self.findings.at(&plugin.name.span(), format_args!("{key}: {what}"));
                None
            }
        }
    }

    fn builtin(
        &mut self,
        key: &str,
        name: &Spanned<String>,
        plugin: &written::Plugin,
        config: Option<Value>,
    ) -> Option<PluginSource> {
        let found = self.keep(&name.span(), &format!("{key}: use"), named(name.get_ref()))?;
        let config = match (found.rule_file(), &plugin.rules) {
            (Some(text), rules) => {
                self.refuse_options(key, found.name(), plugin, rules.as_ref().map(Spanned::span));
                // A test reads every rule file of the program.
                self.rules_of(key, &name.span(), text)
            }
            (None, Some(rules)) if found.name() == ctwarden_builtins::RULES => {
                if let Some(config) = &plugin.config {
                    let what = "the rules are in a file (rules); remove one of them";
                    self.findings.at(&config.span(), format_args!("{key}: config: {what}"));
                }
                self.rules_file(key, rules)
            }
            (None, Some(rules)) => {
                let what = "only use = \"builtin:rules\" reads a file of rules; remove rules";
                self.findings.at(&rules.span(), format_args!("{key}: rules: {what}"));
                None
            }
            (None, None) => config,
        };
        let component = found.component().ok_or_else(|| {
            let name = found.name();
            format!(
                "this program was built without the component of builtin:{name}; {HOW_TO_BUILD}, or name a file: path"
            )
        });
        let component = self.keep(&name.span(), &format!("{key}: use"), component)?;
        Some(PluginSource {
            origin: ComponentOrigin::Builtin(found.name()),
            component: component.into(),
            config: config?,
        })
    }

    /// A rule file of the program is complete and has no options.
    fn refuse_options(&mut self, key: &str, name: &str, plugin: &written::Plugin, rules: Option<Range<usize>>) {
        let config = plugin.config.as_ref().map(Spanned::span);
        for (option, place) in [("config", config), ("rules", rules)] {
            if let Some(place) = place {
                self.findings.at(
                    &place,
                    format_args!(
                        "{key}: {option}: builtin:{name} has no options; copy its rules (`ctwarden builtin show {name} > \
                         my.toml`), change them, and write use = \"builtin:rules\" and rules = \"my.toml\""
                    ),
                );
            }
        }
    }

    fn rules_of(&mut self, key: &str, place: &Range<usize>, text: &str) -> Option<Value> {
        match rules(Path::new(""), text) {
            Ok(rules) => Some(rules),
            Err(problems) => {
                for Problem { what, .. } in problems {
                    self.findings.at(place, format_args!("{key}: use: {what}"));
                }
                None
            }
        }
    }

    /// Reads a file of rules. Its mistakes are reported with their places in that file.
    fn rules_file(&mut self, key: &str, written: &Spanned<PathBuf>) -> Option<Value> {
        let file = self.base.join(written.get_ref());
        let name = format!("{key}: rules");
        let bytes = self.keep(&written.span(), &name, trusted_path::read(&file, RULES_MAX))?;
        let not_text = |_| format!("{} is not UTF-8; save it as UTF-8", file.display());
        let text = self.keep(&written.span(), &name, String::from_utf8(bytes).map_err(not_text))?;
        match rules(&file, &text) {
            Ok(rules) => Some(rules),
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.findings.push(problem));
                None
            }
        }
    }
}

/// Returns the builtin of a name such as `builtin:port-scan`.
fn named(text: &str) -> Result<Builtin, String> {
    let Some(name) = text.strip_prefix(PREFIX) else {
        let meant = if ctwarden_builtins::find(text).is_some() { text } else { "NAME" };
        return Err(format!("\"{text}\" is no builtin; write use = \"{PREFIX}{meant}\", or name a file: path"));
    };
    ctwarden_builtins::find(name).ok_or_else(|| {
        let meant = ctwarden_builtins::nearest(name).map(|name| format!(" did you mean {PREFIX}{name}?"));
        format!("there is no builtin \"{name}\";{} `ctwarden builtin list` prints all", meant.unwrap_or_default())
    })
}

/// Reads a file of rules. Which sets exist is not checked here: the component checks that with its grants.
pub(super) fn read_rules(file: &Path, text: &str) -> Result<Rules, Vec<Problem>> {
    ctwarden_rules::file::read(text, &|_| Ok(())).map_err(|mistakes| {
        let mistakes = mistakes.into_iter();
        mistakes.map(|mistake| problem(file, mistake.line, Some(mistake.column), mistake.what)).collect()
    })
}

fn problem(file: &Path, line: usize, column: Option<usize>, what: String) -> Problem {
    Problem { file: file.to_path_buf(), line: Some(line), column, section: Some(Section::Plugin), what }
}

/// Checks rules and returns them as the configuration of the component `rules`.
fn rules(file: &Path, text: &str) -> Result<Value, Vec<Problem>> {
    read_rules(file, text)?;
    let table: toml::Table =
        toml::from_str(text).map_err(|error| vec![problem(file, 1, None, error.message().to_owned())])?;
    // The rules were read, so every value has a form in JSON.
    to_json(&table).map_err(|mistakes| mistakes.into_iter().map(|what| problem(file, 1, None, what)).collect())
}
