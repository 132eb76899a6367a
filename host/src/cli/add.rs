//! `ctwarden add`: adds networks to an address set of the running daemon.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;

use super::Socket;
use super::remove::{self, Networks, SourceName};
use crate::config::Period;
use crate::control::{AddToSet, Client, Request};

/// Add networks to an address set
///
/// The daemon keeps the networks on the disk, so that they survive a restart, also after a crash. Policies that subscribe
/// to the set learn of the change, and the packet filter drops the networks if the set has a firewall. A network that you
/// added before for a longer time keeps that time. Protected addresses are not added. The exit status is 0 only if every
/// network is in the set and in its firewall.
#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    socket: Socket,
    /// How long the networks stay in the set, for example 30m, 12h or 7d; without it, until they are removed
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// Why the networks are in the set, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Value that policies read with the network
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    value: String,
    /// Only one service of the networks: a protocol, or a protocol and destination ports, such as tcp/22
    #[arg(long, value_name = "PROTOCOL/PORTS")]
    service: Option<String>,
    #[command(flatten)]
    source: SourceName,
    /// Name of the set in the configuration
    set: String,
    #[command(flatten)]
    networks: Networks,
}

impl Add {
    pub(super) fn run(self) -> Result<ExitCode> {
        let seconds = self.time.as_deref().map(seconds).transpose()?;
        let source = self.source.name()?;
        let mut client = Client::connect(&self.socket.path()?)?;
        let request = |networks| {
            let Self { set, service, reason, value, .. } = &self;
            let (set, service) = (set.clone(), service.clone());
            let (reason, value) = (reason.clone(), value.clone());
            Request::Add(AddToSet { set, source: source.clone(), networks, service, seconds, value, reason })
        };
        remove::change(&mut client, &self.networks, request)
    }
}

/// The time in whole seconds, rounded up.
pub(super) fn seconds(text: &str) -> Result<u64> {
    let period: Period = text.parse().map_err(|error| anyhow!("--for: {error}"))?;
    let seconds = period.0.as_secs() + u64::from(period.0.subsec_nanos() > 0);
    if seconds == 0 {
        return Err(anyhow!("--for: \"{text}\" is no time at all; write a longer one"));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_to_seconds_and_never_none() {
        assert_eq!(seconds("90m").unwrap(), 5_400);
        assert_eq!(seconds("1ms").unwrap(), 1);
        assert!(seconds("0s").unwrap_err().to_string().contains("no time at all"));
        assert!(seconds("1 hour").unwrap_err().to_string().starts_with("--for: "));
    }
}
