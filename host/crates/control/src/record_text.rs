//! Records as lines for people: aligned, and within 80 columns where the content allows it.

use std::fmt::{self, Display};

use ctwarden_model::text;
use serde_json::Value;

use crate::record_line::{RecordBlock, RecordFlow, RecordLine};
use crate::{Colour, Paint};

/// Columns that a line should not exceed.
const WIDTH: usize = 80;
/// Columns before the details of a record that stand on a line of their own.
const INDENT: usize = 10;
/// Width of the column of plugins at the start. It grows with longer names.
const PLUGIN_MIN: usize = 8;
/// The longest names of kinds and outcomes.
const KIND: usize = 7;
const OUTCOME: usize = 11;

/// Writes records one after the other. It keeps the date and the widths of the lines before.
#[derive(Debug)]
pub struct RecordText {
    colour: Colour,
    date: String,
    plugin_width: usize,
}

impl RecordText {
    #[must_use]
    pub const fn new(colour: Colour) -> Self {
        Self { colour, date: String::new(), plugin_width: PLUGIN_MIN }
    }

    /// The lines of one record, each with its end. A line with the date comes first when the date changes.
    pub fn write(&mut self, record: &RecordLine) -> String {
        let mut out = String::new();
        let (date, time) = record.time.split_at_checked(10).unwrap_or((&record.time, ""));
        if date != self.date {
            self.date = date.to_owned();
            out.push_str(&self.colour.paint(Paint::Dim, format_args!("{} (UTC)", text::line(date))));
            out.push('\n');
        }
        let time = text::line(time.get(1..9).unwrap_or_default()).into_owned();
        let plugin = text::line(record.plugin.as_deref().unwrap_or("-")).into_owned();
        self.plugin_width = self.plugin_width.max(plugin.chars().count());
        let kind = text::line(record.kind()).into_owned();
        let outcome = outcome(record);
        let (what, details) = (what(record), details(record));

        let painted = self.colour.paint(paint(record), format_args!("{outcome:<OUTCOME$}"));
        let head = format!("{time:<8}  {plugin:<width$}  {kind:<KIND$}  ", width = self.plugin_width);
        let mut columns = head.chars().count() + outcome.chars().count().max(OUTCOME);
        out.push_str(&head);
        out.push_str(&painted);
        for part in [what, details] {
            let length = part.chars().count();
            if length == 0 {
                continue;
            }
            if columns + 2 + length > WIDTH {
                let end = out.trim_end_matches(' ').len();
                out.truncate(end);
                out.push('\n');
                out.push_str(&" ".repeat(INDENT));
                columns = INDENT;
            } else {
                out.push_str("  ");
                columns += 2;
            }
            out.push_str(&part);
            columns += length;
        }
        let end = out.trim_end_matches(' ').len();
        out.truncate(end);
        out.push('\n');
        out
    }
}

fn outcome(record: &RecordLine) -> String {
    let named = [&record.outcome, &record.fault, &record.notice, &record.event];
    text::line(named.into_iter().flatten().next().map_or("", String::as_str)).into_owned()
}

/// The colour of the outcome. Its word says the same.
fn paint(record: &RecordLine) -> Paint {
    match (record.kind(), record.outcome.as_deref().unwrap_or_default()) {
        ("fault", _) => Paint::Red,
        (_, "applied") => Paint::Green,
        (_, "refused" | "not-granted" | "over-budget") => Paint::Yellow,
        ("notice", _) if record.severity() <= 4 => Paint::Yellow,
        _ => Paint::Dim,
    }
}

/// The flow, network or text that the record is about.
fn what(record: &RecordLine) -> String {
    let mut parts = Vec::new();
    parts.extend(record.flow.as_ref().map(|flow| Ends(flow).to_string()));
    parts.extend(record.block.as_ref().map(block));
    parts.extend(record.unblock.as_ref().map(block));
    if let Some(alert) = &record.alert {
        parts.push(format!("\"{}\"", text::line(&alert.title)));
    }
    if let Some(change) = &record.change {
        let members: Vec<_> = record.members.iter().map(|member| text::line(member)).collect();
        parts.push(format!("{} {}", text::line(change), members.join(", ")));
    }
    if let Some(selection) = record.rest.get("selection") {
        parts.push(format!("flows with {}", value(selection.get("filter").unwrap_or(selection))));
    }
    parts.join("  ")
}

