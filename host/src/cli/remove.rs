//! `ctwarden remove`: removes networks from an address set of the running daemon.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use ctwarden_model::Prefix;
use nix::unistd::{Uid, User};

use super::out::Out;
use super::{Socket, UNEXPECTED};
use crate::control::{ChangedNetwork, Client, RemoveFromSet, Request, Response};
use crate::set_file::{Shortest, parse_line};

/// Networks of one request: a request is one line of bounded length, and the loop carries it out at once.
const IN_ONE_REQUEST: usize = 10_000;

/// Remove networks from an address set
///
/// Removes what you added, and nothing that other people, programs or the list of the set have. A network that these still
/// have stays in the set; the answer names them. The exit status is 0 only if no network is in the set any more.
#[derive(Args)]
pub(super) struct Remove {
    #[command(flatten)]
    socket: Socket,
    /// Remove what all people, programs and policies added
    #[arg(long)]
    all: bool,
    /// Only one service of the networks, such as tcp/22
    #[arg(long, value_name = "PROTOCOL/PORTS")]
    service: Option<String>,
    #[command(flatten)]
    source: SourceName,
    /// Name of the set in the configuration
    set: String,
    #[command(flatten)]
    networks: Networks,
}

impl Remove {
    pub(super) fn run(self) -> Result<ExitCode> {
        let source = self.source.name()?;
        let mut client = Client::connect(&self.socket.path()?)?;
        let request = |networks| {
            let (set, service) = (self.set.clone(), self.service.clone());
            Request::Remove(RemoveFromSet { set, source: source.clone(), networks, service, all: self.all })
        };
        change(&mut client, &self.networks, request)
    }
}

/// Who claims the networks.
#[derive(Args)]
pub(super) struct SourceName {
    /// Name under which the networks are added: that of a program, for example. It tells claims apart and protects none:
    /// everybody who may use the control socket may use any name. Default: your user name
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

impl SourceName {
    pub(super) fn name(&self) -> Result<String> {
        if let Some(name) = &self.source {
            return Ok(name.clone());
        }
        let user = Uid::current();
        let known = User::from_uid(user).context("cannot look up your user name; name a --source")?;
        Ok(known.map_or_else(|| format!("uid-{user}"), |user| user.name))
    }
}

/// The networks on the command line, or on standard input.
#[derive(Args)]
pub(super) struct Networks {
    /// Addresses, networks or ranges; - reads them from standard input, one on a line
    #[arg(required = true)]
    networks: Vec<String>,
}

impl Networks {
    fn read(&self) -> Result<Vec<Prefix>> {
        let mut networks = Vec::new();
        for text in &self.networks {
            if text == "-" {
                for (line, number) in io::stdin().lock().lines().zip(1..) {
                    let line = line.context("cannot read standard input")?;
                    add(&line, &mut networks).with_context(|| format!("standard input, line {number}"))?;
                }
            } else {
                add(text, &mut networks)?;
            }
        }
        Ok(networks)
    }
}

/// Adds the networks of a line, as a list file may have it.
fn add(line: &str, networks: &mut Vec<Prefix>) -> Result<()> {
    match parse_line(line, Shortest { ipv4: 0, ipv6: 0 }) {
        Ok(Some(line)) => networks.extend_from_slice(line.networks()),
        Ok(None) => {}
        Err(mistake) => bail!("{}", mistake.told()),
    }
    Ok(())
}

/// Sends the networks and prints what was done with each of them.
pub(super) fn change(
    client: &mut Client,
    networks: &Networks,
    request: impl Fn(Vec<String>) -> Request,
) -> Result<ExitCode> {
    // All are read first: a mistake in the last line changes nothing.
    let networks: Vec<String> = networks.read()?.iter().map(ToString::to_string).collect();
    let mut all_done = true;
    let mut out = Out::plain();
    for networks in networks.chunks(IN_ONE_REQUEST) {
        let Response::Changed(lines) = client.request(&request(networks.to_vec()))? else { bail!("{UNEXPECTED}") };
        for ChangedNetwork { network, text, done } in lines {
            writeln!(out, "{network} {text}")?;
            all_done &= done;
        }
    }
    Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
