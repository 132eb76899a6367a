//! Address sets whose files have changed: a new list is taken over, and a refused list is reported.

use std::sync::Arc;

use ctwarden_model::{ChangedSet, ListCounts, Member, Notice, Prefix, SetName};

use super::EventLoop;
use crate::address_sets::{Refusal, Renewed};
use crate::plugins::LoadedConfig;
use crate::set_file::{Fresh, SetChange, SetFileError, Version};

impl EventLoop {
    pub(super) fn change_set(&mut self, (name, found): SetChange) {
        match found {
            Ok(Fresh { version, is_read, added, note }) => {
                if let Some(note) = note {
                    crate::log::say(&format!("set {name}: {note}"));
                }
                let before = self.sets.results(&name);
                self.claiming.keep_vanished(&name, &version);
                let renewed = self.sets.renew(&name, Arc::clone(&version), is_read);
                let changed = self.changed_set(&name, &version);
                match renewed {
                    Renewed::Networks => {
                        self.spread_list(name.clone(), Arc::clone(version.networks()), changed, members(added));
                    }
                    Renewed::Mended => self.write(Notice::SetChanged(changed)),
                    Renewed::Results => {}
                }
                // The same bad lines in the next version of a list are no news.
                let is_news = before.is_none_or(|before| !before.skipped_as(version.results()));
                if let Some(why) = version.results().skipped_in_words().filter(|_| is_news) {
                    crate::log::say(&format!("set {name}: skipped lines: {}: {why}", version.results().counts.bad));
                    self.tell_skipped(&name, &version);
                }
            }
            Err(error) => self.refuse_set(name, error.to_string(), error.counts()),
        }
    }

    /// Reports that lines of the list in use were skipped: in the records and among the alerts.
    pub(super) fn tell_skipped(&self, name: &SetName, version: &Version) {
        if let Some(why) = version.results().skipped_in_words() {
            self.write(Notice::SetLinesSkipped(self.changed_set(name, version), why));
        }
    }

    /// Reports that a list is not in use: on standard error, in the records, among the alerts and in the status.
    pub(super) fn refuse_set(&self, name: SetName, why: String, counts: Option<ListCounts>) {
        let stays = if self.sets.refuse(&name, Refusal { text: why.clone(), counts }) {
            "keeps its previous list"
        } else {
            "has no list"
        };
        crate::log::say(&format!("set {name} {stays}, the list in its file is refused: {why}"));
        self.write(Notice::SetRefused { set: name, counts, text: why });
    }

    /// Continues with the versions in use of the sets whose file stays the same. Where the new configuration has no good
    /// list, the version in use stays. Returns the sets whose list is refused.
    pub(super) fn go_on_with_sets(
        &mut self,
        prepared: &mut LoadedConfig,
    ) -> Vec<(SetName, String, Option<ListCounts>)> {
        let mut refused = Vec::new();
        for (name, set) in prepared.sets.all() {
            let before = set.file.as_deref().and_then(|file| self.sets.read_from(&name, file));
            let went_on = before.map(|before| (Arc::clone(&before), prepared.set_files.go_on_with(&name, before)));
            match went_on {
                Some((_, Ok(version))) => {
                    self.claiming.keep_vanished(&name, &version);
                    prepared.sets.go_on_with(&name, version);
                }
                Some((before, Err(error))) => {
                    prepared.sets.go_on_with(&name, before);
                    refused.push((name, error.to_string(), SetFileError::counts(&error)));
                    continue;
                }
                None => {
                    // Only the first configuration after a start finds any.
                    let vanished = self.claiming.take_vanished(&name);
                    let version = vanished.and_then(|rows| prepared.set_files.go_on_with_vanished(&name, rows));
                    if let Some(version) = version {
                        self.claiming.keep_vanished(&name, &version);
                        prepared.sets.go_on_with(&name, version);
                    }
                }
            }
            if let Some(refusal) = set.refused {
                refused.push((name, refusal.text, refusal.counts));
            }
        }
        refused
    }

    fn changed_set(&self, name: &SetName, version: &Version) -> ChangedSet {
        let networks = self.sets.get(name).map_or(0, |networks| networks.len()).try_into().unwrap_or(u64::MAX);
        ChangedSet { name: name.clone(), networks, counts: Some(version.results().counts) }
    }
}

/// The members that a list gained.
fn members(added: Option<Vec<Prefix>>) -> Option<Vec<Member>> {
    added.map(|added| added.into_iter().map(Member::network).collect())
}
