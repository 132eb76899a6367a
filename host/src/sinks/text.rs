//! A record as one line for people.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use ctwarden_model::{Action, ChangedSet, ClaimsChange, Layer4, Notice, Record, Target, Tuple, VerdictRecord};

use super::rfc3339::Rfc3339;

/// Writes the record in words.
pub(crate) struct InWords<'a>(pub &'a Record);

impl Display for InWords<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Record::Verdict(record) => verdict(f, record),
            Record::Fault(record) => {
                write!(f, "{}: {}; ", record.plugin, record.fault)?;
                match (record.restart_in, record.quarantined) {
                    (Duration::MAX, _) => f.write_str("the daemon ends"),
                    (wait, true) => write!(f, "quarantined for {wait:?}"),
                    (wait, false) => write!(f, "restarted in {wait:?}"),
                }
            }
            Record::Notice(_, notice) => self::notice(f, notice),
        }
    }
}

fn verdict(f: &mut Formatter<'_>, record: &VerdictRecord) -> fmt::Result {
    write!(f, "{}: ", record.plugin)?;
    match &record.verdict.action {
        Action::Delete => f.write_str("delete")?,
        Action::Kill => f.write_str("kill")?,
        Action::Mark(mark) => write!(f, "mark {mark}")?,
        Action::Labels(change) => write!(f, "labels +{:#x} -{:#x}", change.set, change.clear)?,
        Action::Timeout(seconds) => write!(f, "timeout {seconds} s")?,
        Action::Alert(alert) => write!(f, "alert \"{}\"", alert.title)?,
        Action::Log(_) => f.write_str("log")?,
        Action::Block(block) => match block.seconds {
            Some(seconds) => write!(f, "block {} in {} for {seconds} s", block.network, block.set)?,
            None => write!(f, "block {} in {}", block.network, block.set)?,
        },
        Action::Unblock(unblock) => write!(f, "unblock {} in {}", unblock.network, unblock.set)?,
        Action::Protect(seconds) => write!(f, "protect for {seconds} s")?,
        Action::Sweep => f.write_str("sweep")?,
        Action::Malformed(kind, _) => write!(f, "{kind}")?,
    }
    match (&record.flow, &record.verdict.target) {
        (Some(flow), _) => write!(f, " {}", TupleInWords(&flow.original))?,
        (None, Target::Matching(_)) => f.write_str(" matching flows")?,
        (None, Target::Entry(_) | Target::Key(_) | Target::None) => {}
    }
    write!(f, ": {}", record.outcome)?;
    if let Some(refusal) = record.refusal() {
        write!(f, " ({refusal})")?;
    }
    if let Some(tally) = &record.tally {
        write!(f, " ({} of {} flows)", tally.applied, tally.matched)?;
    }
    if !record.verdict.code.is_empty() {
        write!(f, " [{}]", record.verdict.code)?;
    }
    if !record.verdict.reason.is_empty() {
        write!(f, " {}", record.verdict.reason)?;
    }
    Ok(())
}

