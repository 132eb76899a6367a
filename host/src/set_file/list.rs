//! A plain list: one address, network or range a line, followed by a value, and comments.

use std::path::Path;

use ctwarden_model::PrefixMap;

use super::error::SetFileError;
use super::excerpt::excerpt;
use super::form::Form;
use super::line::{self, Shortest};

/// Mistakes shown at most: more than a person reads.
const MISTAKES_SHOWN: usize = 20;
/// A longer line is an error: values after an address are short.
const LINE_BYTES_MAX: usize = 4096;
/// Editors on Windows begin UTF-8 files with this mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a file.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// Networks and their values.
    pub(crate) networks: PrefixMap<String>,
    /// A remark for people about something that is not a mistake.
    pub(crate) note: Option<String>,
}

/// How a list is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) shortest: Shortest,
    /// Whether everybody may read the file, so that messages may show its text.
    pub(super) disclosed: bool,
}

/// Reads a whole list.
///
/// # Errors
/// [`SetFileError`] if any line is wrong, with the first mistakes.
pub(super) fn parse(path: &Path, bytes: &[u8], reading: Reading) -> Result<List, SetFileError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        SetFileError::NotText { path: path.to_path_buf(), line: good.iter().filter(|b| **b == b'\n').count() + 1 }
    })?;
    let mut list = List::default();
    let mut mistakes = Mistakes { path, shown: Vec::new(), more: 0 };
    let mut host_bits = HostBits::default();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let number = index + 1;
        if let Some(what) = not_a_line(line) {
            mistakes.note(number, what);
            continue;
        }
        match line::parse(line, reading.shortest) {
            Ok(Some(read)) => {
                if read.host_bits {
                    host_bits.note(number, line, read.networks.first());
                }
                for network in read.networks {
                    list.networks.insert(network, read.value.clone());
                }
            }
            Ok(None) => {}
            Err(mistake) => {
                if mistakes.shown.is_empty()
                    && let Some(form) = Form::of(text, line)
                {
                    return Err(SetFileError::Form { path: path.to_path_buf(), line: number, form });
                }
                mistakes.note(number, mistake.told(reading.disclosed));
            }
        }
    }
    list.note = host_bits.told(path, reading.disclosed);
    mistakes.into_result(list)
}

/// Why a line is not a line of text.
fn not_a_line(line: &str) -> Option<String> {
    if line.len() > LINE_BYTES_MAX {
        Some(format!("the line is longer than {LINE_BYTES_MAX} bytes; write one address or network a line"))
    } else if line.contains('\0') {
        Some("a NUL byte; the file is not text, name the list itself".to_owned())
    } else if line.contains('\r') {
        Some("a carriage return within the line; end lines with a line feed".to_owned())
    } else {
        None
    }
}

/// The first mistakes, and the number of the others.
struct Mistakes<'a> {
    path: &'a Path,
    shown: Vec<String>,
    more: usize,
}

impl Mistakes<'_> {
    fn note(&mut self, line: usize, what: String) {
        if self.shown.len() < MISTAKES_SHOWN {
            self.shown.push(format!("{}:{line}: {what}", self.path.display()));
        } else {
            self.more += 1;
        }
    }

    fn into_result(mut self, list: List) -> Result<List, SetFileError> {
        if self.shown.is_empty() {
            return Ok(list);
        }
        if self.more > 0 {
            self.shown.push(format!("{}: {} more lines are wrong", self.path.display(), self.more));
        }
        Err(SetFileError::Lines(self.shown))
    }
}

/// Networks whose address had bits after the prefix length: one example and their number.
#[derive(Default)]
struct HostBits {
    first: Option<(usize, String)>,
    more: usize,
}

impl HostBits {
    fn note(&mut self, line: usize, text: &str, network: Option<&ctwarden_model::Prefix>) {
        if self.first.is_some() {
            self.more += 1;
        } else if let Some(network) = network {
            let word = text.split_whitespace().next().unwrap_or_default();
            self.first = Some((line, format!("\"{}\" is taken as {network}", excerpt(word))));
        }
    }

