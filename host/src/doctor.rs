//! The doctor: whether this machine is fit for ctwarden, and why its conntrack table may be empty.
//!
//! Connection tracking fails silently: it is off in a namespace, events are not sent, labels have no room. Each file
//! covers one subject. It gathers facts, judges them in a separate step, and reports the consequence and the command
//! that changes it.
//!
//! `ctwarden doctor` calls [`Facts::gather`], then [`Report::of`]. The daemon and `ctwarden check` use [`Senses`], the
//! findings on which the daemon acts.
//!
//! The doctor uses `netlink`, `terminal`, `warning` and `niceness` of this crate, and nothing of the daemon. Other
//! modules use only what this file exports.

mod buckets;
mod capability;
mod ctnetlink;
mod finding;
mod kernel;
mod kills;
mod labels;
mod muting;
mod netfilter;
mod per_family;
mod presence;
mod receive_buffer;
mod report;
mod senses;
mod setting;
mod switches;
mod table;
mod timeouts;
mod tracking;

use serde::Serialize;

pub(crate) use report::Report;
pub(crate) use senses::{EventSwitch, RuleChanges, RuleNews, SenseWatch, Senses};

use buckets::Buckets;
use capability::Capability;
use ctnetlink::Ctnetlink;
use kernel::Kernel;
use kills::Kills;
use labels::LabelRoom;
use presence::Presence;
use receive_buffer::ReceiveBuffer;
use switches::Switches;
use table::TableFill;
use timeouts::Timeouts;
use tracking::Tracking;

/// The facts that the doctor gathers from the machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    kernel: Kernel,
    conntrack: Presence,
    ctnetlink: Ctnetlink,
    capability: Capability,
    tracking: Tracking,
    labels: LabelRoom,
    table: TableFill,
    buckets: Buckets,
    switches: Switches,
    timeouts: Timeouts,
    receive_buffer: ReceiveBuffer,
    kills: Kills,
}

impl Facts {
    /// Asks the kernel. Connects to itself over loopback once in each family. If the rules do not show whether labels
    /// have room, creates an entry of its own for a moment. Changes nothing else and leaves nothing behind.
    pub(crate) fn gather() -> Self {
        let ctnetlink = Ctnetlink::ask();
        // After the first request, which may load modules and with them their settings.
        let tracking = Tracking::gather();
        Self {
            kernel: Kernel::read(),
            conntrack: Presence::of("nf_conntrack", "nf_conntrack_max"),
            capability: Capability::read(),
            labels: LabelRoom::find(&ctnetlink, tracking.rules.as_ref()),
            tracking,
            table: TableFill::read(&ctnetlink),
            buckets: Buckets::read(),
            switches: Switches::read(),
            timeouts: Timeouts::read(),
            receive_buffer: ReceiveBuffer::try_out(),
            kills: Kills::try_out(),
            ctnetlink,
        }
    }
}

#[cfg(test)]
impl Facts {
    /// Facts of a machine about which nothing is known.
    fn blank() -> Self {
        Self {
            kernel: Kernel { release: None },
            conntrack: Presence::Absent,
            ctnetlink: Ctnetlink::NotPermitted,
            capability: Capability { net_admin: None, user_namespace: false },
            tracking: Tracking::untracked(),
            labels: LabelRoom::Unknown("not examined".to_owned()),
            table: TableFill::default(),
            buckets: Buckets { buckets: None },
            switches: Switches::default(),
            timeouts: Timeouts::default(),
            receive_buffer: ReceiveBuffer { limit: None, forced: false, bytes: None, events: None },
            kills: Kills::Unknown("not examined".to_owned()),
        }
    }

    fn set_table(&mut self, maximum: Option<u64>, buckets: Option<u64>) {
        self.table = TableFill { entries: Some(17), maximum, dropped: Some(1), early_dropped: Some(u64::MAX) };
        self.buckets = Buckets { buckets };
    }
}
