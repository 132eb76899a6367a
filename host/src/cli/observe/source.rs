//! Waits for the next record, or for the reader of the output to go.

use std::io;

use anyhow::Result;
use ctwarden_control::Records;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

pub(super) enum Next {
    Line(String),
    /// The reader of standard output has closed the pipe.
    NobodyReads,
    /// The daemon has closed the connection.
    End,
}

/// Waits for the next record.
pub(super) fn next(records: &mut Records) -> Result<Next> {
    if !records.has_buffered() && !is_awaited(records)? {
        return Ok(Next::NobodyReads);
    }
    Ok(records.next_line()?.map_or(Next::End, Next::Line))
}

/// Waits until the daemon sends something. Returns false if nobody reads standard output any more: a pipe without a
/// reader reports an error, also if nothing is asked of it.
fn is_awaited(records: &Records) -> io::Result<bool> {
    let out = io::stdout();
    loop {
        let mut both = [PollFd::new(records, PollFlags::IN), PollFd::new(&out, PollFlags::empty())];
        match poll(&mut both, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [from, to] = both;
        if to.revents().contains(PollFlags::ERR) {
            return Ok(false);
        }
        if !from.revents().is_empty() {
            return Ok(true);
        }
    }
}
