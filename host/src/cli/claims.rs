//! `ctwarden claims`: what people, programs and policies have added to an address set of the running daemon.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use ctwarden_control::plain_json;

use super::out::Out;
use super::{Socket, UNEXPECTED};
use crate::control::{ClaimReport, ClaimsOfSet, ClaimsReport, Client, Request, Response};

/// Show what people, programs and policies added to an address set
#[derive(Args)]
pub(super) struct Claims {
    #[command(flatten)]
    socket: Socket,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Name of the set in the configuration
    set: String,
}

impl Claims {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        let request = Request::Claims(ClaimsOfSet { set: self.set.clone() });
        let Response::Claims(report) = client.request(&request)? else { bail!("{UNEXPECTED}") };
        let mut out = Out::plain();
        if self.json {
            plain_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            write!(out, "{}", in_words(&self.set, &report))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn in_words(set: &str, report: &ClaimsReport) -> String {
    let mut lines: Vec<String> = report.claims.iter().map(line).collect();
    if report.more > 0 {
        lines.push(format!("and {} more", report.more));
    }
    let claims = u64::try_from(report.claims.len()).unwrap_or(u64::MAX).saturating_add(report.more);
    let plural = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    lines.push(format!("set {set}: {}, {}", plural(claims, "claim"), plural(report.networks, "network")));
    lines.join("\n") + "\n"
}

/// "198.51.100.7 by alice since 2026-11-30T12:00:00Z until 2026-11-30T13:00:00Z: port scan"
fn line(claim: &ClaimReport) -> String {
    let ClaimReport { network, source, since, until, value, reason } = claim;
    let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    let value = if value.is_empty() { String::new() } else { format!(" value \"{value}\"") };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{network} by {source} since {since}{until}{value}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_claim_is_one_line_and_the_last_line_counts() {
        let claim = |network: &str, until: Option<&str>, reason: &str| ClaimReport {
            network: network.into(),
            source: "alice".into(),
            since: "A".into(),
            until: until.map(Into::into),
            value: String::new(),
            reason: reason.into(),
        };
        let claims = vec![claim("192.0.2.1", Some("B"), "scan"), claim("2001:db8::/32", None, "")];
        let report = ClaimsReport { claims, more: 0, networks: 1 };
        let expected = "192.0.2.1 by alice since A until B: scan\n2001:db8::/32 by alice since A\n\
                        set banned: 2 claims, 1 network\n";
        assert_eq!(in_words("banned", &report), expected);
    }
}
