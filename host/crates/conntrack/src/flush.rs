//! `-F`: empties a table.

use ctwarden_model::Family;
use ctwarden_netlink::RequestSocket;
use ctwarden_wire::{ExactFilter, request};

use super::failure::{Failure, TITLE};
use super::output::say;

/// Removes every flow, or every flow of a family.
pub(super) fn flows(kernel: &mut RequestSocket, family: Option<Family>) -> Result<(), Failure> {
    let everything = ExactFilter::everything(family);
    kernel.ask(|buffer, sequence| request::delete_matching(buffer, sequence, &everything), |_| ())?;
    say(&format!("{TITLE}connection tracking table has been emptied."));
    Ok(())
}

pub(super) fn expectations(kernel: &mut RequestSocket) -> Result<(), Failure> {
    kernel.ask(request::expectation::flush, |_| ())?;
    say(&format!("{TITLE}expectation table has been emptied."));
    Ok(())
}
