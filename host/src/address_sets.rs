//! The current versions of the operator's address sets, shared by all plugins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ctwarden_model::{ListCounts, Prefix, PrefixMap, SetName};

use crate::set_file::{Networks, Results, Shortest, Version};

#[derive(Clone, Debug, Default)]
pub(crate) struct AddressSet {
    /// The networks of the file or of the configuration; `None` until a good list was read.
    pub(crate) networks: Option<Networks>,
    /// The networks that people, programs and policies claim.
    claimed: Networks,
    /// All networks of the set; `None` if there is neither a good list nor a claim.
    all: Option<Networks>,
    /// The version of the file that is in use, for a set that comes from a file.
    pub(crate) version: Option<Arc<Version>>,
    /// The file of the networks; `None` if they are in the configuration.
    pub(crate) file: Option<PathBuf>,
    /// Why the current content of the file is not in use.
    pub(crate) refused: Option<Refusal>,
    /// Wider networks are refused, from every source.
    pub(crate) shortest: Shortest,
}

/// Why the content of a file is not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) text: String,
    /// Counts of the list, if it could be read.
    pub(crate) counts: Option<ListCounts>,
}

impl AddressSet {
    /// A set with these networks, which nothing but a reload changes.
    pub(crate) fn of_networks(networks: Networks) -> Self {
        Self { networks: Some(networks), ..Self::default() }
    }

    pub(crate) fn with_shortest(self, shortest: Shortest) -> Self {
        Self { shortest, ..self }
    }

    pub(crate) fn of_file(file: PathBuf, version: Arc<Version>) -> Self {
        let networks = Some(Arc::clone(version.networks()));
        Self { networks, version: Some(version), file: Some(file), ..Self::default() }
    }

    /// A set without networks, because its file has no good list.
    pub(crate) fn of_refused_file(file: PathBuf, refusal: Refusal) -> Self {
        Self { file: Some(file), refused: Some(refusal), ..Self::default() }
    }

    /// All networks of the set: those of its list, and those that people, programs and policies claim.
    pub(crate) const fn all(&self) -> Option<&Networks> {
        self.all.as_ref()
    }

    fn take(&mut self, version: Arc<Version>) {
        self.networks = Some(Arc::clone(version.networks()));
        self.version = Some(version);
        self.merge();
    }

    /// Puts list and claims together. The list has no ends, so its value counts where both have a network.
    fn merge(&mut self) {
        self.all = match &self.networks {
            Some(listed) if self.claimed.is_empty() => Some(Arc::clone(listed)),
            None if self.claimed.is_empty() => None,
            None => Some(Arc::clone(&self.claimed)),
            Some(listed) => {
                let mut all = PrefixMap::clone(listed);
                for (network, value) in self.claimed.iter().filter(|(network, _)| listed.get(*network).is_none()) {
                    all.insert(network, value.clone());
                }
                Some(Arc::new(all))
            }
        };
    }

    /// Changes the claimed value of one network. `None` means that no claim is left.
    fn claim(&mut self, network: Prefix, value: Option<&str>) {
        put(Arc::make_mut(&mut self.claimed), network, value);
        match &mut self.all {
            // The copy shares its parts with the map that the plugins hold, so a change of a large set is cheap.
            Some(all) if !self.claimed.is_empty() => {
                if self.networks.as_ref().is_none_or(|listed| listed.get(network).is_none()) {
                    put(Arc::make_mut(all), network, value);
                }
            }
            Some(_) | None => self.merge(),
        }
    }
}

fn put(networks: &mut PrefixMap<Arc<str>>, network: Prefix, value: Option<&str>) {
    match value {
        Some(value) => drop(networks.insert(network, value.into())),
        None => drop(networks.remove(network)),
    }
}

/// What a new version of a set has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    Networks,
    /// Nothing but the counts of the list, such as its lines.
    Results,
    /// The list was refused in between, and now equals the list in use.
    Mended,
}

#[derive(Clone, Default)]
pub(crate) struct AddressSets(Arc<RwLock<BTreeMap<SetName, AddressSet>>>);

impl AddressSets {
    pub(crate) fn insert(&self, name: SetName, mut set: AddressSet) {
        set.merge();
        self.change(|sets| drop(sets.insert(name, set)));
    }

    /// Changes the claimed values of networks. `None` means that no claim is left.
    /// Returns the number of networks of the set, or `None` if there is no such set.
    pub(crate) fn claim<'a>(
        &self,
        name: &SetName,
        networks: impl IntoIterator<Item = (Prefix, Option<&'a str>)>,
    ) -> Option<usize> {
        self.change(|sets| {
            let set = sets.get_mut(name)?;
            for (network, value) in networks {
                set.claim(network, value);
            }
            Some(set.all.as_ref().map_or(0, |all| all.len()))
        })
    }

    /// Replaces the networks by those of a later version. If it was read from the file, the file has a good list again.
    pub(crate) fn renew(&self, name: &SetName, version: Arc<Version>, is_read: bool) -> Renewed {
        self.change(|sets| {
            let set = sets.entry(name.clone()).or_default();
            let was_refused = is_read && set.refused.take().is_some();
            let same = set.networks.as_ref().is_some_and(|before| Arc::ptr_eq(before, version.networks()));
            set.take(version);
            match (same, was_refused) {
                (false, _) => Renewed::Networks,
                (true, true) => Renewed::Mended,
                (true, false) => Renewed::Results,
            }
        })
    }

    /// Notes that a list was refused. Returns whether an older list stays in use.
    pub(crate) fn refuse(&self, name: &SetName, refusal: Refusal) -> bool {
        self.change(|sets| {
            let set = sets.entry(name.clone()).or_default();
            set.refused = Some(refusal);
            set.networks.is_some()
        })
    }

    /// Takes a version over from the configuration before. Whether the list of the file is refused does not change.
    pub(crate) fn go_on_with(&self, name: &SetName, version: Arc<Version>) {
        self.change(|sets| {
            if let Some(set) = sets.get_mut(name) {
                set.take(version);
            }
        });
    }

    /// The version in use, if it was read from `file`.
    pub(crate) fn read_from(&self, name: &SetName, file: &Path) -> Option<Arc<Version>> {
        let set = self.look(|sets| sets.get(name).cloned())?;
        set.version.filter(|_| set.file.as_deref() == Some(file))
    }

    /// What was in the file of the list in use.
    pub(crate) fn results(&self, name: &SetName) -> Option<Results> {
        self.look(|sets| Some(sets.get(name)?.version.as_ref()?.results().clone()))
    }

    /// All networks of a set.
    ///
    /// # Errors
    /// Why there are none, on one line.
    pub(crate) fn get(&self, name: &SetName) -> Result<Networks, String> {
        let Some(set) = self.look(|sets| sets.get(name).cloned()) else {
            return Err(format!("there is no set {name}"));
        };
        set.all.ok_or_else(|| {
            let why =
                set.refused.as_ref().and_then(|refusal| refusal.text.lines().next()).unwrap_or("nothing was read");
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
