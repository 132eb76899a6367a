//! The policies that are in the program, so that an operator needs no file for them.
//!
//! A builtin is a rule file or a component. A rule file is the configuration of the component `rules`, and an operator
//! can copy and change it. A component is a crate of `plugins/`, compiled to WebAssembly.
//!
//! ```
//! let rules = ctwarden_builtins::find("rules").unwrap();
//! assert!(rules.readme().is_some_and(|page| page.contains("TOML")));
//! assert_eq!(ctwarden_builtins::nearest("port-scna"), Some("port-scan"));
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

include!(concat!(env!("OUT_DIR"), "/lists.rs"));

/// The component that applies rules.
pub const RULES: &str = "rules";

/// How to get a program that has the components.
pub const HOW_TO_BUILD: &str = "build ctwarden with `cargo xtask guests` and then `cargo build`";

/// A policy that is in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    name: &'static str,
    summary: &'static str,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Rules(&'static str),
    Component { readme: &'static str, bytes: Option<&'static [u8]> },
}

impl Builtin {
    /// Returns the name, without `builtin:`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what the policy does, on one line.
    #[must_use]
    pub const fn summary(&self) -> &'static str {
        self.summary
    }

    /// Returns the text of the rule file. `None`: the builtin is a component.
    #[must_use]
    pub const fn rule_file(&self) -> Option<&'static str> {
        match self.content {
            Content::Rules(text) => Some(text),
            Content::Component { .. } => None,
        }
    }

    /// Returns the page that describes the component. `None`: the builtin is a rule file.
    #[must_use]
    pub const fn readme(&self) -> Option<&'static str> {
        match self.content {
            Content::Component { readme, .. } => Some(readme),
            Content::Rules(_) => None,
        }
    }

    /// Returns the component that runs the policy: `rules` for a rule file. `None`: the program was built without it.
    #[must_use]
    pub fn component(&self) -> Option<&'static [u8]> {
        match self.content {
            Content::Component { bytes, .. } => bytes,
            Content::Rules(_) => component_of(RULES),
        }
    }
}

/// Returns all builtins: the components, then the rule files, each in the order of their names.
pub fn all() -> impl Iterator<Item = Builtin> {
    let components = COMPONENTS.iter().map(|(name, summary, readme, bytes)| Builtin {
        name,
        summary,
        content: Content::Component { readme, bytes: *bytes },
    });
    let files = RULE_FILES.iter().map(|(name, text)| Builtin {
        name,
        summary: title(name, text),
        content: Content::Rules(text),
    });
    components.chain(files)
}

/// Returns the builtin with this name.
#[must_use]
pub fn find(name: &str) -> Option<Builtin> {
    all().find(|builtin| builtin.name == name)
}

/// Returns the most similar name, if any is similar.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let likeness = |other: &&str| strsim::jaro(name, other);
    let names = all().map(|builtin| builtin.name).filter(|other| likeness(other) > 0.8);
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// Returns the bytes of all components that the program has.
pub fn components() -> impl Iterator<Item = &'static [u8]> {
    COMPONENTS.iter().filter_map(|(.., bytes)| *bytes)
}

fn component_of(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, ..)| *known == name).and_then(|(.., bytes)| *bytes)
}

/// Returns the title of a rule file, from its first line: `# NAME: what it does.`
fn title(name: &str, text: &'static str) -> &'static str {
    let line = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
    let title = line.strip_prefix(name).map_or(line, |rest| rest.trim_start_matches([':', ' ']));
    title.trim_end_matches('.')
}

#[cfg(test)]
mod tests;
