//! Parses a file's text into the written configuration, section by section.
//!
//! Each `[[plugin]]`, `[[protect]]` and named table is read separately, so a mistake in one does not hide those in the
//! others. Each message names the line and the key.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Error, ValueDeserializer};

use super::problem::{Findings, Section};
use super::wording::in_our_words;
use super::written::Written;

/// The sections of a file.
const SECTIONS: &str = "[daemon], [[protect]], [sets.NAME], [block.NAME], [[plugin]]";

/// Parses the text. Wrong parts are left out and noted. `None` if the text is not TOML.
pub(super) fn parse(text: &str, findings: &mut Findings<'_>) -> Option<Written> {
    let root = match DeTable::parse(text) {
        Ok(root) => root.into_inner(),
        Err(error) => {
            // Later syntax errors would be guesswork, so only the first is reported.
            findings.at(&error.span().unwrap_or(0..0), format_args!("not TOML: {}", error.message()));
            return None;
        }
    };
    let mut written = Written::default();
    let mut reader = SectionReader { root: &root, file_end: text.len(), findings };
    for (key, value) in &root {
        let section = section_of(key.get_ref());
        reader.findings.enter(section);
        match section {
            Some(Section::Daemon) => written.daemon = reader.section(value).unwrap_or_default(),
            Some(Section::Protect) => written.protect = reader.list("protect", value),
            Some(Section::Sets) => written.sets = reader.named("sets", value),
            Some(Section::Block) => written.block = reader.named("block", value),
            Some(Section::Plugin) => written.plugin = reader.list("plugin", value),
            None => {
                let what = format_args!("{}: no such section; the sections are {SECTIONS}", key.get_ref());
                reader.findings.at(&key.span(), what);
            }
        }
    }
    Some(written)
}

fn section_of(key: &str) -> Option<Section> {
    match key {
        "daemon" => Some(Section::Daemon),
        "protect" => Some(Section::Protect),
        "sets" => Some(Section::Sets),
        "block" => Some(Section::Block),
        "plugin" => Some(Section::Plugin),
        _ => None,
    }
}

/// Parses one table, in lines or in braces. Mistakes are noted.
pub(super) fn table<T: DeserializeOwned>(text: &str, findings: &mut Findings<'_>) -> Option<T> {
    let parsed = if text.trim_start().starts_with('{') {
        DeValue::parse(text)
    } else {
        DeTable::parse(text).map(|root| Spanned::new(root.span(), DeValue::Table(root.into_inner())))
    };
    match parsed {
        Ok(value) => {
            let root = value.get_ref().as_table()?;
            SectionReader { root, file_end: text.len(), findings }.section(&value)
        }
        Err(error) => {
            findings.at(&error.span().unwrap_or(0..0), format_args!("not TOML: {}", error.message()));
            None
        }
    }
}

struct SectionReader<'a, 'f, 'i> {
    root: &'a DeTable<'i>,
    file_end: usize,
    findings: &'a mut Findings<'f>,
}

impl<'i> SectionReader<'_, '_, 'i> {
    fn section<T: DeserializeOwned>(&mut self, value: &Spanned<DeValue<'i>>) -> Option<T> {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(section) => Some(section),
            Err(error) => {
                self.refuse(&error, value.span());
                None
            }
        }
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str, value: &Spanned<DeValue<'i>>) -> Vec<Spanned<T>> {
        let Some(items) = value.get_ref().as_array() else {
            self.findings.at(&value.span(), format_args!("{name}: not a list; begin each with [[{name}]]"));
            return Vec::new();
        };
        items.iter().filter_map(|item| self.section(item).map(|section| Spanned::new(item.span(), section))).collect()
    }

    fn named<T: DeserializeOwned>(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'i>>,
    ) -> BTreeMap<Spanned<String>, Option<T>> {
        let Some(table) = value.get_ref().as_table() else {
            self.findings.at(&value.span(), format_args!("{name}: not a table; begin each with [{name}.NAME]"));
            return BTreeMap::new();
        };
        table
            .iter()
            .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().as_ref().to_owned()), self.section(value)))
            .collect()
    }

    fn refuse(&mut self, error: &Error, section: Range<usize>) {
        let place = error.span().unwrap_or(section);
        let path = path_at(self.root, place.start.min(self.file_end));
        // The innermost key of a path such as "plugin a: budget.alerts-per-second" or "allow[0]".
        let key = path.rsplit(['.', ' ']).next().unwrap_or_default();
        let key = key.split_once('[').map_or(key, |(key, _)| key);
        self.findings.at(&place, format_args!("{path}: {}", in_our_words(error.message(), key)));
    }
}

