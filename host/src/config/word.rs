//! Configuration words with a specific form: groups, destinations, names, kinds.
//!
//! Each function parses one word. If the word is wrong, the error shows the expected form.

use ctwarden_model::{Masked, SetName, VerdictKind};
use nix::unistd::Group;

use super::resolved::{ControlGroup, Destination};
use super::scalar::Scalar;
use crate::niceness::Niceness;

pub(super) fn control_group(name: &str) -> Result<ControlGroup, String> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(ControlGroup { name: name.to_owned(), gid: group.gid.as_raw() }),
        Ok(None) => Err(format!("there is no group \"{name}\"; create it with `groupadd --system {name}`")),
        Err(error) => {
            Err(format!("cannot look up the group \"{name}\": {error}; check /etc/group and /etc/nsswitch.conf"))
        }
    }
}

pub(super) fn destination(text: &str, words: &str) -> Result<Destination, String> {
    match text {
        "stdout" => Ok(Destination::Stdout),
        "journal" => Ok(Destination::Journal),
        path if path.starts_with('/') => Ok(Destination::File(path.into())),
        other => Err(format!(
            "\"{other}\" is neither one of {words} nor a path; write one of them or a path that begins with /"
        )),
    }
}

pub(super) fn niceness(number: i32) -> Result<Niceness, String> {
    let niceness = Niceness(number);
    if (Niceness::FIRST..=Niceness::LAST).contains(&niceness) {
        Ok(niceness)
    } else {
        Err(format!("{number} is not a niceness; write a number from {} to {}", Niceness::FIRST.0, Niceness::LAST.0))
    }
}

/// Accepts the form of a plugin's name, and also `_`, which is common in names of nftables sets.
pub(super) fn set_name(name: &str) -> Result<SetName, String> {
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good && (1..=64).contains(&name.len()) {
        Ok(SetName(name.to_owned()))
    } else {
        Err(format!("\"{name}\" is not a name; use 1 to 64 letters, digits, - or _"))
    }
}

pub(super) fn verdict_kind(word: &str) -> Result<VerdictKind, String> {
    VerdictKind::ALL.into_iter().find(|kind| kind.name() == word).ok_or_else(|| {
        let kinds = VerdictKind::ALL.map(VerdictKind::name).join(", ");
        format!("\"{word}\" is not a kind of verdict; the kinds are {kinds}")
    })
}

/// Bits as one number, "0xff" or 255.
pub(super) fn mark_mask(value: &Scalar) -> Result<u32, String> {
    let text = value.to_string();
    let number: Result<Masked, _> = text.parse();
    match number {
        Ok(bits) if !text.contains('/') => Ok(bits.value()),
        Ok(_) | Err(_) => Err(format!("\"{text}\" is not a mask; write the bits as one number, for example \"0xff\"")),
    }
}
