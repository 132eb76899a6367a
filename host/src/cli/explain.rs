//! `ctwarden explain`: what one filter costs, before a policy or an operator uses it.

mod explanation;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use self::explanation::Explanation;
use super::out::Out;
use crate::{config, plain_json};

/// Explain how a filter is carried out: by the kernel, by the replica, or by ctwarden itself
///
/// FILTER is written as a `protect` table of the configuration, for example `zones = [7], src-ports = [53]`. Every part that is
/// given must hold; within a list any one suffices; without a part it is every flow.
///
/// Tells what a sweep or a bulk delete by that filter leaves to the kernel, what is matched behind it and why, what of the table
/// is walked all the same, whether the replica can answer it without a sweep, and what of it the kernel can drop from
/// the event socket. These are the decisions of the daemon itself, for this filter alone: where several plugins want
/// something, the kernel does what all their filters agree on, which ctwarden check shows. Nothing is asked of the kernel.
#[derive(Args)]
pub(super) struct Explain {
    /// The filter, in the words of a `protect` table
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