fn block(block: &RecordBlock) -> String {
    let RecordBlock { set, network, seconds } = block;
    let mut said = format!("{} in {}", text::line(network), text::line(set));
    if let Some(seconds) = seconds {
        said.push_str(&format!(" for {seconds} s"));
    }
    said
}

/// The code and the reason, why a verdict was refused, and all other parts by name.
fn details(record: &RecordLine) -> String {
    let mut parts = Vec::new();
    if let Some(code) = record.code.as_deref().filter(|code| !code.is_empty()) {
        parts.push(format!("[{}]", text::line(code)));
    }
    for said in [&record.refusal, &record.text, &record.reason] {
        parts.extend(
            said.iter().filter(|said| !said.is_empty()).map(|said| text::line(&said.replace('\n', "; ")).into_owned()),
        );
    }
    if let Some(reply) =
        record.reply.as_ref().filter(|reply| record.flow.as_ref().is_some_and(|flow| !mirrors(flow, reply)))
    {
        parts.push(format!("reply {}", Ends(reply)));
    }
    if let Some(mark) = record.rest.get("mark") {
        parts.push(self::mark(mark));
    }
    let hidden = ["took_us", "selection", "errno", "restart_ms", "mark"];
    let shown = record.rest.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
    parts.extend(shown.map(|(name, part)| format!("{}={}", text::line(name), value(part))));
    parts.join(" ")
}

/// "mark 0x1/0xf" of a change, or "mark 0x1" of a flow.
fn mark(mark: &Value) -> String {
    match (mark.get("value").and_then(Value::as_u64), mark.get("mask").and_then(Value::as_u64)) {
        (Some(value), Some(mask)) => format!("mark {value:#x}/{mask:#x}"),
        _ => mark.as_u64().map_or_else(|| format!("mark {}", value(mark)), |mark| format!("mark {mark:#x}")),
    }
}

/// Whether the reply is the reversed original, so that it says nothing new.
fn mirrors(flow: &RecordFlow, reply: &RecordFlow) -> bool {
    (flow.src, flow.dst, flow.src_port, flow.dst_port) == (reply.dst, reply.src, reply.dst_port, reply.src_port)
}

