//! Whether the given options are allowed with the command, and which required ones are missing.

use alloc::format;

use super::error::{Checked, parameter};
use super::option::{Key, OPTIONS};
use super::protocol::{Part, ProtocolDefinition};
use super::template::Template;
use super::verb::{Verb, Verbs};

/// An option, as far as the check needs it.
struct Item {
    name: &'static str,
    used: bool,
    required: Verbs,
    paired: Verbs,
    optional: Verbs,
}

/// Checks the options in order. Returns whether any of them is one of a pair for this command.
fn each(verb: Verb, items: impl Iterator<Item = Item>) -> Checked<bool> {
    let mut pairs = false;
    for Item { name, used, required, paired, optional } in items {
        if !used && required.has(verb) {
            return parameter(format!("You need to supply the `--{name}' option for this command"));
        }
        if used && !(required.has(verb) || paired.has(verb) || optional.has(verb)) {
            return parameter(format!("Illegal option `--{name}' with this command"));
        }
        pairs |= paired.has(verb);
    }
    Ok(pairs)
}

/// One of the two pairs must be complete. Else returns the pair to complete: the first one that was started, or the first.
fn incomplete(pairs: [(bool, bool); 2]) -> Option<usize> {
    let [original, reply] = pairs;
    if pairs.into_iter().any(|(one, other)| one && other) {
        return None;
    }
    let begun = |(one, other): (bool, bool)| one || other;
    Some(usize::from(begun(reply) && !begun(original)))
}

/// The options that every protocol has.
pub(super) fn options(template: &Template, verb: Verb) -> Checked<()> {
    let items = OPTIONS.iter().map(|option| Item {
        name: option.long.first().copied().unwrap_or_default(),
        // 1.4.9 never checked this option, since it does nothing.
        used: option.key != Key::NatRange && template.used(option.key),
        required: option.required,
        paired: option.paired,
        optional: option.optional,
    });
    if !each(verb, items)? {
        return Ok(());
    }
    let used = |key| template.used(key);
    let pairs = [(used(Key::OriginalSrc), used(Key::OriginalDst)), (used(Key::ReplySrc), used(Key::ReplyDst))];
    match incomplete(pairs) {
        None => Ok(()),
        Some(0) => parameter("you have to specify `--src' and `--dst'"),
        Some(_) => parameter("you have to specify `--reply-src' and `--reply-dst'"),
    }
}

/// The options of the protocol that was named last.
pub(super) fn of_protocol(template: &Template, definition: &ProtocolDefinition, verb: Verb) -> Checked<()> {
    let used =
        |place: usize| definition.options.get(place).is_some_and(|option| template.used_place(place, option.ours));
    let items = definition.options.iter().enumerate().map(|(place, option)| Item {
        name: option.long.first().copied().unwrap_or_default(),
        used: used(place),
        required: option.required,
        paired: option.paired,
        optional: option.optional,
    });
    let paired = each(verb, items)?;
    let (true, Some(names)) = (paired, definition.pairs) else { return Ok(()) };
    let part = |part: Part| definition.options.iter().position(|option| option.part == part).is_some_and(used);
    let pairs = [(part(Part::OriginalSrc), part(Part::OriginalDst)), (part(Part::ReplySrc), part(Part::ReplyDst))];
    let [original, reply] = names;
    match incomplete(pairs).map(|pair| if pair == 0 { original } else { reply }) {
        None => Ok(()),
        Some((src, dst)) => parameter(format!("you have to specify `--{src}' and `--{dst}'")),
    }
}
