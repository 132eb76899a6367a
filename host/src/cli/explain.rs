//! `ctwarden explain`: the cost of one filter, before a policy or an operator uses it.

mod explanation;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ctwarden_control::plain_json;

use self::explanation::Explanation;
use super::out::Out;
use crate::config;

/// Explain which parts of a filter the kernel, the replica and ctwarden apply
///
/// FILTER has the syntax of a `protect` table of the configuration, for example `zones = [7], src-ports = [53]`. Every
/// given part must hold. In a list, any one value suffices. A filter without parts matches every flow.
///
/// For a sweep or a bulk delete by this filter, shows which parts the kernel applies, which parts ctwarden matches
/// itself and why, and how much of the table the kernel walks. Also shows whether the replica can find the flows
/// without a sweep, and which events the kernel can drop in front of the event socket. These are the daemon's own
/// decisions, for this filter alone. For several plugins the kernel applies only what all their filters have in common,
/// which ctwarden check shows. Sends no request to the kernel.
#[derive(Args)]
pub(super) struct Explain {
    /// The filter, in the syntax of a `protect` table
    #[arg(value_name = "FILTER")]
    filter: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode> {
        let explanation = Explanation::of(&config::one_filter(&self.filter)?);
        let mut out = Out::plain();
        if self.json {
            plain_json::to_writer_pretty(&mut out, &explanation.to_json())?;
            writeln!(out)?;
        } else {
            for (name, texts) in explanation.lines() {
                let names = std::iter::once(name).chain(std::iter::repeat(""));
                for (name, text) in names.zip(texts) {
                    writeln!(out, "{name:<10} {text}")?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
