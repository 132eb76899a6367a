//! One `[[plugin]]` of a configuration, spelled out key by key.
//!
//! Scenarios say what differs from the default and nothing else.

use std::fmt::{self, Write};

/// A plugin as a configuration names it.
#[derive(Clone, Debug)]
pub struct Policy {
    keys: String,
    tables: String,
    config: String,
    rules: Vec<String>,
}

impl Policy {
    /// A plugin by that name, of the component of that name.
    #[must_use]
    pub fn new(name: &str, component: &str) -> Self {
        let keys = format!("name = \"{name}\"\npath = \"{component}.wasm\"\n");
        Self { keys, tables: String::new(), config: String::new(), rules: Vec::new() }
    }

    /// The guest that does what its rules say, in `enforce` mode, with all that its rules need granted: every kind, all
    /// mark and label bits. Block sets are a key of their own.
    #[must_use]
    pub fn scripted(rules: &[&str]) -> Self {
        let kinds = ["delete", "mark", "labels", "timeout", "alert", "log", "protect", "sweep"];
        let bits: Vec<u8> = (0..128).collect();
        Self::new("scripted", "guest-scripted")
            .enforce()
            .key(&format!("allow = {kinds:?}\nmark-mask = 0xffffffff\nlabel-bits = {bits:?}"))
            .needs(&kinds)
            .rules(rules)
    }

    /// The same, with these kinds needed and granted and nothing else.
    #[must_use]
    pub fn scripted_with(allow: &[&str], rules: &[&str]) -> Self {
        Self::new("scripted", "guest-scripted").enforce().key(&format!("allow = {allow:?}")).needs(allow).rules(rules)
    }

    /// The kinds that the guest which does what its rules say needs; otherwise it needs every kind.
    #[must_use]
    pub fn needs(self, kinds: &[&str]) -> Self {
        self.config(&format!("needs = {kinds:?}"))
    }

    /// Carries out, instead of only observing.
    #[must_use]
    pub fn enforce(self) -> Self {
        self.key("mode = \"enforce\"")
    }

    /// The same plugin, only observing.
    #[must_use]
    pub fn observe(mut self) -> Self {
        self.keys = self.keys.replace("mode = \"enforce\"\n", "");
        self
    }

    #[must_use]
    pub fn key(mut self, line: &str) -> Self {
        self.keys.push_str(line);
        self.keys.push('\n');
        self
    }

    /// A line of `[plugin.NAME]`, such as `budget` or `limits`.
    #[must_use]
    pub fn of(mut self, table: &str, line: &str) -> Self {
        write!(self.tables, "[plugin.{table}]\n{line}\n").expect("text can be written to text");
        self
    }

    /// Lines of `[plugin.config]`.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    fn rules(mut self, rules: &[&str]) -> Self {
        self.rules.extend(rules.iter().map(|&rule| rule.to_owned()));
        self
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[plugin]]\n{}{}", self.keys, self.tables)?;
        if !self.rules.is_empty() || !self.config.is_empty() {
            writeln!(f, "[plugin.config]")?;
        }
        if !self.rules.is_empty() {
            writeln!(f, "rules = {:?}", self.rules)?;
        }
        f.write_str(&self.config)
    }
}
