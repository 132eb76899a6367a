//! Which format a list has if nobody names one.

use ctwarden_feeds::{Column, Format};

use super::{any, read, refused};

#[test]
fn the_first_line_of_content_decides() {
    for (text, format) in [
        ("192.0.2.1\n", Format::Plain),
        ("name, with comma:192.0.2.1-192.0.2.2\n", Format::Plain),
        ("192.0.2.1 a,b,c\n", Format::Plain),
        ("# ip,port\n192.0.2.1,443\n", Format::Csv),
        ("ip\n192.0.2.1\n", Format::Csv),
        ("; x\n{\"ip\":\"192.0.2.1\"}\n", Format::JsonLines),
        ("\n\nadd x 192.0.2.1\n", Format::Ipset),
        ("{\n\n \"nftables\" : [{\"set\":{\"name\":\"x\",\"elem\":[\"192.0.2.1\"]}}]}", Format::Nft),
        ("  { \"nftables\": [{\"set\":{\"name\":\"x\",\"elem\":[\"192.0.2.1\"]}}]}", Format::Nft),
    ] {
        assert_eq!(read(text, &any()).format(), format, "{text}");
    }
}

#[test]
fn the_keys_of_the_set_decide_first() {
    let first = any().address_column(Column::Number(1));
    assert_eq!(read("192.0.2.1 ,x\n", &first).format(), Format::Csv);
    let named = any().lists(vec!["x".to_owned()]);
    assert_eq!(read("# saved\nadd x 192.0.2.1\n", &named).format(), Format::Ipset);
    assert!(refused("192.0.2.1\n", &named).contains("there is no set \"x\""));
}

#[test]
fn a_line_of_another_format_is_told_with_the_name_of_the_format() {
    for (line, name) in [
        ("198.51.100.2,x", "csv"),
        ("add b 198.51.100.66", "ipset"),
        ("create b hash:ip family inet", "ipset"),
        ("{\"cidr\":\"198.51.100.0/24\",\"sblid\":\"SBL1\"}", "json-lines"),
    ] {
        let said = refused(format!("198.51.100.1\n{line}\n{line}\n"), &any());
        assert!(said.starts_with("l:2:1: \""), "{said}");
        assert_eq!(
            said.matches(&format!("; if the file is {}, write format = \"{name}\"", Format::of_name(name).unwrap()))
                .count(),
            1,
            "{said}"
        );
    }
}
