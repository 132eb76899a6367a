//! `ctwarden send`: a word to a plugin of the running daemon.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Socket;
use super::out::Out;
use crate::control::{self, Client, Request, Response};

/// Send messages to a plugin and print what came of each
///
/// Without MESSAGE every line of standard input is one. The exit status is 0 only where all that was asked for is so: the plugin
/// took each message, and each of its verdicts came to what it asks for. A flow that had ended already counts as ended. It is
/// 1 where the plugin or the daemon refused any, where a verdict was refused, over budget, protected or not granted, where the
/// plugin only observes, and where the outcome is not known after ten seconds; standard error says which.
///
/// A deletion of more flows than the budget allows is answered at once with what is done; the rest goes on as the budget
/// returns, for ten minutes at most.
#[derive(Args)]
pub(super) struct Send {
    #[command(flatten)]
    socket: Socket,
    /// Wait for the plugin's answer only, and not for what comes of its verdicts
    ///
    /// For whoever has the next ban at hand: to find the last flow of one may take a reading of the table. What comes of the
    /// verdicts is in the records as always. The exit status is then 0 where the plugin has taken the message and nothing was
    /// refused by then.
    #[arg(long)]
    no_wait: bool,
    /// Name of the plugin in the configuration
    plugin: String,
    /// What to send
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

/// Whether it was taken; why not is said on standard error.
fn send(client: &mut Client, message: control::Send) -> Result<bool> {
    match client.ask(&Request::Send(message))? {
        Response::Sent(sent) => {
            writeln!(Out::plain(), "{sent}")?;
            for shortfall in &sent.shortfalls {
                crate::log::say(shortfall);
            }
            Ok(sent.shortfalls.is_empty())
        }
        Response::Error(why) => {
            crate::log::say(&why);
            Ok(false)
        }
        Response::Status(_) => bail!("the daemon answered something else than was asked; use the daemon's own version"),
    }
}
