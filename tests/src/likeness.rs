//! Compares the answers of two programs, except for values that differ between any two runs.
//!
//! This module is the short list of what "byte for byte" does not compare. Seconds that count down may differ by
//! [`LEEWAY`]. Numbers that the kernel or the clock assigns are ignored if two tables were built one after the other.
//! The version belongs to each program.

use crate::command::Said;

/// The seconds that may pass between two readings of the same value.
const LEEWAY: u64 = 3;

/// The number of lines shown from each side. More lines would hide the next difference.
const SHOWN: usize = 3;
/// The number of characters shown from a line.
const WIDTH: usize = 300;

/// How far the two answers come from the same table at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// Both programs read the same table: everything is equal, including the order.
    Once,
    /// Each program had its own table, built in the same way: ids, times of day and the order differ.
    Twice,
    /// Both programs heard the same events: the moment of reading differs, and what is known of a process that has
    /// ended.
    Heard,
}

/// Describes how the second program's answer differs from the first one. Returns `None` if the answers are equal.
#[must_use]
pub fn difference(first: &Said, second: &Said, built: Built) -> Option<String> {
    let mut found = String::new();
    if first.status != second.status {
        found += &format!("  status: - {}\n          + {}\n", first.status, second.status);
    }
    for (name, one, other) in [("out", &first.out, &second.out), ("err", &first.err, &second.err)] {
        if let Some(lines) = of_text(one, other, built) {
            found += &format!("  standard {name}:\n{lines}");
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Describes how two texts differ, by the lines that only one of them has.
fn of_text(one: &str, other: &str, built: Built) -> Option<String> {
    let [one, other] = [one, other].map(|text| {
        let mut lines: Vec<Line> = text.split_inclusive('\n').map(|line| Line::of(line, built)).collect();
        if built == Built::Twice {
            lines.sort();
        }
        lines
    });
    let same = one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one.is_like(other));
    if same {
        return None;
    }
    let only = |these: &[Line], those: &[Line]| -> Vec<Line> {
        these.iter().filter(|line| !those.iter().any(|that| that.is_like(line))).cloned().collect()
    };
    let [missing, extra] = [only(&one, &other), only(&other, &one)];
    if missing.is_empty() && extra.is_empty() {
        return Some(format!("    the same lines in another order or number ({} and {})\n", one.len(), other.len()));
    }
    let shown = |lines: &[Line], others: &[Line], sign: char| -> String {
        let line = |(at, line): (usize, &Line)| format!("    {sign} {:?}\n", line.shown(others.get(at)));
        let left = lines.len().saturating_sub(SHOWN);
        let more = (left > 0).then(|| format!("      and {left} more\n"));
        lines.iter().enumerate().take(SHOWN).map(line).chain(more).collect()
    };
    Some(shown(&missing, &extra, '-') + &shown(&extra, &missing, '+'))
}

/// A line without its volatile numbers. `running` holds the numbers to compare with leeway; the others are blanked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    text: String,
    running: Vec<u64>,
}

impl Line {
    fn of(line: &str, built: Built) -> Self {
        let mut text = line.to_owned();
        let mut running = Vec::new();
        // `conntrack v1.4.7 (conntrack-tools)`
        if let Some((before, rest)) = text.split_once("conntrack v")
            && let Some((_, after)) = rest.split_once(' ')
        {
            text = format!("{before}conntrack v# {after}");
        }
        for name in ["<timeout>", "<deltatime>", "delta-time="] {
            take(&mut text, name, &mut running);
        }
        if ["-A ", "-U ", "-D "].iter().any(|command| text.starts_with(command)) {
            take(&mut text, " -t ", &mut running);
        }
        take_timeout(&mut text, &mut running);
        match built {
            Built::Once => {}
            Built::Twice => blank(&mut text, &[("<id>", '<'), ("<use>", '<'), ("<start>", '<'), ("<stop>", '<')]),
            Built::Heard => blank(
                &mut text,
                &[("<hour>", '<'), ("<min>", '<'), ("<sec>", '<'), ("portid=", ' '), ("progname=", ' ')],
            ),
        }
        if built == Built::Twice {
            blank(&mut text, &[("[start=", ']'), ("[stop=", ']'), (" use=", ' ')]);
            // The entry's own id follows its use count. An ICMP entry has other ids before it.
            if let Some((before, rest)) = text.split_once(" use=# id=") {
                let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
                text = format!("{before} use=# id=#{after}");
            }
        }
        if built == Built::Heard {
            // The name of the sending program is known only while that program runs.
            text = text.replace(" progname=#", "");
        }
        // `[1763824771.123456]<tab>`: the moment of reading
        if built != Built::Once
            && text.starts_with('[')
            && let Some((_, rest)) = text.split_once("]\t")
        {
            text = format!("[#]\t{rest}");
        }
        Self { text, running }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.text == other.text
            && self.running.len() == other.running.len()
            && self.running.iter().zip(&other.running).all(|(one, other)| one.abs_diff(*other) <= LEEWAY)
    }

    /// The part of the line that differs from `beside`, from a little before the first difference.
    fn shown(&self, beside: Option<&Self>) -> String {
        let common =
            |other: &Self| self.text.chars().zip(other.text.chars()).take_while(|(one, other)| one == other).count();
        let from = beside.map_or(0, common).saturating_sub(WIDTH / 3);
        let text: String = self.text.chars().skip(from).take(WIDTH).collect();
        let before = if from > 0 { "… " } else { "" };
        if self.running.is_empty() {
            format!("{before}{text}")
        } else {
            format!("{before}{} {:?}", text.trim_end(), self.running)
        }
    }
}

/// Takes out the number after each occurrence of a name.
fn take(text: &mut String, name: &str, running: &mut Vec<u64>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(name).map(|at| from + at + name.len()) {
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(number) = text[at..at + digits].parse() {
            running.push(number);
            text.replace_range(at..at + digits, "#");
        }
        from = at;
    }
}

/// Takes out the seconds of an entry's line, `tcp      6 431999 …`, or of an expectation's line, `299 proto=6 …`.
fn take_timeout(text: &mut String, running: &mut Vec<u64>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let entry = words.windows(3).find(|words| !is_number(words[0]) && is_number(words[1]) && is_number(words[2]));
    let expectation = words.windows(2).find(|words| is_number(words[0]) && words[1].starts_with("proto="));
    let Some(seconds) = entry.map(|words| words[2]).or(expectation.map(|words| words[0])) else { return };
    let (Ok(number), at) = (seconds.parse(), seconds.as_ptr().addr() - text.as_ptr().addr()) else { return };
    let length = seconds.len();
    running.push(number);
    text.replace_range(at..at + length, "#");
}

/// Blanks the text after each of the names, up to a delimiter or the end of the line.
fn blank(text: &mut String, names: &[(&str, char)]) {
    for (name, end) in names {
        let mut from = 0;
        while let Some(at) = text[from..].find(name).map(|at| from + at + name.len()) {
            let length = text[at..].find([*end, '\n']).unwrap_or(text.len() - at);
            text.replace_range(at..at + length, "#");
            from = at;
        }
    }
}
