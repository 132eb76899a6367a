//! `ctwarden send`: sends messages to a plugin of the running daemon.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use ctwarden_control::ClientError;

use super::out::Out;
use super::{Socket, UNEXPECTED};
use crate::control::{self, Client, Request, Response};

/// Send messages to a plugin and print the outcome of each
///
/// Without MESSAGE, every line of standard input is a message. The exit status is 0 only if the plugin accepted every
/// message and every verdict had the requested effect. A flow that had already ended counts as ended. The exit status
/// is 1 if the plugin or the daemon refused a message; if a verdict was refused, over budget, protected or not granted;
/// if the plugin only observes; or if an outcome is not known after ten seconds. Standard error gives the reason.
///
/// A delete of more flows than the budget allows is answered at once with the outcomes so far. The rest continues as
/// the budget recovers, for at most ten minutes.
#[derive(Args)]
pub(super) struct Send {
    #[command(flatten)]
    socket: Socket,
    /// Wait only for the plugin's answer, not for the outcomes of its verdicts
    ///
    /// Useful to send many bans in a row, because the search for the last flow of a ban may take a dump of the table.
    /// The records still get the outcomes. The exit status is then 0 if the plugin accepted the message and nothing was
    /// refused by then.
    #[arg(long)]
    no_wait: bool,
    /// Name of the plugin in the configuration
    plugin: String,
    /// The message to send
    message: Option<String>,
}

impl Send {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut client = Client::connect(&self.socket.path()?)?;
        let mut all_taken = true;
        let of = |text| control::Send { plugin: self.plugin.clone(), text, no_wait: self.no_wait };
        match self.message {
            Some(text) => all_taken = send(&mut client, of(text))?,
            None => {
                for line in io::stdin().lock().lines() {
                    let line = line.context("cannot read standard input")?;
                    if !line.trim().is_empty() {
                        all_taken &= send(&mut client, of(line))?;
                    }
                }
            }
        }
        Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Returns whether the message had the requested effect. If not, standard error gets the reasons.
fn send(client: &mut Client, message: control::Send) -> Result<bool> {
    let answer = client.request(&Request::Send(message));
    if let Err(ClientError::Refused(why)) = &answer {
        crate::log::say(why);
        return Ok(false);
    }
    let Response::Sent(sent) = answer? else { bail!("{UNEXPECTED}") };
    writeln!(Out::plain(), "{sent}")?;
    for shortfall in &sent.shortfalls {
        crate::log::say(shortfall);
    }
    Ok(sent.shortfalls.is_empty())
}
