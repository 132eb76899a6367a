//! Network namespaces, links, a firewall and traffic for the demo.
#![doc = include_str!("../README.md")]

mod bound;
mod firewall;
mod host;
mod isolate;
mod link;
mod network;
mod nftables;
mod requests;
mod sysctl;
mod traffic;

use std::time::Duration;

use thiserror::Error;

use bound::Bound;
pub use firewall::{BLOCKED_IPV4, BLOCKED_IPV6, FirewallError, TABLE};
use host::Host;
pub use host::HostError;
pub use isolate::{IsolateError, Isolated, isolate};
pub use network::NetworkError;
pub use sysctl::SysctlError;
use sysctl::Written;
pub use traffic::{Client, Exchanges, Held, Server, Service, TrafficError, Transfer};

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// All traffic ends after this time, whatever else happens.
    pub lifetime: Duration,
    /// Value of `nf_conntrack_tcp_loose`: whether a packet in the middle of a TCP connection creates an entry. If
    /// false, such packets are invalid and dropped, so a deleted connection ends.
    pub tcp_loose: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(120), tcp_loose: true }
    }
}

#[derive(Debug, Error)]
pub enum LabError {
    #[error("cannot make a host of the lab")]
    Host(#[from] HostError),
    #[error("cannot connect the lab's hosts")]
    Network(#[from] NetworkError),
    #[error("cannot prepare the lab's hosts")]
    Sysctl(#[from] SysctlError),
    #[error("cannot switch connection tracking on in the lab")]
    Firewall(#[from] FirewallError),
}

/// Three connected hosts. They end when the value is dropped, or with the process.
pub struct Lab {
    client: Client,
    server: Server,
    bound: Bound,
    missing: Vec<&'static str>,
    user_namespace: bool,
}

impl Lab {
    /// Builds the lab around the network namespace of this process, which becomes the gateway.
    ///
    /// # Errors
    /// The error names the remedy, if there is a known one. Nothing of the lab stays behind.
    pub fn build(isolated: Isolated, plan: Plan) -> Result<Self, LabError> {
        let client = Host::start("client")?;
        let server = Host::start("server")?;
        network::connect(&client, &server)?;
        firewall::load()?;
        let missing = tracking(plan)?;
        let bound = Bound::new(plan.lifetime);
        Ok(Self {
            client: Client::new(client, bound.clone()),
            server: Server::new(server, bound.clone()),
            bound,
            missing,
            user_namespace: isolated.user_namespace(),
        })
    }

    /// The host that opens connections and sends requests.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The host whose services answer.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Names of the settings that this kernel lacks or refuses to a user namespace. Without `nf_conntrack_acct` entries
    /// have no counters, and without `nf_conntrack_timestamp` they have no times.
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Whether the lab runs without root, in a user namespace.
    pub const fn in_user_namespace(&self) -> bool {
        self.user_namespace
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.bound.end();
    }
}

/// Applies the settings of connection tracking, and returns the names of those that the kernel lacks or refuses. The
/// settings appear with the kernel module, so the first rule must be loaded before.
fn tracking(plan: Plan) -> Result<Vec<&'static str>, SysctlError> {
    let settings = [
        ("net.netfilter.nf_conntrack_acct", "1"),
        ("net.netfilter.nf_conntrack_timestamp", "1"),
        // The value 2 would not do: entries that are older than the first listener need events, too.
        ("net.netfilter.nf_conntrack_events", "1"),
        ("net.netfilter.nf_conntrack_tcp_loose", if plan.tcp_loose { "1" } else { "0" }),
    ];
    let mut missing = Vec::new();
    for (name, value) in settings {
        match sysctl::write(name, value)? {
            Written::Done => {}
            Written::NotThere => missing.push(name),
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests;
