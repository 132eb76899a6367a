//! Whether two programs said the same, but for what differs between any two runs.
//!
//! "Byte for byte" needs a short list of what is not compared, in one place where it can be read: seconds that run down
//! may differ by [`LEEWAY`], numbers that the kernel or the clock gives are ignored where two tables were built one after
//! the other, and the version is the program's own.

use crate::command::Said;

/// Seconds that may pass between two looks at the same thing.
const LEEWAY: u64 = 3;

/// How many lines of a kind are shown; more would hide the next difference.
const SHOWN: usize = 3;
/// How much of a line.
const WIDTH: usize = 300;

/// How much of what is compared came from one table at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// Both programs looked at the same table: everything is the same, order included.
    Once,
    /// Each had a table of its own, built the same way: ids, times of day and the order differ.
    Twice,
    /// Both listened to the same events; the moment of reading and what is known of a program that has ended differ.
    Heard,
}

/// How the second program's answer differs from the first one's; none where it does not.
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

/// How two texts differ, as lines that only one of them has.
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

/// A line whose volatile numbers are taken out: those that run on, to be compared with leeway, and those that say nothing.
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
            // The entry's own id comes after its use count; an ICMP entry has others before.
            if let Some((before, rest)) = text.split_once(" use=# id=") {
                let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
                text = format!("{before} use=# id=#{after}");
            }
        }
        if built == Built::Heard {
            // Its program's name is known as long as that runs.
            text = text.replace(" progname=#", "");
        }
        // `[1763824771.123456]<tab>`, of the moment at which it was read
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

    /// The line, from a little before where it leaves the one that it is held against.
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

/// Takes out the seconds of an entry's line, `tcp      6 431999 …`, and of an expectation's, `299 proto=6 …`.
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

/// Blanks what follows each of the names, up to a delimiter or the line's end.
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
