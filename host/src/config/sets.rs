//! The `[sets.NAME]` sections: what their keys mean, and which keys go together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use ctwarden_feeds::{Column, FieldPath, Format, Reading};
use ctwarden_model::{PrefixMap, SetName};
use toml::Spanned;

use super::names::Names;
use super::resolve::{Resolver, period};
use super::resolved::Mirror;
use super::scalar::Scalar;
use super::scalars::Scalars;
use super::word::set_name;
use super::written::{Set, WrittenFormat, WrittenOnBadLine};
use crate::address_sets::{AddressSet, Refusal};
use crate::set_file::{Fresh, Networks, Rules, SetFiles, Shortest, parse_line};

impl Resolver<'_, '_> {
    pub(super) fn sets(
        &mut self,
        written: &BTreeMap<Spanned<String>, Option<Set>>,
        files: &mut SetFiles,
    ) -> (BTreeMap<SetName, AddressSet>, BTreeMap<SetName, Mirror>) {
        let (mut sets, mut mirrors) = (BTreeMap::new(), BTreeMap::new());
        for (name, set) in written {
            let Some(set) = set else { continue };
            let key = format!("sets.{}", name.get_ref());
            let Some(set_name) = self.keep(&name.span(), &key, set_name(name.get_ref())) else { continue };
            let shortest = self.shortest(&key, set);
            if let Some(mirror) = self.mirror(&key, set) {
                mirrors.insert(set_name.clone(), mirror);
            }
            let resolved = match (&set.file, &set.entries) {
                (Some(file), None) => {
                    let before = self.findings.count();
                    let rules = self.rules(&key, set, shortest);
                    if self.findings.count() > before {
                        // Read in another way than was meant, the list would only have more mistakes.
                        sets.insert(set_name, AddressSet::default());
                        continue;
                    }
                    self.set_of_file(&key, &set_name, file, rules, files)
                }
                (None, Some(entries)) => {
                    self.refuse_keys_of_files(&key, set);
                    let networks = self.set_of_entries(&key, entries.get_ref(), shortest);
                    AddressSet::of_networks(networks)
                }
                (None, None) => {
                    self.refuse_keys_of_files(&key, set);
                    AddressSet::of_networks(Networks::default())
                }
                (Some(_), Some(_)) => {
                    let either = format_args!("{key}: has both file and entries; remove one of the two");
                    self.findings.at(&name.span(), either);
                    continue;
                }
            };
            sets.insert(set_name, resolved.with_shortest(shortest));
        }
        (sets, mirrors)
    }

    /// Shortest prefixes, as written or by default.
    fn shortest(&mut self, key: &str, set: &Set) -> Shortest {
        // Entries in the configuration file come from the operator and are never half-written.
        let default = if set.entries.is_some() { Shortest { ipv4: 0, ipv6: 0 } } else { Shortest::default() };
        let mut length = |name: &str, written: Option<&Spanned<u8>>, bits: u8, default: u8| {
            let Some(written) = written else { return default };
            let length = *written.get_ref();
            if length > bits {
                let what = format_args!("{key}.{name}: {length} is no prefix length; write 0 to {bits}");
                self.findings.at(&written.span(), what);
            }
            length
        };
        Shortest {
            ipv4: length("shortest-ipv4-prefix", set.shortest_ipv4_prefix.as_ref(), 32, default.ipv4),
            ipv6: length("shortest-ipv6-prefix", set.shortest_ipv6_prefix.as_ref(), 128, default.ipv6),
        }
    }

    /// Refuses keys that say how a file is read, because the set has none.
    fn refuse_keys_of_files(&mut self, key: &str, set: &Set) {
        for (name, place) in keys_of_files(set) {
            let what = format_args!("{key}.{name}: goes with a file, and this set has none; remove the key");
            self.findings.at(&place, what);
        }
    }

