//! The command's summary of a list on standard error, which a terminal or `2>&1` mixes with the entries.
//!
//! Only messages about a complete list are skipped. An error message of the command means that the list is incomplete.

/// The counted things, as the summary names them before its verb.
const COUNTED: [&str; 4] = [
    " flow entries have been ",
    " flow events have been ",
    " expectations have been ",
    " expectation events have been ",
];

/// The summary of a whole table.
const OF_TABLE: [&str; 2] = ["connection tracking table has been emptied", "expectation table has been emptied"];

/// The text before the summary, if the line ends in one. Standard output is buffered. In a file, the summary may
/// therefore interrupt an entry, and the next line is then the rest of this entry.
#[must_use]
pub fn before_summary(line: &str) -> Option<&str> {
    let line = line.trim_ascii_end().strip_suffix('.')?;
    let (title, said) = line.rsplit_once("(conntrack-tools): ")?;
    let at = title.rfind("conntrack v")?;
    let version = title.get(at..)?.strip_prefix("conntrack v")?.trim_ascii_end();
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_count = || {
        let digits = said.bytes().take_while(u8::is_ascii_digit).count();
        let rest = said.get(digits..).unwrap_or_default();
        let done = COUNTED.into_iter().find_map(|counted| rest.strip_prefix(counted));
        digits > 0 && done.is_some_and(|done| !done.is_empty() && done.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    (is_version && (OF_TABLE.contains(&said) || is_count())).then(|| title.get(..at))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_a_whole_list_are_known() {
        for (line, before) in [
            ("conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.", Some("")),
            ("conntrack v1.4.9 (conntrack-tools): 0 flow entries have been shown.\r\n", Some("")),
            ("conntrack v1.0.1 (conntrack-tools): 17 flow events have been shown.", Some("")),
            ("conntrack v1.4.7 (conntrack-tools): 3 flow entries have been deleted.", Some("")),
            ("conntrack v1.4.7 (conntrack-tools): 3 expectations have been shown.", Some("")),
            ("conntrack v1.4.7 (conntrack-tools): connection tracking table has been emptied.", Some("")),
            ("udp 17 2conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.", Some("udp 17 2")),
            ("conntrack v1.4.7 (conntrack-tools): Operation failed: No buffer space available.", None),
            ("conntrack v1.4.7 (conntrack-tools): flow entries have been shown.", None),
            ("conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown", None),
            ("conntrack v1.4.7 (conntrack-tools): 2 flow entries have been .", None),
            ("conntrack vx (conntrack-tools): 2 flow entries have been shown.", None),
            ("2 flow entries have been shown.", None),
            ("", None),
        ] {
            assert_eq!(before_summary(line), before, "{line}");
        }
    }
}
