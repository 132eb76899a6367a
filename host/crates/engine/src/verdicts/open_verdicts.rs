//! Verdicts without an outcome. Each verdict lies in a slot, and freed slots are used again.
//!
//! Many verdicts may be open, and each is looked up several times in its short life. A slot is found at once. An
//! ordered map would search, and would move its elements at each insertion and removal.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Mode, Now, Outcome, PluginName, Refusal, Steady, Verdict, VerdictRecord};

use crate::ids::VerdictId;
use crate::verdicts::selection_progress::SelectionProgress;
use crate::{PluginId, Ticket};

/// A verdict without an outcome.
#[derive(Debug)]
pub(crate) struct OpenVerdict {
    pub(crate) plugin: PluginId,
    /// The record to write, as far as it is known. Its outcome is [`Refusal::NoAnswer`] until the real outcome is
    /// known.
    pub(crate) record: Box<VerdictRecord>,
    /// Bytes of the record and of the verdict's own heap memory.
    pub(crate) bytes: usize,
    pub(crate) arrived: Steady,
    pub(crate) ticket: Option<Ticket>,
    /// The progress of the selection, if the verdict is over a selection.
    pub(crate) selection: Option<Box<SelectionProgress>>,
    /// Whether the verdict answers an event, not a row.
    pub(crate) answers_event: bool,
    /// Whether the verdict counts as waiting for a sweep ([`crate::PluginBounds::selections`]).
    pub(crate) awaits_sweep: bool,
}

impl OpenVerdict {
    /// Creates the open verdict of a plugin with this name and mode. The flow of the verdict is not known yet.
    pub(crate) fn new(plugin: PluginId, name: PluginName, mode: Mode, verdict: Verdict, arrived: Now) -> Self {
        let bytes = size_of::<VerdictRecord>().saturating_add(verdict.heap_bytes());
        let record = Box::new(VerdictRecord {
            at: arrived.wall,
            plugin: name,
            mode,
            verdict,
            flow: None,
            outcome: Outcome::Refused(Refusal::NoAnswer),
            tally: None,
            took: Duration::ZERO,
        });
        Self {
            plugin,
            record,
            bytes,
            arrived: arrived.steady,
            ticket: None,
            selection: None,
            answers_event: false,
            awaits_sweep: false,
        }
    }
}

/// All open verdicts. There are as many slots as verdicts were ever open at once.
#[derive(Debug, Default)]
pub(crate) struct OpenVerdicts {
    next: u64,
    places: Vec<Option<(VerdictId, OpenVerdict)>>,
    free: Vec<usize>,
}

impl OpenVerdicts {
    pub(crate) const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, open: OpenVerdict) -> VerdictId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let id = VerdictId { number: self.next, place };
        self.next += 1;
        if let Some(free) = self.places.get_mut(place) {
            *free = Some((id, open));
        }
        id
    }

    pub(crate) fn get(&self, id: VerdictId) -> Option<&OpenVerdict> {
        self.places.get(id.place)?.as_ref().filter(|(at, _)| *at == id).map(|(_, open)| open)
    }

    pub(crate) fn get_mut(&mut self, id: VerdictId) -> Option<&mut OpenVerdict> {
        self.places.get_mut(id.place)?.as_mut().filter(|(at, _)| *at == id).map(|(_, open)| open)
    }

    pub(crate) fn remove(&mut self, id: VerdictId) -> Option<OpenVerdict> {
        let (_, open) = self.places.get_mut(id.place)?.take_if(|(at, _)| *at == id)?;
        self.free.push(id.place);
        Some(open)
    }

    /// Ids of the open verdicts, oldest first.
    pub(crate) fn ids(&self) -> Vec<VerdictId> {
        let mut ids: Vec<VerdictId> = self.places.iter().flatten().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use ctwarden_model::{Action, Target, Timestamp};

    use super::*;

    fn open(plugin: u32) -> OpenVerdict {
        let verdict =
            Verdict { target: Target::None, action: Action::Sweep, code: String::new(), reason: String::new() };
        let name = PluginName::new("first").unwrap();
        let now = Now { wall: Timestamp(0), steady: Steady(0) };
        OpenVerdict::new(PluginId(plugin), name, Mode::Enforce, verdict, now)
    }

    #[test]
    fn a_place_is_used_again_and_an_old_name_finds_nothing_in_it() {
        let mut verdicts = OpenVerdicts::default();
        let ids: Vec<VerdictId> = (0..3).map(|plugin| verdicts.insert(open(plugin))).collect();
        assert_eq!(verdicts.remove(ids[1]).map(|open| open.plugin), Some(PluginId(1)));
        let later = verdicts.insert(open(3));
        assert_eq!((later.place, verdicts.len()), (ids[1].place, 3));
        assert!(verdicts.get(ids[1]).is_none() && verdicts.remove(ids[1]).is_none());
        assert_eq!(verdicts.get(later).map(|open| open.plugin), Some(PluginId(3)));
        assert_eq!(verdicts.ids(), [ids[0], ids[2], later]);
    }
}