    fn rules(&mut self, key: &str, set: &Set, shortest: Shortest) -> Rules {
        let format = set.format.as_ref().map(|format| Format::from(*format.get_ref()));
        let mut reading = Reading::new(shortest)
            .skip_bad_lines(set.on_bad_line.as_ref().map(Spanned::get_ref) == Some(&WrittenOnBadLine::Skip))
            .allow_empty(set.allow_empty.as_ref().is_some_and(|allow| *allow.get_ref()));
        if let Some(format) = format {
            reading = reading.format(format);
        }
        if let Some(column) = self.column(key, "address-column", set.address_column.as_ref(), format) {
            reading = reading.address_column(column);
        }
        if let Some(column) = self.column(key, "value-column", set.value_column.as_ref(), format) {
            reading = reading.value_column(column);
        }
        if let Some(list) = &set.list {
            self.check_list(key, list, set, format);
            reading = reading.lists(list.get_ref().0.clone());
        }
        reading = self.of_database(key, set, format, reading);
        if let Some(largest) = set.largest_loss.as_ref().filter(|largest| *largest.get_ref() > 100) {
            let what = format_args!("{key}.largest-loss: {} is no percentage; write 0 to 100", largest.get_ref());
            self.findings.at(&largest.span(), what);
        }
        let lifetime = set.lifetime.as_ref();
        let lifetime =
            lifetime.map(|time| self.positive(&format!("{key}.lifetime"), Some(time), period, period(time.get_ref())));
        Rules { reading, lifetime, largest_loss: set.largest_loss.as_ref().map(|largest| *largest.get_ref()) }
    }

    /// The column that a key names, if the format has columns.
    fn column(
        &mut self,
        key: &str,
        name: &str,
        written: Option<&Spanned<Scalar>>,
        format: Option<Format>,
    ) -> Option<Column> {
        let written = written?;
        let mut refuse = |what: &str| {
            self.findings.at(&written.span(), format_args!("{key}.{name}: {what}"));
        };
        if let Some(format) = format.filter(|format| !format.has_columns()) {
            let format = format.name();
            refuse(&format!("format \"{format}\" has no columns; remove the key, or write format = \"csv\""));
            return None;
        }
        match (written.get_ref(), format) {
            (Scalar::Number(0), _) => refuse("columns are counted from 1; write a number from 1 up, or a name"),
            (Scalar::Number(_), Some(Format::JsonLines)) => {
                refuse("a field of an object has no number; write its name")
            }
            (Scalar::Word(word), _) if word.is_empty() => {
                refuse("names no column; write its name, or its number from 1")
            }
            (Scalar::Number(number), _) => return usize::try_from(*number).ok().map(Column::Number),
            (Scalar::Word(word), _) => return Some(Column::Name(word.clone())),
        }
        None
    }

    fn check_list(&mut self, key: &str, list: &Spanned<Names>, set: &Set, format: Option<Format>) {
        let mut refuse = |what: &str| self.findings.at(&list.span(), format_args!("{key}.list: {what}"));
        let Names(names) = list.get_ref();
        if names.is_empty() || names.iter().any(String::is_empty) {
            refuse("names no set; write for example list = \"bad\", or remove the key to read all sets");
        }
        if let Some(format) = format.filter(|format| !format.has_lists()) {
            let format = format.name();
            refuse(&format!(
                "a file of format \"{format}\" has one list; remove the key, or write format = \"ipset\" or \"nft\""
            ));
        } else if set.address_column.is_some() || set.value_column.is_some() {
            refuse("goes with the formats ipset and nft, which have no columns; remove this key, or the columns");
        }
    }

    /// Adds what the keys say about a database, and refuses those that go with lists of text.
    fn of_database(&mut self, key: &str, set: &Set, format: Option<Format>, mut reading: Reading) -> Reading {
        let bits = |written: Option<&Spanned<u8>>| written.map_or(0, |written| *written.get_ref());
        let (ipv4, ipv6) = (bits(set.shortest_ipv4_prefix.as_ref()), bits(set.shortest_ipv6_prefix.as_ref()));
        reading = reading.shortest_of_databases(Shortest { ipv4, ipv6 });
        let is_text = format.is_some_and(|format| format != Format::Mmdb);
        for (name, written) in [("field", &set.field), ("only", &set.only)] {
            if let Some(written) = written.as_ref().filter(|_| is_text) {
                let what = "goes with a MaxMind database; remove the key, or write format = \"mmdb\"";
                self.findings.at(&written.span(), format_args!("{key}.{name}: {what}"));
            }
        }
        if is_text {
            return reading;
        }
        if let Some(field) = &set.field {
            let path = field_path(field.get_ref());
            let example = "names no field; write for example field = \"country.iso_code\"";
            if let Some(path) = self.keep(&field.span(), &format!("{key}.field"), path.ok_or(example)) {
                reading = reading.field(path);
            }
        }
        if let Some(only) = &set.only {
            let values: Vec<String> = only.get_ref().0.iter().map(Scalar::to_string).collect();
            if values.is_empty() {
                let what = "names no value; write for example only = [\"RU\"], or remove the key to read all networks";
                self.findings.at(&only.span(), format_args!("{key}.only: {what}"));
            }
            reading = reading.only(values);
        }
        if format == Some(Format::Mmdb) || set.field.is_some() || set.only.is_some() {
            self.refuse_keys_of_text(key, set);
        }
        reading
    }

