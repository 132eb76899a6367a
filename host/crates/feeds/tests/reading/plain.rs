//! Plain lists, as people and programs keep them.

use ctwarden_feeds::{Format, Reading, Shortest, parse};

use super::{any, read, refused, told};

fn networks(bytes: &[u8]) -> Vec<String> {
    let list = parse(bytes, &any()).unwrap_or_else(|error| panic!("{}", error.told("l")));
    assert_eq!(list.format(), Format::Plain);
    list.networks().iter().map(|(network, _)| network.to_string()).collect()
}

#[test]
fn a_line_is_a_network_a_value_and_a_comment() {
    let text = "# bans\n\n192.0.2.0/24\n  198.51.100.7 \tscanner of ports # seen twice\n2001:db8::/32 AS64500#a;b//c\r\n\
                203.0.113.1#x\n203.0.113.2;\n203.0.113.3//x y\n203.0.113.4 http://a ; b\n;c\n//d\n  # e\n203.0.113.5 - a-b\n\
                203.0.113.6-203.0.113.7 # r\nsome, name:203.0.113.8-203.0.113.8\n";
    let list = read(text, &any());
    let expected = [
        "192.0.2.0/24",
        "198.51.100.7 scanner of ports",
        "203.0.113.1 x",
        "203.0.113.2",
        "203.0.113.3 x y",
        "203.0.113.4 http://a",
        "203.0.113.5 - a-b",
        "203.0.113.6/31 r",
        "203.0.113.8 some, name",
        "2001:db8::/32 AS64500#a;b//c",
    ];
    assert_eq!(told(&list), expected, "a comment is the value where no value is written");
    assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (15, 10, 0));
}

/// Lists as programs and people keep them, and their meaning.
#[test]
fn lists_of_many_origins_are_read() {
    let cases: [(&[u8], &[&str]); 15] = [
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
    let note = |text| read(text, &any()).note().map(ToString::to_string);
    let told = "1:1: \"198.51.100.4/24\" is taken as 198.51.100.0/24, and 3 more entries have such bits";
    let text = "198.51.100.4/24\n198.51.100.5/24\n203.0.113.0/24\n2001:db8::1/32\n198.51.100.4/24\n";
    assert_eq!(note(text).as_deref(), Some(told));
    assert_eq!(note("198.51.100.0/24\n::ffff:203.0.113.0/120\n10.0.0.0/8\n"), None);
    let told = "1:1: \"10.9.9.9/255.0.0.0\" is taken as 10.0.0.0/8";
    assert_eq!(note("10.9.9.9/255.0.0.0 x").as_deref(), Some(told));
}

#[test]
fn every_mistake_is_named_with_its_place_and_the_way_out() {
    for (line, told) in [
        ("example", "\"example\" is not an address or network; write for example 192.0.2.0/24 or 2001:db8::1"),
        ("198.51.100.0/33", "\"198.51.100.0/33\" has a prefix that is longer than its address; write /32 at most"),
        ("2001:db8::/129 x", "\"2001:db8::/129\" has a prefix that is longer than its address; write /128 at most"),
        ("198.051.100.066", "\"198.051.100.066\" has a number that begins with 0, which some programs read as octal"),
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
        let said = refused(format!("192.0.2.1\n  {line}\n"), &any());
        assert!(said.starts_with("l:2:3: ") && said.contains(told), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
    let said = refused("x\n".repeat(30), &any());
    assert_eq!((said.lines().count(), said.lines().last()), (21, Some("l: 10 more lines are wrong")));
}

#[test]
fn shortest_prefixes_are_the_sets_own() {
    let list = read("0.0.0.0/0\n::/0\n", &Reading::new(Shortest { ipv4: 0, ipv6: 0 }));
    assert_eq!(told(&list), ["0.0.0.0/0", "::/0"]);
}

#[test]
fn what_is_no_text_is_told_shortly() {
    assert_eq!(
        refused(b"198.51.100.66 # caf\xc3\xa9 \xe9\n", &any()),
        "l:1:22: this is not UTF-8; save the file as UTF-8, with one address or network a line"
    );
    assert!(refused(b"198.51.100.66\n\xff\xfe1\x009\x00", &any()).starts_with("l:2:1: this is not UTF-8"));
    let zeros = vec![0; 1 << 20];
    let said = refused(zeros, &any());
    assert_eq!(said, "l:1:1: this is a line of more than 4096 bytes; write one address or network a line");
    let said = refused([0; 100], &any());
    assert_eq!(said, "l:1:1: this is a NUL byte, so the file is no text; name the list itself");
    let said = refused(b"198.51.100.66\r198.51.100.67\r", &any());
    assert!(said.starts_with("l:1:14: this is a carriage return within the line"), "{said}");
    assert!(refused("\u{202e}\u{1b}[2J".repeat(900), &any()).len() < 1000);
    let said = refused("\u{202e}\u{1b}[2J\u{9b}\n".repeat(100_000), &any());
    assert!(said.len() < 10_000, "{} bytes", said.len());
    assert!(said.chars().all(|c| c == '\n' || c == '…' || c == ' ' || c.is_ascii_graphic()), "{said:?}");
}

#[test]
fn a_file_that_not_everybody_may_read_is_not_quoted() {
    let secret = "root:$6$secret:19000:0:99999:7:::\nhunter2\nhunter2.example.org\n198.51.100.77/40\n";
    let said = refused(secret, &any().secret(true));
    assert!(said.starts_with("l:1:1: the entry is not an address or network; write "), "{said}");
    assert_eq!(said.lines().count(), 4);
    for format in Format::ALL {
        let texts = [
            secret,
            "ip,hunter2\n",
            "hunter2,root\n",
            "{\"hunter2\":1}\n",
            "{\"ip\":\"hunter2\"}\n",
            "hunter2 secret\n",
        ];
        for text in texts {
            let reading = any().format(format).secret(true);
            let said = refused(text, &reading);
            for word in ["root", "secret:", "hunter2", "19000", "77"] {
                assert!(!said.contains(word), "{format:?}: {said}");
            }
        }
    }
    let list = read("198.51.100.77/24\n", &any().secret(true));
    assert_eq!(list.note().map(ToString::to_string).as_deref(), Some("1:1: bits after the prefix are ignored"));
}
