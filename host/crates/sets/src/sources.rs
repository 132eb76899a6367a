//! The sources of one set, by a short number, with the number of claims of each.

use alloc::vec::Vec;

use crate::Source;

/// A source of one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(u16);

#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<(Source, usize)>);

impl Sources {
    pub(crate) fn find(&self, source: &Source) -> Option<SourceId> {
        let at = self.0.iter().position(|(known, _)| known == source)?;
        u16::try_from(at).ok().map(SourceId)
    }

    /// The number of the source, a new one if necessary. `None` if the set has as many sources as there are numbers and
    /// each of them has claims.
    pub(crate) fn find_or_add(&mut self, source: &Source) -> Option<SourceId> {
        if let Some(id) = self.find(source) {
            return Some(id);
        }
        // The number of a source without claims may be used again.
        let unused = self.0.iter().position(|(_, claims)| *claims == 0);
        let at = unused.unwrap_or(self.0.len());
        let id = SourceId(u16::try_from(at).ok()?);
        match self.0.get_mut(at) {
            Some(entry) => *entry = (source.clone(), 0),
            None => self.0.push((source.clone(), 0)),
        }
        Some(id)
    }

    pub(crate) fn get(&self, id: SourceId) -> &Source {
        self.0.get(usize::from(id.0)).map_or(&Source::Configuration, |(source, _)| source)
    }

    /// Counts one more claim of the source, or one less.
    pub(crate) fn count(&mut self, id: SourceId, more: bool) {
        if let Some((_, claims)) = self.0.get_mut(usize::from(id.0)) {
            *claims = if more { claims.saturating_add(1) } else { claims.saturating_sub(1) };
        }
    }

    pub(crate) fn set(&mut self, id: SourceId, claims: usize) {
        if let Some((_, count)) = self.0.get_mut(usize::from(id.0)) {
            *count = claims;
        }
    }

    pub(crate) fn claims(&self, source: &Source) -> usize {
        self.0.iter().find(|(known, _)| known == source).map_or(0, |(_, claims)| *claims)
    }

    /// Every source with claims, and the number of its claims.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Source, usize)> {
        self.0.iter().map(|(source, claims)| (source, *claims)).filter(|(_, claims)| *claims > 0)
    }
}
