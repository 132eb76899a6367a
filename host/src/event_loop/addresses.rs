//! The addresses of this host and its gateways, which nobody may ban.

use std::time::Duration;

use ctwarden_model::Steady;

use super::EventLoop;
use crate::clock;
use crate::netlink::own_addresses;
use crate::never_banned::NeverBanned;

/// Interval between two reads.
const INTERVAL: Duration = Duration::from_secs(2);

impl EventLoop {
    /// Reads the addresses again if they may be old.
    pub(super) fn keep_addresses(&mut self, now: Steady) {
        if self.own_read.is_none_or(|read| now.since(read) >= INTERVAL) {
            self.read_own_addresses();
        }
    }

    /// Reports to the engine the addresses that no plugin may block. If they cannot be read, the previous addresses
    /// stay in force.
    pub(super) fn read_own_addresses(&mut self) {
        let now = clock::now();
        let first = self.own_read.replace(now.steady).is_none();
        match own_addresses() {
            Ok(own) if own == self.own => {}
            Ok(own) => {
                self.engine.handle_addresses(now, &own.all());
                self.own = own;
                self.never = NeverBanned::new(&self.protected, &self.own);
                self.firewall.use_never(self.never.networks());
            }
            Err(error) if first => {
                let error = anyhow::Error::from(error)
                    .context("cannot read this host's addresses, so plugins could block them");
                crate::log::say(&format!("warning: {error:#}"));
            }
            Err(_) => {}
        }
    }
}
