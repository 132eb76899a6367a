//! What a configuration consists of, to tell what a reload has changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config;
use crate::control::{Difference, ReloadReport};
use crate::firewall::Mirror;
use crate::plugins::{LoadedConfig, PluginOutline};
use crate::set_file::Shortest;
use crate::sinks;

/// The parts of a configuration by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Outline {
    plugins: BTreeMap<String, PluginOutline>,
    sets: BTreeMap<String, SetOutline>,
    /// Protections by their filter and comment, with their number.
    protections: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SetOutline {
    file: Option<PathBuf>,
    shortest: Shortest,
    /// Where the set is mirrored in the packet filter.
    mirror: &'static str,
}

impl Outline {
    pub(super) fn of(loaded: &LoadedConfig) -> Self {
        let plugins = loaded.plugins.iter().map(|plugin| (plugin.spec.name.to_string(), plugin.outline.clone()));
        let sets = loaded.sets.all().into_iter().map(|(name, set)| {
            let mirror = match loaded.mirrors.get(&name) {
                None => "not mirrored",
                Some(Mirror::Managed(_)) => "mirrored in the table of ctwarden",
                Some(Mirror::Operators(_)) => "mirrored in the operator's sets",
            };
            (name.to_string(), SetOutline { file: set.file, shortest: set.shortest, mirror })
        });
        let mut protections = BTreeMap::new();
        for protected in &loaded.protected {
            *protections.entry(in_words(protected)).or_insert(0) += 1;
        }
        Self { plugins: plugins.collect(), sets: sets.collect(), protections }
    }

    /// What the `newer` configuration adds, removes and changes.
    pub(super) fn difference(&self, newer: &Self, needs_restart: &[&'static str]) -> ReloadReport {
        let mut plugins = difference(&self.plugins, &newer.plugins, PluginOutline::changes);
        let mode = |plugin: &PluginOutline| plugin.mode().name();
        for name in &mut plugins.added {
            *name = newer.plugins.get(name).map_or_else(|| name.clone(), |plugin| format!("{name} ({})", mode(plugin)));
        }
        ReloadReport {
            plugins,
            sets: difference(&self.sets, &newer.sets, SetOutline::changes),
            protections: difference(&self.protections, &newer.protections, |_, _| vec!["number".to_owned()]),
            needs_restart: needs_restart.iter().map(|key| (*key).to_owned()).collect(),
        }
    }
}

impl SetOutline {
    fn changes(&self, newer: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.file != newer.file {
            changes.push("file".to_owned());
        }
        if self.shortest != newer.shortest {
            changes.push("widest network".to_owned());
        }
        if self.mirror != newer.mirror {
            changes.push(format!("{} -> {}", self.mirror, newer.mirror));
        }
        changes
    }
}

fn in_words(protected: &config::Protected) -> String {
    let filter = sinks::filter_in_words(&protected.filter);
    if protected.comment.is_empty() { filter } else { format!("{filter} ({})", protected.comment) }
}

fn difference<T: PartialEq>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    changes: impl Fn(&T, &T) -> Vec<String>,
) -> Difference {
    let missing_in = |other: &BTreeMap<String, T>, names: &BTreeMap<String, T>| {
        names.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    let both = before.iter().filter_map(|(name, old)| Some((name, old, after.get(name)?)));
    Difference {
        added: missing_in(before, after),
        removed: missing_in(after, before),
        changed: both
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| format!("{name}: {}", changes(old, new).join(", ")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_not_told() {
        let map = |parts: &[(&str, u8)]| parts.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let (before, after) = (map(&[("a", 1), ("b", 1), ("c", 1)]), map(&[("b", 1), ("c", 2), ("d", 1)]));
        let told = difference(&before, &after, |old, new| vec![format!("{old} -> {new}")]);
        assert_eq!((told.added, told.removed), (vec!["d".to_owned()], vec!["a".to_owned()]));
        assert_eq!(told.changed, ["c: 1 -> 2"]);
        assert!(difference(&after, &after, |_, _| Vec::new()).is_empty());
    }
}