    /// Refuses keys of lists that go with no database.
    fn refuse_keys_of_text(&mut self, key: &str, set: &Set) {
        let skips = set.on_bad_line.as_ref().filter(|on| *on.get_ref() == WrittenOnBadLine::Skip);
        // Where the format is written, the other keys of lists have been refused already.
        let is_free = set.format.is_none();
        let keys = [
            ("address-column", set.address_column.as_ref().filter(|_| is_free).map(Spanned::span)),
            ("value-column", set.value_column.as_ref().filter(|_| is_free).map(Spanned::span)),
            ("list", set.list.as_ref().filter(|_| is_free).map(Spanned::span)),
            ("on-bad-line", skips.map(Spanned::span)),
            ("lifetime", set.lifetime.as_ref().map(Spanned::span)),
        ];
        for (name, place) in keys.into_iter().filter_map(|(name, place)| Some((name, place?))) {
            let what =
                format_args!("{key}.{name}: goes with lists of text, and this set has a database; remove the key");
            self.findings.at(&place, what);
        }
    }

    fn set_of_file(
        &mut self,
        key: &str,
        name: &SetName,
        file: &Spanned<PathBuf>,
        rules: Rules,
        files: &mut SetFiles,
    ) -> AddressSet {
        let path = self.base.join(file.get_ref());
        match files.add(name.clone(), &path, rules) {
            Ok(Fresh { version, is_read: _, added: _, note }) => {
                if let Some(note) = note {
                    crate::log::say(&format!("set {name}: {note}"));
                }
                if let Some(why) = version.results().skipped_in_words() {
                    crate::log::say(&format!("set {name}: skipped lines: {}: {why}", version.results().counts.bad));
                }
                AddressSet::of_file(path, version)
            }
            Err(error) => {
                let (text, counts) = (error.to_string(), error.counts());
                // Each line of the message begins with the set file's own name and line.
                for line in text.lines() {
                    self.findings.tolerate(&file.span(), format_args!("{key}: {line}"));
                }
                AddressSet::of_refused_file(path, Refusal { text, counts })
            }
        }
    }

    fn set_of_entries(&mut self, key: &str, entries: &[Spanned<String>], shortest: Shortest) -> Networks {
        let mut networks = PrefixMap::new();
        for entry in entries {
            let read = parse_line(entry.get_ref(), shortest).map_err(|mistake| mistake.told());
            if let Some(Some(line)) = self.keep(&entry.span(), key, read) {
                for network in line.networks() {
                    networks.insert(*network, line.value().into());
                }
            }
        }
        Arc::new(networks)
    }
}

/// The keys of a set that say how its file is read and kept, as far as they are written.
fn keys_of_files(set: &Set) -> impl Iterator<Item = (&'static str, Range<usize>)> {
    let keys = [
        ("format", set.format.as_ref().map(Spanned::span)),
        ("address-column", set.address_column.as_ref().map(Spanned::span)),
        ("value-column", set.value_column.as_ref().map(Spanned::span)),
        ("list", set.list.as_ref().map(Spanned::span)),
        ("field", set.field.as_ref().map(Spanned::span)),
        ("only", set.only.as_ref().map(Spanned::span)),
        ("on-bad-line", set.on_bad_line.as_ref().map(Spanned::span)),
        ("allow-empty", set.allow_empty.as_ref().map(Spanned::span)),
        ("lifetime", set.lifetime.as_ref().map(Spanned::span)),
        ("largest-loss", set.largest_loss.as_ref().map(Spanned::span)),
    ];
    keys.into_iter().filter_map(|(name, place)| Some((name, place?)))
}

/// A field as one text with dots, or as its steps.
fn field_path(Scalars(steps): &Scalars) -> Option<FieldPath> {
    match steps.as_slice() {
        [Scalar::Word(path)] => FieldPath::dotted(path),
        steps => FieldPath::new(steps.iter().map(Scalar::to_string).collect()),
    }
}

impl From<WrittenFormat> for Format {
    fn from(written: WrittenFormat) -> Self {
        match written {
            WrittenFormat::Plain => Self::Plain,
            WrittenFormat::Csv => Self::Csv,
            WrittenFormat::JsonLines => Self::JsonLines,
            WrittenFormat::Ipset => Self::Ipset,
            WrittenFormat::Nft => Self::Nft,
            WrittenFormat::Mmdb => Self::Mmdb,
        }
    }
}
