//! `-I expect` and `-D expect`: creates and removes an expectation.

use ctwarden_model::{Expectation, Tuple};
use ctwarden_wire::request;

use super::failure::Failure;
use super::kernel;

pub(super) fn create(expectation: &Expectation) -> Result<(), Failure> {
    kernel::open()?.ask(|buffer, sequence| request::expectation::create(buffer, sequence, expectation), |_| ())?;
    Ok(())
}

/// Removes the expectation that waits for the tuple.
pub(super) fn delete(tuple: &Tuple) -> Result<(), Failure> {
    kernel::open()?.ask(|buffer, sequence| request::expectation::delete_any(buffer, sequence, tuple), |_| ())?;
    Ok(())
}
