//! The current versions of the operator's address sets, shared by all plugins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ctwarden_model::SetName;

use crate::set_file::Networks;

#[derive(Clone, Debug, Default)]
pub(crate) struct AddressSet {
    /// The networks of the set; `None` until a good list was read.
    pub(crate) networks: Option<Networks>,
    /// The file of the networks; `None` if they are in the configuration.
    pub(crate) file: Option<PathBuf>,
    /// Why the current content of the file is not in use.
    pub(crate) refused: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct AddressSets(Arc<RwLock<BTreeMap<SetName, AddressSet>>>);

impl AddressSets {
    pub(crate) fn insert(&self, name: SetName, set: AddressSet) {
        self.change(|sets| drop(sets.insert(name, set)));
    }

    /// Replaces the networks by those of a good list. Returns whether the networks differ from the old ones.
    pub(crate) fn renew(&self, name: &SetName, networks: Networks) -> bool {
        self.change(|sets| {
            let set = sets.entry(name.clone()).or_default();
            set.refused = None;
            let same = set.networks.as_ref().is_some_and(|before| Arc::ptr_eq(before, &networks));
            set.networks = Some(networks);
            !same
        })
    }

    /// Notes that a list was refused. Returns whether an older list stays in use.
    pub(crate) fn refuse(&self, name: &SetName, why: &str) -> bool {
        self.change(|sets| {
            let set = sets.entry(name.clone()).or_default();
            set.refused = Some(why.to_owned());
            set.networks.is_some()
        })
    }

    /// Keeps an earlier list in use if there is no good one.
    pub(crate) fn go_on_with(&self, name: &SetName, networks: &Networks) {
        self.change(|sets| {
            if let Some(set) = sets.get_mut(name) {
                set.networks.get_or_insert_with(|| Arc::clone(networks));
            }
        });
    }

    /// The list in use, if it was read from `file`.
    pub(crate) fn read_from(&self, name: &SetName, file: &Path) -> Option<Networks> {
        let set = self.look(|sets| sets.get(name).cloned())?;
        set.networks.filter(|_| set.file.as_deref() == Some(file))
    }

    /// The list in use.
    ///
    /// # Errors
    /// Why there is no list, on one line.
    pub(crate) fn get(&self, name: &SetName) -> Result<Networks, String> {
        let Some(set) = self.look(|sets| sets.get(name).cloned()) else {
            return Err(format!("there is no set {name}"));
        };
        set.networks.ok_or_else(|| {
            let why = set.refused.as_deref().and_then(|why| why.lines().next()).unwrap_or("nothing was read");
            format!("set {name} has no valid list: {why}")
        })
    }

    /// All sets, by name.
    pub(crate) fn all(&self) -> BTreeMap<SetName, AddressSet> {
        self.look(BTreeMap::clone)
    }

    fn look<T>(&self, look: impl FnOnce(&BTreeMap<SetName, AddressSet>) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<SetName, AddressSet>) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}
