//! The rest of a field in a line that was cut.
//!
//! Vendors put bare words into lines (`slan`), and transports lose the middle or the end of lines (`zone=0 use=2`
//! becomes `zo2`). A bare word that starts like a known field counts as the rest of a field. An entry without its mark
//! would be worse than an error about the line.

/// Names of fields that are read.
const FIELDS: [&str; 22] = [
    "src",
    "dst",
    "sport",
    "dport",
    "srckey",
    "dstkey",
    "type",
    "code",
    "id",
    "packets",
    "bytes",
    "mark",
    "secmark",
    "secctx",
    "zone",
    "zone-orig",
    "zone-reply",
    "helper",
    "use",
    "labels",
    "delta-time",
    "portid",
];

/// Whether a word without an equals sign is such a rest: a part of a name, alone or followed by digits of another
/// value, or a bracket that is not closed.
pub(super) fn is_remnant(word: &str) -> bool {
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    word.starts_with('[') || FIELDS.iter().chain(&["progname"]).any(|field| field.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_told_from_a_word() {
        for rest in ["zo2", "zo", "zone", "u", "mark", "mar", "by4807", "608", "[ASSU", "[", "delta-t", "prog", "sp22"]
        {
            assert!(is_remnant(rest), "{rest}");
        }
        for word in ["slan", "swnat", "hwnat", "wan0", "o33/r37]", "nat-loopback", "fastnat", "vlan12", "zoo", "é"] {
            assert!(!is_remnant(word), "{word}");
        }
    }
}