fn value(value: &Value) -> String {
    match value {
        Value::String(said) => text::line(&said.replace('\n', "; ")).into_owned(),
        Value::Object(parts) => {
            let parts: Vec<_> =
                parts.iter().map(|(name, part)| format!("{}={}", text::line(name), self::value(part))).collect();
            parts.join(",")
        }
        Value::Array(parts) => parts.iter().map(self::value).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Writes "tcp 192.0.2.1:4711 > 198.51.100.1:443".
struct Ends<'a>(&'a RecordFlow);

impl Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordFlow { protocol, src, dst, .. } = self.0;
        if !protocol.is_empty() {
            write!(f, "{} ", text::line(protocol))?;
        }
        match (self.0.src_port, self.0.dst_port) {
            (Some(from), Some(to)) => {
                let [from, to] = [(*src, from), (*dst, to)].map(std::net::SocketAddr::from);
                write!(f, "{from} > {to}")
            }
            _ => write!(f, "{src} > {dst}"),
        }?;
        match (self.0.icmp_type, self.0.icmp_id) {
            (Some(kind), Some(id)) => write!(f, " type {kind} id {id}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETE: &str = r#"{"time":"2026-11-30T22:10:14.123456789Z","record":"verdict","plugin":"ban-follower",
        "mode":"enforce","action":"delete","outcome":"applied","code":"banned","reason":"it is in the set bans",
        "flow":{"id":7,"zone":0,"protocol":"tcp","src":"192.0.2.1","dst":"10.0.0.1","src_port":50000,"dst_port":443},
        "took_us":120}"#;
    const BLOCK: &str = r#"{"time":"2026-11-30T22:10:15.000000000Z","record":"verdict","plugin":"scan",
        "mode":"enforce","action":"block","outcome":"refused","refusal":"no room","errno":28,"code":"","reason":"",
        "block":{"set":"bans","network":"2001:db8::/64","seconds":60},"took_us":1}"#;
    const SWEPT: &str = r#"{"time":"2026-12-01T00:00:00.000000000Z","record":"notice","notice":"swept","rows":12,
        "complete":true,"took_us":5}"#;
    const FAULT: &str = r#"{"time":"2026-12-01T00:00:01.000000000Z","record":"fault","plugin":"a","fault":"trap",
        "text":"trapped: unreachable\nat f","entries":3,"restart_ms":100,"quarantined":false}"#;
    const FLOW: &str = r#"{"time":"2026-12-01T00:00:02.000000000Z","record":"flow","event":"new",
        "flow":{"id":7,"zone":0,"protocol":"icmpv6","src":"2001:db8::1","dst":"2001:db8::2","icmp_type":128,"icmp_code":0,"icmp_id":9},
        "reply":{"protocol":"icmpv6","src":"2001:db8::9","dst":"2001:db8::1","icmp_type":129,"icmp_code":0,"icmp_id":9}}"#;

    fn lines(colour: Colour) -> String {
        let mut text = RecordText::new(colour);
        let read = |line| RecordLine::read(line).unwrap();
        [DELETE, BLOCK, SWEPT, FAULT, FLOW].iter().map(|line| text.write(&read(line))).collect()
    }

    #[test]
    fn lines_are_aligned_and_what_is_long_goes_below() {
        let expected = "\
2026-11-30 (UTC)
22:10:14  ban-follower  delete   applied      tcp 192.0.2.1:50000 > 10.0.0.1:443
          [banned] it is in the set bans
22:10:15  scan          block    refused      2001:db8::/64 in bans for 60 s
          no room
2026-12-01 (UTC)
00:00:00  -             notice   swept        complete=true rows=12
00:00:01  a             fault    trap
          trapped: unreachable; at f entries=3 quarantined=false
00:00:02  -             flow     new
          icmpv6 2001:db8::1 > 2001:db8::2 type 128 id 9
          reply icmpv6 2001:db8::9 > 2001:db8::1 type 129 id 9
";
        assert_eq!(lines(Colour::Off), expected);
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let coloured = lines(Colour::On);
        assert!(coloured.contains("\x1b[32mapplied") && coloured.contains("\x1b[31mtrap"), "{coloured}");
        let plain: String = coloured
            .split('\x1b')
            .enumerate()
            .map(|(n, part)| if n == 0 { part } else { &part[part.find('m').unwrap() + 1..] })
            .collect();
        // Painted columns keep their blanks inside the colour.
        let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(trimmed(&plain), trimmed(&lines(Colour::Off)));
    }

    #[test]
    fn nothing_in_a_record_is_obeyed_by_a_terminal() {
        let evil = DELETE.replace("it is in the set bans", "\\u001b[2Jx\\ny").replace("banned", "\\u009b");
        let text = RecordText::new(Colour::Off).write(&RecordLine::read(&evil).unwrap());
        assert!(!text.contains(|c| text::is_obeyed(c) && c != '\n') && text.lines().count() == 3, "{text:?}");
    }

    #[test]
    fn a_record_tells_whom_to_wake() {
        let read = |line| RecordLine::read(line).unwrap();
        assert_eq!([DELETE, BLOCK, SWEPT, FAULT].map(|line| read(line).severity()), [6, 5, 6, 3]);
        assert!(!read(DELETE).is_alert());
        let alert = r#"{"time":"2026-11-30T22:10:14.123456789Z","record":"verdict","plugin":"a","action":"alert",
            "outcome":"applied","alert":{"severity":2,"title":"t","key":"k","fields":{}}}"#;
        assert!(read(alert).is_alert() && read(alert).severity() == 2);
        let withheld = alert.replace("applied", "superseded");
        assert!(!read(&withheld).is_alert() && read(&withheld).severity() == 6);
    }
}
