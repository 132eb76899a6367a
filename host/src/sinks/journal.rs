//! Records in systemd's journal, in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
//!
//! Each record is one entry: a readable sentence, its severity, the JSON line and the fields for filters (`journalctl
//! CTWARDEN_PLUGIN=… CTWARDEN_OUTCOME=…`). An entry that is too large for a datagram is sent as a sealed memfd.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use ctwarden_model::{Action, Fault, Notice, Outcome, Record, text};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::patient::Patience;
use super::sink::{Lost, Sink};
use super::text::InWords;
use crate::trusted_path;

pub(crate) const SOCKET: &str = "/run/systemd/journal/socket";

/// Severities of RFC 5424.
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

pub(super) struct JournalSink {
    socket: UnixDatagram,
    path: PathBuf,
    patience: Patience,
}

impl JournalSink {
    /// Opens a socket. Fails if no journal listens at the path.
    pub(super) fn open(path: &Path, patience: Patience) -> io::Result<Self> {
        trusted_path::check_socket(path).map_err(io::Error::other)?;
        let socket = UnixDatagram::unbound()?;
        // Otherwise a journal that does not read blocks a write forever.
        socket.set_write_timeout(Some(Patience::look()))?;
        // Only a test: each entry is sent to the path again, so a restarted journald is found.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self { socket, path: path.to_path_buf(), patience })
    }

    fn send(&self, entry: &[u8]) -> Result<(), Lost> {
        loop {
            let sent = match self.socket.send_to(entry, &self.path) {
                Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => self.send_memfd(entry),
                sent => sent.map(drop),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.patience.is_over() => {}
                Err(error) => return Err(Lost { written: 0, lines: 1, error }),
            }
        }
    }

    fn send_memfd(&self, entry: &[u8]) -> io::Result<()> {
        let mut file =
            File::from(memfd_create("ctwarden-record", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC)?);
        file.write_all(entry)?;
        // journald maps the file and accepts it only if it can no longer change.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let address = UnixAddr::new(&self.path)?;
        let handles = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&handles)];
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(&[])], &rights, MsgFlags::empty(), Some(&address))?;
        Ok(())
    }
}

impl Sink for JournalSink {
    fn put(&mut self, record: &Record, line: &str) -> Result<u64, Lost> {
        self.send(&entry(record, line)).map(|()| 1)
    }

    fn put_lost(&mut self, lost: u64, line: &str) -> Result<(), Lost> {
        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", &format!("{lost} records could not be written to the journal"));
        field(&mut entry, "PRIORITY", &WARNING.to_string());
        field(&mut entry, "SYSLOG_IDENTIFIER", "ctwarden");
        field(&mut entry, "CTWARDEN_RECORD", line);
        self.send(&entry)
    }

    fn flush(&mut self) -> Result<u64, Lost> {
        Ok(0)
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fields of a record's entry.
fn entry(record: &Record, line: &str) -> Vec<u8> {
    let mut entry = Vec::with_capacity(line.len() + 512);
    // One line, because readers of the journal read it by lines.
    field(&mut entry, "MESSAGE", &text::line(&InWords(record).to_string().replace('\n', "; ")));
    field(&mut entry, "PRIORITY", &severity(record).to_string());
    field(&mut entry, "SYSLOG_IDENTIFIER", "ctwarden");
    match record {
        Record::Verdict(record) => {
            field(&mut entry, "CTWARDEN_PLUGIN", record.plugin.as_str());
            field(&mut entry, "CTWARDEN_ACTION", record.verdict.action.kind().name());
            field(&mut entry, "CTWARDEN_OUTCOME", record.outcome.name());
            field(&mut entry, "CTWARDEN_CODE", &record.verdict.code);
        }
        Record::Fault(record) => {
            field(&mut entry, "CTWARDEN_PLUGIN", record.plugin.as_str());
            field(&mut entry, "CTWARDEN_FAULT", record.fault.name());
        }
        Record::Notice(_, notice) => field(&mut entry, "CTWARDEN_NOTICE", super::json::notice_name(notice)),
    }
    field(&mut entry, "CTWARDEN_RECORD", line);
    entry
}

/// Appends one field. A value with a line end is preceded by its length; all others end with the line.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// Returns warning or worse for records that should wake an operator, notice for state changes, and informational for
/// the rest.
fn severity(record: &Record) -> u8 {
    match record {
        Record::Verdict(record) => match (&record.verdict.action, record.outcome) {
            (Action::Alert(alert), Outcome::Applied | Outcome::Observed) => alert.severity.min(7),
            (_, Outcome::Refused(_) | Outcome::NotGranted) => NOTICE,
            (
                _,
                Outcome::Applied
                | Outcome::Gone
                | Outcome::Replaced
                | Outcome::OverBudget
                | Outcome::Protected
                | Outcome::Observed
                | Outcome::Superseded,
            ) => INFORMATIONAL,
        },
        Record::Fault(record) => match record.fault {
            Fault::Trap(_)
            | Fault::Panic(_)
            | Fault::OutOfTime { .. }
            | Fault::Stuck { .. }
            | Fault::OutOfMemory { .. }
            | Fault::TooMuch { .. }
            | Fault::Exited(_)
            | Fault::Configuration(_) => ERROR,
        },
        Record::Notice(_, notice) => match **notice {
            Notice::Overrun
            | Notice::BreakerOpened(..)
            | Notice::Missed(..)
            | Notice::SetRefused { .. }
            | Notice::SetLinesSkipped(..)
            | Notice::FirewallRepaired(_)
            | Notice::RecordsFolded(..)
            | Notice::ComesBack { .. }
            | Notice::ReloadFailed(_)
            | Notice::Warned { .. } => WARNING,
            Notice::Swept { .. } => INFORMATIONAL,
            Notice::Restarted(_)
            | Notice::BreakerClosed(_)
            | Notice::Paused(..)
            | Notice::Resumed(_)
            | Notice::ModeChanged(..)
            | Notice::SetChanged(_)
            | Notice::ClaimsChanged(_)
            | Notice::Reloaded
            | Notice::WarningOver(_)
            | Notice::Started
            | Notice::Stopping => NOTICE,
        },
    }
}

#[cfg(test)]
mod tests;
