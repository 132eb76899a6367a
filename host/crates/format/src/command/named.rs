//! Lists of names: `-u` status bits, `-e` kinds of events, `-o` forms.
//!
//! Each name may be abbreviated, in any case. The first name in its list with that beginning counts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::Status;

use super::error::Problem;

/// `-o` (bits of ctwarden's own).
pub(super) mod output {
    pub(in super::super) const XML: u32 = 1;
    pub(in super::super) const EXTENDED: u32 = 1 << 1;
    pub(in super::super) const TIMESTAMP: u32 = 1 << 2;
    pub(in super::super) const ID: u32 = 1 << 3;
    pub(in super::super) const KERNEL_TIMESTAMP: u32 = 1 << 4;
    pub(in super::super) const LABELS: u32 = 1 << 5;
    pub(in super::super) const SAVE: u32 = 1 << 6;
    pub(in super::super) const JSON: u32 = 1 << 7;
}

/// `-e`.
pub(super) mod event {
    pub(in super::super) const NEW: u32 = 1;
    pub(in super::super) const UPDATES: u32 = 1 << 1;
    pub(in super::super) const DESTROY: u32 = 1 << 2;
}

type Names = [(&'static str, u32)];

/// Names of `-u`. `HELPER` is an addition of ctwarden: saved lines need it.
pub(super) const STATUS: &Names = &[
    ("ASSURED", Status::ASSURED.0),
    ("SEEN_REPLY", Status::SEEN_REPLY.0),
    ("UNSET", 0),
    ("FIXED_TIMEOUT", Status::FIXED_TIMEOUT.0),
    ("EXPECTED", Status::EXPECTED.0),
    ("OFFLOAD", Status::OFFLOAD.0),
    ("HW_OFFLOAD", Status::HW_OFFLOAD.0),
    ("HELPER", Status::HELPER.0),
];

/// Names of `-e`.
pub(super) const EVENTS: &Names = &[
    ("ALL", event::NEW | event::UPDATES | event::DESTROY),
    ("NEW", event::NEW),
    ("UPDATES", event::UPDATES),
    ("DESTROY", event::DESTROY),
];

/// Names of `-o`. `json` is an addition of ctwarden.
pub(super) const OUTPUT: &Names = &[
    ("xml", output::XML),
    ("extended", output::EXTENDED),
    ("timestamp", output::TIMESTAMP),
    ("id", output::ID),
    ("ktimestamp", output::KERNEL_TIMESTAMP),
    ("labels", output::LABELS),
    ("userspace", 0),
    ("save", output::SAVE),
    ("json", output::JSON),
];

/// Former names of status bits. They hide names with the same beginning in every list: `-u S` is not `SEEN_REPLY`.
const FORMER: [(&str, &str); 2] = [
    ("SRC_NAT", "WARNING: ignoring SRC_NAT, use --src-nat instead"),
    ("DST_NAT", "WARNING: ignoring DST_NAT, use --dst-nat instead"),
];

fn begins(name: &str, text: &str) -> bool {
    name.as_bytes().get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text.as_bytes()))
}

fn bad(text: &str) -> Problem {
    Problem::Parameter(format!("Bad parameter `{text}'"))
}

/// The bits of one name. A former name has no bits and adds a warning.
fn one(name: &str, names: &Names, warnings: &mut Vec<String>) -> Option<u32> {
    if name.is_empty() {
        return None;
    }
    if let Some((_, warning)) = FORMER.into_iter().find(|(former, _)| begins(former, name)) {
        warnings.push(warning.to_string());
        return Some(0);
    }
    names.iter().find(|(known, _)| begins(known, name)).map(|(_, bits)| *bits)
}

/// Adds the bits of a list.
pub(super) fn add(bits: &mut u32, text: &str, names: &Names, warnings: &mut Vec<String>) -> Result<(), Problem> {
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (name, behind) = text.split_once(',').map_or((text, None), |(name, behind)| (name, Some(behind)));
        *bits |= one(name, names, warnings).ok_or_else(|| bad(text))?;
        rest = behind;
    }
    Ok(())
}

/// Adds the bits of a list to `set`, and those of names after a `!` to `unset`. `UNREPLIED` is the opposite of `SEEN_REPLY`.
pub(super) fn add_status(
    set: &mut u32,
    unset: &mut u32,
    text: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Problem> {
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (name, behind) = text.split_once(',').map_or((text, None), |(name, behind)| (name, Some(behind)));
        let (negated, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
        let text = if negated { text.get(1..).unwrap_or_default() } else { text };
        // Text after the name is ignored.
        if !negated && name.starts_with("UNREPLIED") {
            *unset |= Status::SEEN_REPLY.0;
        } else {
            let bits = one(name, STATUS, warnings).ok_or_else(|| bad(text))?;
            *if negated { &mut *unset } else { &mut *set } |= bits;
        }
        rest = behind;
    }
    Ok(())
}