fn notice(f: &mut Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Overrun => f.write_str("the kernel dropped events; a sweep follows"),
        Notice::Swept { rows, complete: true, took } => write!(f, "swept the table: {rows} rows in {took:?}"),
        Notice::Swept { rows, complete: false, took } => {
            write!(f, "sweep was interrupted after {rows} rows and {took:?}")
        }
        Notice::Restarted(plugin) => write!(f, "{plugin}: runs again"),
        Notice::BreakerOpened(plugin, rest) => {
            write!(f, "{plugin}: exceeded its budget again and again, so it only observes for {rest:?}")
        }
        Notice::Paused(plugin, None) => write!(f, "{plugin}: paused by the operator, so it only observes"),
        Notice::Paused(plugin, Some(length)) => {
            write!(f, "{plugin}: paused by the operator, so it only observes for {length:?}")
        }
        Notice::Resumed(plugin) => write!(f, "{plugin}: its pause is over"),
        Notice::ModeChanged(plugin, mode) => {
            write!(f, "{plugin}: the operator has set its mode to {} until the next reload", mode.name())
        }
        Notice::BreakerClosed(plugin) => write!(f, "{plugin}: may act again"),
        Notice::Missed(plugin, entries) => write!(f, "{plugin}: its queue was full, {entries} entries were dropped"),
        Notice::RecordsFolded(plugin, counts) => {
            let total = counts.iter().map(|folded| folded.count).fold(0, u64::saturating_add);
            write!(
                f,
                "{plugin}: {total} verdicts have no record of their own, they came faster than records-per-second: "
            )?;
            for (number, folded) in counts.iter().enumerate() {
                let separator = if number == 0 { "" } else { ", " };
                write!(f, "{separator}{} {} {}", folded.count, folded.kind, folded.outcome)?;
            }
            Ok(())
        }
        Notice::ComesBack { plugin, flow, times, blocked } => {
            let flow = TupleInWords(&flow.original);
            write!(f, "{plugin}: {flow} was deleted {times} times in a minute, and its packets still arrive")?;
            match blocked {
                Some((set, network)) => write!(f, ": {network} is in set {set}, but no rule drops packets of that set"),
                None => f.write_str(": nothing blocks them"),
            }
        }
        Notice::SetChanged(ChangedSet { name, networks, counts: _ }) => {
            write!(f, "set {name} has changed: {networks} networks")
        }
        Notice::SetLinesSkipped(ChangedSet { name, networks: _, counts }, why) => {
            write!(f, "set {name}: skipped lines: {}: {why}", counts.map_or(0, |counts| counts.bad))
        }
        Notice::SetRefused { set, counts: _, text } => write!(f, "the new list of set {set} was refused: {text}"),
        Notice::ClaimsChanged(change) => claims_change(f, change),
        Notice::FirewallRepaired(text) => f.write_str(text),
        Notice::Reloaded => f.write_str("the configuration was reloaded"),
        Notice::ReloadFailed(why) => write!(f, "the configuration was not reloaded, the old one stays in force: {why}"),
        Notice::Warned { about, text } => write!(f, "warning: {about}: {text}"),
        Notice::WarningOver(about) => write!(f, "resolved: {about}"),
        Notice::Started => f.write_str("started"),
        Notice::Stopping => f.write_str("stopping"),
    }
}

fn claims_change(f: &mut Formatter<'_>, change: &ClaimsChange) -> fmt::Result {
    let ClaimsChange { set, source, what, members, count, until, reason } = change;
    write!(f, "set {set}: {source}: {}", what.name())?;
    for member in members {
        write!(f, " {member}")?;
    }
    let shown = u64::try_from(members.len()).unwrap_or(u64::MAX);
    match count.saturating_sub(shown) {
        0 => {}
        more => write!(f, " and {more} more")?,
    }
    if let Some(until) = until {
        write!(f, " until {:#}", Rfc3339(*until))?;
    }
    if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
}

/// Writes "tcp 192.0.2.1:4711 > 198.51.100.1:443".
pub(crate) struct TupleInWords<'a>(pub &'a Tuple);

impl Display for TupleInWords<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Tuple { src, dst, protocol, layer4 } = self.0;
        match layer4 {
            Layer4::None => write!(f, "{protocol} {src} > {dst}"),
            Layer4::Ports { src: src_port, dst: dst_port } => {
                let src = std::net::SocketAddr::new(*src, *src_port);
                write!(f, "{protocol} {src} > {}", std::net::SocketAddr::new(*dst, *dst_port))
            }
            Layer4::Icmp { id, kind, code } => {
                write!(f, "{protocol} {src} > {dst} type {kind} code {code} id {id}")
            }
            Layer4::Keys { src: src_key, dst: dst_key } => {
                write!(f, "{protocol} {src} > {dst} keys {src_key:#x} {dst_key:#x}")
            }
        }
    }
}