    fn told(self, path: &Path, disclosed: bool) -> Option<String> {
        let (line, first) = self.first?;
        let first = if disclosed { first } else { "bits after the prefix are ignored".to_owned() };
        let more = if self.more > 0 { format!(", and {} more lines have such bits", self.more) } else { String::new() };
        Some(format!("{}:{line}: {first}{more}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ctwarden_model::Prefix;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<List, SetFileError> {
        parse(Path::new("l"), bytes, Reading { shortest: Shortest::default(), disclosed: true })
    }

    fn networks(bytes: &[u8]) -> Vec<String> {
        read(bytes).unwrap().networks.iter().map(|(network, _)| network.to_string()).collect()
    }

    fn mistakes(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    fn value_of(list: &List, address: &str) -> Option<String> {
        list.networks.longest(address.parse::<IpAddr>().unwrap()).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_line_is_a_network_a_value_and_a_comment() {
        let list = read(
            b"# bans\n\n192.0.2.0/24\n  198.51.100.7 \tscanner of ports # seen twice\n2001:db8::/32 AS64500#a;b//c\r\n\
              203.0.113.1#x\n203.0.113.2;x\n203.0.113.3//x\n203.0.113.4 http://a ; b\n;c\n//d\n  # e\n203.0.113.5 - a-b\n",
        )
        .unwrap();
        assert_eq!(list.networks.len(), 8);
        assert_eq!(value_of(&list, "192.0.2.9").as_deref(), Some(""));
        assert_eq!(value_of(&list, "198.51.100.7").as_deref(), Some("scanner of ports"));
        assert_eq!(value_of(&list, "2001:db8::1").as_deref(), Some("AS64500#a;b//c"));
        for address in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
            assert_eq!(value_of(&list, address).as_deref(), Some(""));
        }
        assert_eq!(value_of(&list, "203.0.113.4").as_deref(), Some("http://a"));
        assert_eq!(value_of(&list, "203.0.113.5").as_deref(), Some("- a-b"));
    }

    /// Lists as programs and people keep them, and their meaning.
    #[test]
    fn lists_of_many_origins_are_read() {
        let cases: [(&[u8], &[&str]); 17] = [
            (
                b"; Spamhaus-like list 2026/05/20\n; Expires: never\n198.51.100.0/25 ; SBL000001\n203.0.113.128/25 ; SBL2\n",
                &["198.51.100.0/25", "203.0.113.128/25"],
            ),
            (b"# malc0de-like\n// comment\n198.51.100.66\n", &["198.51.100.66"]),
            (b"\xef\xbb\xbf198.51.100.66\r\n198.51.100.67\r\n", &["198.51.100.66", "198.51.100.67"]),
            (b"\xef\xbb\xbf# comment\n198.51.100.66", &["198.51.100.66"]),
            (
                b"198.51.100.10-198.51.100.20\n",
                &["198.51.100.16/30", "198.51.100.12/30", "198.51.100.10/31", "198.51.100.20"],
            ),
            (b"198.51.100.0 - 198.51.100.127 value\n", &["198.51.100.0/25"]),
            (b"198.51.100.0- 198.51.100.127\n198.51.100.128 -198.51.100.255", &["198.51.100.0/25", "198.51.100.128/25"]),
            (b"bad ones:198.51.100.0-198.51.100.255\n", &["198.51.100.0/24"]),
            (b"P2P, \"evil\" #7 (a-b): x:198.51.100.7-198.51.100.7\n", &["198.51.100.7"]),
            (b"2001:db8::-2001:db8::ff\n", &["2001:db8::/120"]),
            (b"::ffff:198.51.100.66\n", &["198.51.100.66"]),
            (b"::ffff:198.51.100.64/122\n::ffff:203.0.113.0-::ffff:203.0.113.3", &["203.0.113.0/30", "198.51.100.64/26"]),
            (b"198.51.100.66/255.255.255.255\n198.51.100.0/255.255.255.0\n", &["198.51.100.0/24", "198.51.100.66"]),
            (b"2001:DB8:C::66/128\n2001:db8:c:0:0:0:0:67\n", &["2001:db8:c::66", "2001:db8:c::67"]),
            (b"198.51.100.4/24\n198.51.100.5/24\n198.51.100.4/24\n", &["198.51.100.0/24"]),
            (b"", &[]),
            (b"\n\n# nothing\n", &[]),
        ];
        for (bytes, expected) in cases {
            let text = String::from_utf8_lossy(bytes);
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            let mut found = networks(bytes);
            found.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_told_once() {
        let list =
            read(b"198.51.100.4/24\n198.51.100.5/24\n203.0.113.0/24\n2001:db8::1/32\n198.51.100.4/24\n").unwrap();
        let told = "l:1: \"198.51.100.4/24\" is taken as 198.51.100.0/24, and 3 more lines have such bits";
        assert_eq!(list.note.as_deref(), Some(told));
        assert_eq!(read(b"198.51.100.0/24\n::ffff:203.0.113.0/120\n0.0.0.0/8\n").unwrap().note, None);
        let told = "l:1: \"10.9.9.9/255.0.0.0\" is taken as 10.0.0.0/8";
        assert_eq!(read(b"10.9.9.9/255.0.0.0 x").unwrap().note.as_deref(), Some(told));
    }

    #[test]
    fn every_mistake_is_named_with_file_number_and_way_out() {
        for (line, told) in [
            ("example", "\"example\" is not an address or network; write for example 192.0.2.0/24 or 2001:db8::1"),
            ("198.51.100.0/33", "\"198.51.100.0/33\" has a prefix that is longer than its address; write /32 at most"),
            ("2001:db8::/129 x", "\"2001:db8::/129\" has a prefix that is longer than its address; write /128 at most"),
            (
                "198.051.100.066",
                "\"198.051.100.066\" has a number that begins with 0, which some programs read as octal",
            ),
            ("198.51.100.0/08", "has a number that begins with 0"),
            ("fe80::1%eth0", "\"fe80::1%eth0\" has a zone after %, which a set cannot hold; write the address alone"),
            ("bad.example.org", "\"bad.example.org\" is a name, and names are not looked up; write its addresses"),
            ("bad-host.example.org x", "is a name, and names are not looked up"),
            ("198.51.100.66:22", "\"198.51.100.66:22\" has a port; write the address alone"),
            ("[2001:db8::1]:22", "has a port; write the address alone"),
            ("198.51.100.66/255.0.255.0", "has a mask that is not contiguous; write a prefix length instead"),
            ("198.51.100.66/0.0.0.255", "has a mask that is not contiguous"),
            ("198.51.100.20-198.51.100.10", "is a range that ends before it begins; swap its ends"),
            ("198.51.100.20-2001:db8::1", "is a range across IPv4 and IPv6; write one range for each"),
            ("198.51.100.1-198.051.100.2", "has a number that begins with 0"),
            ("198.51.100", "is not an address or network"),
            ("::ffff:198.51.100.66/24", "is an IPv4-mapped network wider than all of IPv4; write it in IPv4 form"),
            (
                "0.0.0.0/0",
                "\"0.0.0.0/0\" is wider than /8, the set's shortest-ipv4-prefix; write a narrower network, or lower",
            ),
            ("198.51.100.0/2", "is wider than /8, the set's shortest-ipv4-prefix"),
            ("0.0.0.0-255.255.255.255", "is wider than /8, the set's shortest-ipv4-prefix"),
            ("198.51.100.0/0.0.0.0", "is wider than /8, the set's shortest-ipv4-prefix"),
            ("::ffff:0:0/96", "is wider than /8, the set's shortest-ipv4-prefix"),
            ("2000::/3", "is wider than /16, the set's shortest-ipv6-prefix"),
        ] {
            let said = mistakes(format!("192.0.2.1\n{line}\n").as_bytes());
            assert!(said.starts_with("l:2: ") && said.contains(told), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
        }
        let many = "x\n".repeat(30);
        let said = mistakes(many.as_bytes());
        assert_eq!((said.lines().count(), said.lines().last()), (21, Some("l: 10 more lines are wrong")));
    }

    #[test]
    fn shortest_prefixes_are_the_sets_own() {
        let all = Shortest { ipv4: 0, ipv6: 0 };
        let list = parse(Path::new("l"), b"0.0.0.0/0\n::/0\n", Reading { shortest: all, disclosed: true }).unwrap();
        assert_eq!(list.networks.len(), 2);
    }

    #[test]
    fn another_form_is_refused_by_its_name() {
        let cases: [(&[u8], usize, &str); 11] = [
            (b"indicator,type,score\n198.51.100.66,ip,90\n", 1, "csv"),
            (b"# a feed\n198.51.100.66,198.51.100.67\n", 2, "csv"),
            (b"198.51.100.1\n198.51.100.2,x\n", 2, "csv"),
            (b"elements = { 198.51.100.66, 198.51.100.67 }\n", 1, "nft"),
            (b"table inet filter {\n\tset b {\n", 1, "nft"),
            (b"add element inet filter b { 198.51.100.66 }\n", 1, "nft"),
            (b"{ 198.51.100.66, 198.51.100.67 }\n", 1, "nft"),
            (b"create b hash:ip family inet\nadd b 198.51.100.66\n", 1, "ipset"),
            (b"add b 198.51.100.66\n", 1, "ipset"),
            (b"{\"cidr\":\"198.51.100.0/24\",\"sblid\":\"SBL1\"}\n", 1, "spamhaus-json"),
            (b"[\n  \"198.51.100.66\",\n", 1, "json"),
        ];
        for (bytes, line, name) in cases {
            let said = mistakes(bytes);
            assert!(said.starts_with(&format!("l:{line}: this looks like ")), "{said}");
            assert!(
                said.contains(&format!("(format \"{name}\"), and this version reads plain lists only; write")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_no_text_is_told_shortly() {
        assert_eq!(
            mistakes(b"198.51.100.66 # caf\xc3\xa9 \xe9\n"),
            "l:1: the file is not UTF-8; save it as UTF-8, with one address or network a line"
        );
        assert!(mistakes(b"198.51.100.66\n\xff\xfe1\x009\x00").starts_with("l:2: the file is not UTF-8"));
        let zeros = vec![0; 1 << 20];
        assert_eq!(mistakes(&zeros), "l:1: the line is longer than 4096 bytes; write one address or network a line");
        assert_eq!(mistakes(&[0; 100]), "l:1: a NUL byte; the file is not text, name the list itself");
        assert!(mistakes(b"198.51.100.66\r198.51.100.67\r").starts_with("l:1: a carriage return within the line"));
        assert!(mistakes("\u{202e}\u{1b}[2J".repeat(900).as_bytes()).len() < 1000);
        let lines = "\u{202e}\u{1b}[2J\u{9b}\n".repeat(100_000);
        let said = mistakes(lines.as_bytes());
        assert!(said.len() < 10_000, "{} bytes", said.len());
        assert!(said.chars().all(|c| c == '\n' || c == '…' || c == ' ' || c.is_ascii_graphic()), "{said:?}");
    }

    #[test]
    fn a_file_that_not_everybody_may_read_is_not_quoted() {
        let reading = Reading { shortest: Shortest::default(), disclosed: false };
        let secret = "root:$6$secret:19000:0:99999:7:::\nhunter2\nhunter2.example.org\n198.51.100.77/40\n";
        let said = parse(Path::new("/etc/shadow"), secret.as_bytes(), reading).unwrap_err().to_string();
        assert!(said.starts_with("/etc/shadow:1: its first word is not an address or network; write "), "{said}");
        assert_eq!(said.lines().count(), 4);
        for word in ["root", "secret", "hunter2", "19000", "77"] {
            assert!(!said.contains(word), "{said}");
        }
        let note = parse(Path::new("p"), b"198.51.100.77/24\n", reading).unwrap().note;
        assert_eq!(note.as_deref(), Some("p:1: bits after the prefix are ignored"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", shown: bool) {
            let _ = parse(Path::new("s"), text.as_bytes(), Reading { shortest: Shortest::default(), disclosed: shown });
        }

        #[test]
        fn no_text_that_looks_like_a_list_panics(parts in prop::collection::vec(prop::sample::select(vec![
            "198.51.100.66", "2001:db8::1", "::ffff:1.2.3.4", "-", " ", "/", "24", "255.255.255.0", "#", ";", "//", ",", ":",
            "\n", "\r", "%eth0", "\u{feff}", "[", "{", "\"", "0", ".", "é", "name",
        ]), 0..30)) {
            let _ = read(parts.concat().as_bytes());
        }

        #[test]
        fn what_is_written_is_read(networks in prop::collection::btree_map(any::<IpAddr>(), "[a-z]{0,5}", 0..20)) {
            let networks: std::collections::BTreeMap<IpAddr, String> =
                networks.into_iter().map(|(address, value)| (address.to_canonical(), value)).collect();
            let text: String = networks.iter().map(|(a, v)| format!("{a} {v}\n")).collect();
            let read = read(text.as_bytes()).unwrap().networks;
            prop_assert_eq!(read.len(), networks.len());
            for (address, value) in networks {
                prop_assert_eq!(read.longest(address).map(|(_, v)| v.clone()), Some(value));
            }
        }

        #[test]
        fn half_a_network_of_ordinary_length_is_never_a_wide_one(address: u32, length in 16_u8..=32) {
            let line = format!("{}/{length}", std::net::Ipv4Addr::from_bits(address));
            for end in line.find('/').unwrap() + 2..line.len() {
                if let Ok(list) = read(&line.as_bytes()[..end]) {
                    prop_assert!(list.networks.iter().all(|(network, _): (Prefix, _)| network.length() >= 8));
                }
            }
        }
    }
}
