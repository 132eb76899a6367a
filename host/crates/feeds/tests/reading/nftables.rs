//! The output of `nft -j`.

use ctwarden_feeds::Format;

use super::{any, as_format, read, refused, told};

/// The output for these sets: names and elements.
fn output(sets: &[(&str, &str)]) -> String {
    let sets = sets.iter().map(|(name, elements)| {
        format!(
            r#", {{"set": {{"family": "inet", "name": "{name}", "table": "filter", "type": "ipv4_addr", "handle": 2, "elem": [{elements}]}}}}"#
        )
    });
    let sets: String = sets.collect();
    format!(r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6", "json_schema_version": 1}}}}{sets}]}}"#)
}

const ELEMENTS: &str = r#"{"prefix": {"addr": "192.0.2.0", "len": 24}}, {"elem": {"val": "198.51.100.7", "timeout": 3600, "expires": 3000, "comment": "a b"}}, {"range": ["203.0.113.4", "203.0.113.9"]}, "203.0.113.77", {"elem": {"val": {"prefix": {"addr": "2001:db8::", "len": 32}}, "counter": {"packets": 1, "bytes": 2}}}, {"elem": {"val": "203.0.113.78", "timeout": 60}}"#;

#[test]
fn every_form_of_an_element_is_read() {
    let list = read(&output(&[("bad4", ELEMENTS)]), &any());
    assert_eq!(list.format(), Format::Nft);
    let expected = [
        "192.0.2.0/24",
        "198.51.100.7 a b 3000s",
        "203.0.113.4/30",
        "203.0.113.8/31",
        "203.0.113.77",
        "203.0.113.78 60s",
        "2001:db8::/32",
    ];
    assert_eq!(told(&list), expected);
    assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (1, 6, 0));
    // nft prints a set on one line, however large it is.
    let many: Vec<String> = (0..10_000).map(|n| format!("\"10.{}.{}.1\"", n / 256, n % 256)).collect();
    assert_eq!(read(&output(&[("bad4", &many.join(", "))]), &any()).counts().entries, 10_000);
    // As a person or another program lays it out.
    assert_eq!(
        read(&output(&[("bad4", ELEMENTS)]).replace(", ", ",\n\t").replace('{', "{\n"), &any()).counts().entries,
        6
    );
}

#[test]
fn every_set_or_the_named_ones_are_read() {
    let text = output(&[("a", "\"192.0.2.1\""), ("b", "\"192.0.2.2\""), ("services", "443, 80")]);
    let reading = any().lists(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(told(&read(&text, &reading)), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(told(&read(&text, &any().lists(vec!["b".to_owned()]))), ["192.0.2.2"]);
    let said = refused(&text, &any());
    assert!(
        said.contains("\"443\" is not an element with an address; name the sets of addresses, for example list = "),
        "{said}"
    );
    let said = refused(&text, &any().lists(vec!["c".to_owned()]));
    assert_eq!(said, "l:1:1: there is no set \"c\" among a, b, services; correct the key list");
    let none = r#"{"nftables": [{"set": {"family": "inet", "name": "bad", "table": "filter", "type": "ipv4_addr"}}]}"#;
    assert_eq!(read(none, &any().allow_empty(true)).networks().len(), 0);
    assert!(refused(none, &any()).starts_with("l:1:1: the list has no entry"));
}

#[test]
fn a_bad_element_is_named_with_its_place() {
    for (element, expected) in [
        (
            r#"{"concat": ["192.0.2.1", 443]}"#,
            "is a concatenation, and a set has addresses only; name the sets of addresses",
        ),
        (r#"{"elem": {"val": {"concat": ["192.0.2.1", "tcp", 443]}, "timeout": 3}}"#, "is a concatenation"),
        (r#""nonsense""#, "\"nonsense\" is not an address or network"),
        (
            r#"{"prefix": {"addr": "192.0.2.0", "len": 33}}"#,
            "\"192.0.2.0/33\" has a prefix that is longer than its address",
        ),
        (r#"{"prefix": {"addr": "0.0.0.0", "len": 0}}"#, "is wider than /8"),
        (r#"{"range": ["192.0.2.2", "192.0.2.1"]}"#, "is a range that ends before it begins"),
        (r#"{"range": ["192.0.2.2"]}"#, "is not an element with an address"),
        (r#"{"elem": {"val": "192.0.2.9", "timeout": "1h"}}"#, "has a timeout that is not a whole number of seconds"),
        ("443", "is not an element with an address"),
    ] {
        let text = output(&[("bad", &format!("\"192.0.2.1\",\n  {element}"))]);
        let said = refused(&text, &any());
        assert!(
            said.starts_with("l:2:3: ") && said.contains(expected) && said.lines().count() == 1,
            "{element}: {said}"
        );
        let list = read(&text, &any().skip_bad_lines(true));
        assert_eq!((told(&list), list.counts().bad), (vec!["192.0.2.1".to_owned()], 1));
    }
}

#[test]
fn what_nft_does_not_print_is_refused_with_the_command() {
    let good = output(&[("bad", "\"192.0.2.1\"")]);
    let cut = &good[..good.len() - 4];
    let said = refused(cut, &any().skip_bad_lines(true));
    assert!(said.starts_with(&format!("l:1:{}: no JSON: EOF while parsing", cut.len())), "{said}");
    assert!(said.ends_with("; write the output of `nft -j list set FAMILY TABLE SET`"), "{said}");
    let said = refused("{\"nftables\": 7}", &any());
    assert!(said.starts_with("l:1:14: this is not as nft prints a set; write the output of `nft -j"), "{said}");
    assert!(refused("192.0.2.1\n", &as_format(Format::Nft)).starts_with("l:1:"));
    assert!(refused(b"{\"nftables\": \n\xff", &any()).starts_with("l:2:1: this is not UTF-8"));
    for text in [
        "elements = { 198.51.100.66, 198.51.100.67 }\n",
        "table inet filter {\n\tset b {\n",
        "add element inet filter b { 198.51.100.66 }\n",
        "{ 198.51.100.66, 198.51.100.67 }\n",
    ] {
        let said = refused(text, &any());
        assert!(
            said.starts_with("l:1:1: this looks like nftables syntax; write the set with `nft -j list set"),
            "{said}"
        );
        assert!(said.ends_with("which format \"nft\" reads"), "{said}");
    }
}
