//! State of the whole replica: epochs, overruns, the running sweep, and the memory limit.
//!
//! An epoch begins with each sweep. A record stores the epoch in which it was last confirmed.

use ctwarden_model::{Family, Steady};

use crate::knowledge::Knowledge;
use crate::sweep::Running;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) epoch: u32,
    /// Whether events arrive without loss: none was lost, or the socket was read empty since the loss.
    pub(crate) contiguous: bool,
    pub(crate) running: Option<Running>,
    ipv4: Knowledge,
    ipv6: Knowledge,
    pub(crate) limit: usize,
    pub(crate) turned_away: u64,
}

impl State {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            epoch: 0,
            contiguous: true,
            running: None,
            ipv4: Knowledge::NeverSwept,
            ipv6: Knowledge::NeverSwept,
            limit,
            turned_away: 0,
        }
    }

    pub(crate) const fn knowledge(&self, family: Family) -> Knowledge {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    pub(crate) const fn knowledge_mut(&mut self, family: Family) -> &mut Knowledge {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    /// Reports that a flow of the family found no room.
    pub(crate) fn turn_away(&mut self, family: Family, now: Steady) {
        self.turned_away = self.turned_away.saturating_add(1);
        if let Some(running) = &mut self.running {
            running.turned_away = true;
        }
        let knowledge = self.knowledge_mut(family);
        if knowledge.is_complete() {
            *knowledge = Knowledge::OverLimit { since: now };
        }
    }
}