/// The key at a byte offset of the text, in words: "plugin ban-follower: budget.alerts-per-second".
fn path_at(root: &DeTable<'_>, offset: usize) -> String {
    let mut path = String::new();
    descend_table(root, offset, &mut path);
    path
}

/// Descends to the innermost key whose key or value contains the offset. Returns whether there is one.
fn descend_table(table: &DeTable<'_>, offset: usize, path: &mut String) -> bool {
    table.iter().any(|(key, value)| {
        let length = path.len();
        if !path.is_empty() && !path.ends_with(' ') {
            path.push('.');
        }
        path.push_str(key.get_ref());
        if key.span().contains(&offset) || descend(value, offset, path) {
            return true;
        }
        path.truncate(length);
        false
    })
}

fn descend(value: &Spanned<DeValue<'_>>, offset: usize, path: &mut String) -> bool {
    let inside = match value.get_ref() {
        // The span of a table with a header does not include its keys, so such a table is always searched.
        DeValue::Table(table) => descend_table(table, offset, path),
        DeValue::Array(items) => descend_array(items, offset, path),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            false
        }
    };
    inside || value.span().contains(&offset)
}

fn descend_array(items: &DeArray<'_>, offset: usize, path: &mut String) -> bool {
    items.iter().enumerate().any(|(index, item)| {
        let length = path.len();
        match item.get_ref().get("name").and_then(|name| name.get_ref().as_str()) {
            Some(name) => path.push_str(&format!(" {name}: ")),
            None => path.push_str(&format!("[{index}]")),
        }
        if descend(item, offset, path) {
            path.truncate(path.trim_end_matches(": ").len());
            return true;
        }
        path.truncate(length);
        false
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn problems(text: &str) -> String {
        let path = Path::new("ctwarden.toml");
        let mut findings = Findings::new(path, text);
        let written = parse(text, &mut findings);
        findings.into_result(Some(written)).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_line_path_and_what_there_is() {
        let text = "[[plugin]]\nname = \"a\"\npath = \"a.wasm\"\n[plugin.budget]\nalerts-per-secon = 1\n";
        let said = problems(text);
        assert!(
            said.starts_with(
                "ctwarden.toml:5: plugin a: budget.alerts-per-secon: there is no key \"alerts-per-secon\""
            ),
            "{said}"
        );
        assert!(said.contains("did you mean alerts-per-second?"), "{said}");
    }

    #[test]
    fn an_unknown_section_is_named_with_those_there_are() {
        let said = problems("[deamon]\ncontrol = \"x\"\n");
        assert_eq!(
            said,
            "ctwarden.toml:1: deamon: no such section; the sections are [daemon], [[protect]], [sets.NAME], \
             [block.NAME], [[plugin]]"
        );
    }

    #[test]
    fn a_mistake_in_one_section_does_not_hide_the_others() {
        let text = "[daemon]\ncontrol = 1\n[[protect]]\nfamily = \"ipv5\"\n[sets.a]\nfiles = \"x\"\n[block.b]\n\
                    [[plugin]]\nname = \"a\"\npath = \"a\"\nmode = \"enforced\"\n[[plugin]]\nname = \"b\"\n\
                    [plugin.limits]\nmemory = \"64MB\"\n";
        let said = problems(text);
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 6, "{said}");
        for (line, begin) in lines.iter().zip([
            "ctwarden.toml:2: daemon.control: 1 is not a path in quotes; write for example control = \"/run/",
            "ctwarden.toml:4: protect[0].family: there is no choice \"ipv5\"; did you mean ipv",
            "ctwarden.toml:6: sets.a.files: there is no key \"files\"; did you mean file? the keys are file, entries",
            "ctwarden.toml:7: block.b: table is missing; write for example table = \"inet filter\"",
            "ctwarden.toml:11: plugin a: mode: there is no choice \"enforced\"; did you mean enforce? the choices are",
            "ctwarden.toml:15: plugin b: limits.memory: \"64MB\" is not a size; write digits and one of B, KiB",
        ]) {
            assert!(line.starts_with(begin), "{line}\nis not\n{begin}");
        }
    }

    #[test]
    fn a_single_table_where_a_list_belongs_is_told_how() {
        assert_eq!(
            problems("[plugin]\nname = \"a\"\n"),
            "ctwarden.toml:1: plugin: not a list; begin each with [[plugin]]"
        );
        assert_eq!(problems("sets = 3\n"), "ctwarden.toml:1: sets: not a table; begin each with [sets.NAME]");
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let said = problems("[daemon]\ncontrol = \"open\nstate = 1\n");
        assert!(said.starts_with("ctwarden.toml:2: not TOML: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    /// Words of the parser that are meaningless to users.
    const FOREIGN: [&str; 8] = [
        "invalid type",
        "invalid value",
        "unknown field",
        "unknown variant",
        "missing field",
        "expected",
        "struct ",
        "`",
    ];

    #[test]
    fn a_wrong_value_of_any_key_is_told_in_our_words() {
        let values =
            ["1", "-1", "1.5", "\"x\"", "true", "[1]", "[\"x\", [1]]", "{ a = 1 }", "1979-05-27", "99999999999"];
        let keys = super::super::wording::EXAMPLE.lines().filter_map(|line| {
            let (key, _) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-').then_some(key)
        });
        let keys: Vec<&str> = keys.collect();
        assert!(keys.len() > 60, "{keys:?}");
        let mut told = 0;
        for key in keys {
            for value in values {
                for section in [
                    "[daemon]",
                    "[[protect]]",
                    "[sets.a]",
                    "[block.b]",
                    "[[plugin]]\n[plugin.budget]",
                    "[[plugin]]\n[plugin.limits]",
                    "[[plugin]]",
                ] {
                    let text = format!("{section}\n{key} = {value}\n");
                    let path = Path::new("c.toml");
                    let mut findings = Findings::new(path, &text);
                    let written = parse(&text, &mut findings);
                    if let Err(problems) = findings.into_result(Some(written)) {
                        told += 1;
                        let said = problems.to_string();
                        assert!(FOREIGN.iter().all(|word| !said.contains(word)), "{text}: {said}");
                    }
                }
            }
        }
        assert!(told > 1_000, "{told}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let path = Path::new("c");
            let mut findings = Findings::new(path, &text);
            let _ = parse(&text, &mut findings);
        }

        #[test]
        fn no_text_that_looks_like_a_configuration_panics(
            parts in prop::collection::vec(prop::sample::select(vec![
                "[daemon]", "[[plugin]]", "[plugin.config]", "[[protect]]", "[sets.a]", "[block.b]", "\n", " = ", "name",
                "path", "\"x\"", "mark", "0x1", "[", "]", "{", "}", ",", "1979-05-27", "'''", "\"", "é", "#", "-1", "nan",
                "entries", "plugin", "protect", "sets", "daemon", ".", "true",
            ]), 0..40),
        ) {
            let text = parts.concat();
            let path = Path::new("c");
            let mut findings = Findings::new(path, &text);
            let _ = parse(&text, &mut findings);
        }
    }
}
