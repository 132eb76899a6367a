//! Counters of the table and of each processor (`IPCTNL_MSG_CT_GET_STATS`, `..._STATS_CPU`, `IPCTNL_MSG_EXP_...`).
//!
//! The kernel reports entries and maximum for the namespace, and everything else once for each processor. This module
//! computes the sums.

use ctwarden_model::TableStatistics;

use crate::attribute::{Attributes, Naming};
use crate::error::DecodeError;
use crate::message::{GENERIC, HEADER, Message};
use crate::nfnetlink_conntrack::{cta_stats, cta_stats_exp, cta_stats_global};

/// Size of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalStatistics {
    /// Entries of this network namespace (`CTA_STATS_GLOBAL_ENTRIES`).
    pub entries: Option<u32>,
    /// `nf_conntrack_max` (`CTA_STATS_GLOBAL_MAX_ENTRIES`, Linux 4.19 and later).
    pub maximum: Option<u32>,
}

/// Counters of one processor since boot (`CTA_STATS_*`); they wrap at 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStatistics {
    /// Number of the processor.
    pub cpu: u16,
    /// Entries found by lookups that should not have found one (`CTA_STATS_FOUND`).
    pub found: Option<u32>,
    /// Packets that belong to no connection (`CTA_STATS_INVALID`).
    pub invalid: Option<u32>,
    /// Entries inserted (`CTA_STATS_INSERT`; always 0 since Linux 4.9).
    pub insert: Option<u32>,
    /// Entries that could not be inserted (`CTA_STATS_INSERT_FAILED`).
    pub insert_failed: Option<u32>,
    /// Packets dropped because no entry could be created (`CTA_STATS_DROP`).
    pub drop: Option<u32>,
    /// Entries evicted to make room (`CTA_STATS_EARLY_DROP`).
    pub early_drop: Option<u32>,
    /// Broken ICMP errors (`CTA_STATS_ERROR`).
    pub error: Option<u32>,
    /// Lookups that started again because the table changed (`CTA_STATS_SEARCH_RESTART`).
    pub search_restart: Option<u32>,
    /// Entries that clashed with an existing tuple (`CTA_STATS_CLASH_RESOLVE`, Linux 5.10 and later).
    pub clash_resolve: Option<u32>,
    /// Entries refused because their hash chain was too long (`CTA_STATS_CHAIN_TOOLONG`, Linux 5.15 and later).
    pub chain_toolong: Option<u32>,
}

/// Expectation counters of one processor since boot (`CTA_STATS_EXP_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectationCpuStatistics {
    /// Number of the processor.
    pub cpu: u16,
    /// Expected flows that arrived (`CTA_STATS_EXP_NEW`).
    pub new: Option<u32>,
    /// Expectations that were created (`CTA_STATS_EXP_CREATE`).
    pub create: Option<u32>,
    /// Expectations that were removed (`CTA_STATS_EXP_DELETE`).
    pub delete: Option<u32>,
}

impl GlobalStatistics {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, DecodeError> {
        let (_, attributes) = message.generic()?;
        let mut statistics = Self::default();
        for attribute in Attributes::new(attributes, HEADER + GENERIC) {
            let naming: Naming = cta_stats_global::name;
            match attribute.number {
                cta_stats_global::ENTRIES => statistics.entries = attribute.be32(naming).ok(),
                cta_stats_global::MAX_ENTRIES => statistics.maximum = attribute.be32(naming).ok(),
                _ => {}
            }
        }
        Ok(statistics)
    }

    /// Copies the present values into the sum.
    pub fn add_to(&self, sum: &mut TableStatistics) {
        sum.entries = self.entries.unwrap_or(sum.entries);
        sum.maximum = self.maximum.unwrap_or(sum.maximum);
    }
}

impl CpuStatistics {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, DecodeError> {
        let (generic, attributes) = message.generic()?;
        let mut statistics = Self { cpu: generic.resource, ..Self::default() };
        for attribute in Attributes::new(attributes, HEADER + GENERIC) {
            let field = match attribute.number {
                cta_stats::FOUND => &mut statistics.found,
                cta_stats::INVALID => &mut statistics.invalid,
                cta_stats::INSERT => &mut statistics.insert,
                cta_stats::INSERT_FAILED => &mut statistics.insert_failed,
                cta_stats::DROP => &mut statistics.drop,
                cta_stats::EARLY_DROP => &mut statistics.early_drop,
                cta_stats::ERROR => &mut statistics.error,
                cta_stats::SEARCH_RESTART => &mut statistics.search_restart,
                cta_stats::CLASH_RESOLVE => &mut statistics.clash_resolve,
                cta_stats::CHAIN_TOOLONG => &mut statistics.chain_toolong,
                _ => continue,
            };
            *field = attribute.be32(cta_stats::name).ok();
        }
        Ok(statistics)
    }

    /// Adds this processor's counters to the sum.
    pub fn add_to(&self, sum: &mut TableStatistics) {
        let fields = [
            (&mut sum.insert_failed, self.insert_failed),
            (&mut sum.dropped, self.drop),
            (&mut sum.early_dropped, self.early_drop),
            (&mut sum.clashes, self.clash_resolve),
            (&mut sum.invalid, self.invalid),
        ];
        for (field, value) in fields {
            *field = field.saturating_add(value.unwrap_or_default().into());
        }
    }
}

impl ExpectationCpuStatistics {
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, DecodeError> {
        let (generic, attributes) = message.generic()?;
        let mut statistics = Self { cpu: generic.resource, ..Self::default() };
        for attribute in Attributes::new(attributes, HEADER + GENERIC) {
            let field = match attribute.number {
                cta_stats_exp::NEW => &mut statistics.new,
                cta_stats_exp::CREATE => &mut statistics.create,
                cta_stats_exp::DELETE => &mut statistics.delete,
                _ => continue,
            };
            *field = attribute.be32(cta_stats_exp::name).ok();
        }
        Ok(statistics)
    }
}
