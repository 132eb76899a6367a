//! One `[[plugin]]` of a configuration, built key by key.
//!
//! A scenario names only the keys that differ from the default.

use std::fmt::{self, Write};

/// A plugin of a configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    keys: String,
    tables: String,
    config: String,
    rules: Vec<String>,
}

impl Policy {
    /// A plugin with this name and this component.
    #[must_use]
    pub fn new(name: &str, component: &str) -> Self {
        let keys = format!("name = \"{name}\"\npath = \"{component}.wasm\"\n");
        Self { keys, tables: String::new(), config: String::new(), rules: Vec::new() }
    }

    /// The guest that follows its rules, in `enforce` mode. The plugin has every grant that its rules need: every kind
    /// except block, and all mark and label bits. A scenario grants block sets with a key of its own.
    #[must_use]
    pub fn scripted(rules: &[&str]) -> Self {
        let kinds = ["delete", "kill", "mark", "labels", "timeout", "alert", "log", "protect", "sweep"];
        let bits: Vec<u8> = (0..128).collect();
        Self::new("scripted", "guest-scripted")
            .enforce()
            .key(&format!("allow = {kinds:?}\nmark-mask = 0xffffffff\nlabel-bits = {bits:?}"))
            .needs(&kinds)
            .rules(rules)
    }

    /// The same guest, which needs these kinds and is granted these kinds only.
    #[must_use]
    pub fn scripted_with(allow: &[&str], rules: &[&str]) -> Self {
        Self::new("scripted", "guest-scripted").enforce().key(&format!("allow = {allow:?}")).needs(allow).rules(rules)
    }

    /// Sets the kinds that the guest `guest-scripted` needs. Without this call, the guest needs every kind.
    #[must_use]
    pub fn needs(self, kinds: &[&str]) -> Self {
        self.config(&format!("needs = {kinds:?}"))
    }

    /// Sets the mode to `enforce`.
    #[must_use]
    pub fn enforce(self) -> Self {
        self.key("mode = \"enforce\"")
    }

    /// The same plugin in the mode `observe`.
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

    /// Adds a line to `[plugin.NAME]`, such as `budget` or `limits`.
    #[must_use]
    pub fn of(mut self, table: &str, line: &str) -> Self {
        write!(self.tables, "[plugin.{table}]\n{line}\n").expect("text can be written to text");
        self
    }

    /// Adds lines to `[plugin.config]`.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Adds rules of the scripted guest.
    pub fn rules(mut self, rules: &[&str]) -> Self {
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
