//! One value for each plugin of a configuration, indexed by the id of the plugin.

use alloc::vec::Vec;

use crate::PluginId;

/// Values in the order of the configuration. The ids of one configuration are consecutive.
#[derive(Debug)]
pub(crate) struct PerPlugin<T> {
    first: PluginId,
    values: Vec<T>,
}

impl<T> Default for PerPlugin<T> {
    fn default() -> Self {
        Self { first: PluginId(0), values: Vec::new() }
    }
}

impl<T> PerPlugin<T> {
    pub(crate) const fn new(first: PluginId, values: Vec<T>) -> Self {
        Self { first, values }
    }

    fn index(&self, id: PluginId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first.0)?).ok()
    }

    pub(crate) fn get(&self, id: PluginId) -> Option<&T> {
        self.values.get(self.index(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: PluginId) -> Option<&mut T> {
        let index = self.index(id)?;
        self.values.get_mut(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }

    pub(crate) fn into_values(self) -> Vec<T> {
        self.values
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = PluginId> + use<T> {
        let first = self.first.0;
        (0..self.values.len()).filter_map(move |index| Some(PluginId(first + u32::try_from(index).ok()?)))
    }

    /// All ids in turn, beginning with the one after `last`.
    pub(crate) fn ids_after(&self, last: Option<PluginId>) -> impl Iterator<Item = PluginId> + use<T> {
        let count = self.values.len();
        let start = last.and_then(|id| self.index(id)).map_or(0, |index| index.saturating_add(1));
        let first = self.first.0;
        (0..count).filter_map(move |step| {
            let index = (start + step).checked_rem(count)?;
            Some(PluginId(first + u32::try_from(index).ok()?))
        })
    }
}
