//! The words for one verdict.
//!
//! The forms are `delete`, `kill`, `mark VALUE/MASK`, `labels +BIT -BIT …`, `timeout SECONDS`, `alert KEY TITLE …`,
//! `log NAME=VALUE …`, `block SET NETWORK SECONDS`, `unblock SET NETWORK`, `protect SECONDS`, `sweep`. `$NAME` stands
//! for an attribute of the entry, see [`of_flow`]. `by-reply` before a verdict names the entry by its reply tuple.
//! `because CODE|REASON` after a verdict sets its code and its reason.

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::verdict::Target;

use crate::named::Named;

/// Parses the words of one verdict.
pub(crate) fn verdict(text: &str, flow: Option<&Flow<'_>>) -> Result<Verdict, Refusal> {
    if let Some(wanted) = text.strip_prefix("by-reply ") {
        let flow = flow.ok_or("by-reply is about an entry, and there is none")?;
        return Ok(verdict(wanted, Some(flow))?.on(Target::Key(Named::of(flow).reply)));
    }
    let (text, because) = text.split_once(" because ").map_or((text, None), |(text, because)| (text, Some(because)));
    let words: Vec<String> = text.split_whitespace().map(|word| expanded(word, flow)).collect::<Result<_, _>>()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wanted = match words.as_slice() {
        ["delete"] => delete(),
        ["kill"] => kill(),
        ["mark", masked] => mark(masked.parse::<Masked>()?),
        ["labels", bits @ ..] => {
            let of = |sign: char| bits.iter().filter_map(move |bit| bit.strip_prefix(sign)?.parse::<u8>().ok());
            labels(of('+'), of('-'))
        }
        ["timeout", seconds] => timeout(seconds.parse()?),
        ["alert", key, title @ ..] => alert(title.join(" ")).key(*key).into(),
        ["log", fields @ ..] => log(fields.iter().filter_map(|field| field.split_once('='))),
        ["block", set, network, seconds] => block(*set, network.parse::<Prefix>()?).seconds(seconds.parse()?).into(),
        ["unblock", set, network] => unblock(*set, network.parse::<Prefix>()?),
        ["protect", seconds] => protect(seconds.parse()?),
        ["sweep"] => sweep(),
        _ => return Err("no verdict".into()),
    };
    Ok(match because.map(|because| because.split_once('|').unwrap_or((because, ""))) {
        Some((code, reason)) => wanted.because(code, reason),
        None => wanted,
    })
}

/// Replaces `$NAME`, also in `NAME=$NAME`, with the attribute of the entry.
pub(crate) fn expanded(word: &str, flow: Option<&Flow<'_>>) -> Result<String, Refusal> {
    let Some((before, name)) = word.split_once('$') else { return Ok(word.to_owned()) };
    let flow = flow.ok_or("$ stands for something of an entry, and there is none")?;
    Ok(format!("{before}{}", of_flow(name, flow)?))
}

/// The attribute of the entry with this name, or `none` if the entry has none.
fn of_flow(name: &str, flow: &Flow<'_>) -> Result<String, Refusal> {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| "none".to_owned(), |value| value.to_string())
    }
    Ok(match name.split_once(':').unwrap_or((name, "")) {
        ("src", _) => flow.src().to_string(),
        ("dst", _) => flow.dst().to_string(),
        ("kind", _) => format!("{:?}", flow.kind()).to_lowercase(),
        ("zone", _) => flow.zone().to_string(),
        ("mark", _) => text(flow.mark()),
        ("bytes", _) => text(flow.original_counters().map(|counters| counters.bytes)),
        ("helper", _) => text(flow.helper()),
        ("labels", _) => text(flow.labels().map(|Labels(bits)| format!("{bits:#x}"))),
        ("context", _) => text(flow.security_context()),
        ("master", _) => text(
            flow.master()
                .map(|master| format!("{}-{}-{}", master.protocol, master.endpoints.src, master.endpoints.dst)),
        ),
        ("zones", _) => text(flow.zones().map(|(original, reply)| format!("{original}/{reply}"))),
        ("attribute", number) => text(flow.attribute(number.parse()?).map(|bytes| bytes.len())),
        ("value", set) => text(sets::lookup(set, &[flow.src()])?.into_iter().next().flatten()),
        _ => return Err("the entry has nothing of that name".into()),
    })
}
