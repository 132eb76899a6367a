//! Address sets whose files have changed: a new list is taken over, and a refused list is reported.

use ctwarden_model::{Notice, SetName};

use super::EventLoop;
use crate::clock;
use crate::plugins::LoadedConfig;
use crate::set_file::{Fresh, SetChange};

impl EventLoop {
    pub(super) fn change_set(&mut self, (name, found): SetChange) {
        match found {
            Ok(Fresh { networks, note }) => {
                if let Some(note) = note {
                    crate::log::say(&format!("set {name}: {note}"));
                }
                if self.sets.renew(&name, networks) {
                    self.engine.handle_set_changed(clock::now(), &name);
                } else {
                    // The list was refused in between and now equals the list in use.
                    self.write(Notice::SetChanged(name));
                }
            }
            Err(error) => self.refuse_set(name, error.to_string()),
        }
    }

    /// Reports that a list is not in use: on standard error, in the records, among the alerts and in the status.
    pub(super) fn refuse_set(&self, name: SetName, why: String) {
        let stays = if self.sets.refuse(&name, &why) { "keeps its previous list" } else { "has no list" };
        crate::log::say(&format!("set {name} {stays}, the list in its file is refused: {why}"));
        self.write(Notice::SetRefused(name, why));
    }

    /// Replaces refused lists by the previous lists if both come from the same file.
    pub(super) fn go_on_with_sets(&self, prepared: &mut LoadedConfig) -> Vec<(SetName, String)> {
        let mut refused = Vec::new();
        for (name, set) in prepared.sets.all() {
            let Some(why) = set.refused else { continue };
            let before = set.file.as_deref().and_then(|file| self.sets.read_from(&name, file));
            if let Some(networks) = before {
                prepared.sets.go_on_with(&name, &networks);
                prepared.set_files.go_on_with(&name, networks);
            }
            refused.push((name, why));
        }
        refused
    }
}
