//! Lists with an object of JSON on each line.

use ctwarden_feeds::{Column, Format};

use super::{any, read, refused, told};

fn name(name: &str) -> Column {
    Column::Name(name.into())
}

#[test]
fn each_line_is_an_object_with_an_address() {
    let text = "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL000001\",\"rir\":\"ripencc\"}\r\n\n\
                {\"cidr\" : \"2001:db8:66::/48\", \"sblid\":\"SBL000003\",\"x\":{\"ip\":[1]}}\n\
                {\"type\":\"metadata\",\"timestamp\":1795946400,\"records\":2}\n";
    let list = read(text, &any());
    assert_eq!(list.format(), Format::JsonLines);
    assert_eq!(told(&list), ["192.0.2.0/24 SBL000001", "2001:db8:66::/48 SBL000003"]);
    assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (4, 2, 0));
    let list = read(text, &any().value_column(name("rir")));
    assert_eq!(told(&list), ["192.0.2.0/24 ripencc", "2001:db8:66::/48"]);
    let text = "{\"host\":\"192.0.2.1\",\"ip\":\"192.0.2.2\",\"score\":90}\n{\"host\":\"192.0.2.3-192.0.2.4\",\"score\":null}\n";
    let list = read(text, &any().address_column(name("host")).value_column(name("score")));
    assert_eq!(told(&list), ["192.0.2.1 90", "192.0.2.3", "192.0.2.4"]);
}

#[test]
fn a_bad_line_is_named_with_its_column() {
    let head = "{\"ip\":\"192.0.2.1\"}\n";
    for (line, expected) in [
        ("{\"é\":1, \"ip\": \"nonsense\"}", "l:2:15: \"nonsense\" is not an address or network"),
        ("{\"ip\":7}", "l:2:7: \"7\" is not a text; write the address in quotes"),
        (
            "{\"host\":\"192.0.2.1\"}",
            "l:2:1: this has no field with an address; name that field, for example address-column",
        ),
        (
            "{\"ip\":\"192.0.2.1\",\"cidr\":\"192.0.2.0/24\"}",
            "l:2:1: this has several fields that may hold the address; name",
        ),
        (" [\"192.0.2.1\"]", "l:2:2: this is not an object of JSON; write one object on each line"),
        ("192.0.2.1", "l:2:1: this is not an object of JSON"),
        (" {\"ip\":\"192.0.2.1\"", "l:2:18: no JSON: EOF while parsing an object; write one object on each line"),
        ("{\"ip\":\"192.0.2.1\"},", "l:2:19: no JSON: trailing characters; write one object on each line"),
        ("{\"ip\":\"::/0\"}", "l:2:7: \"::/0\" is wider than /16"),
    ] {
        let said = refused(format!("{head}{line}\n"), &any());
        assert!(said.starts_with(expected) && said.lines().count() == 1, "{line}: {said}");
        let list = read(&format!("{head}{line}\n"), &any().skip_bad_lines(true));
        assert_eq!((told(&list), list.counts().bad), (vec!["192.0.2.1".to_owned()], 1));
    }
}

#[test]
fn json_over_several_lines_is_refused_with_the_command_that_helps() {
    for text in
        ["[\n  \"198.51.100.66\",\n", "[{\"ip\":\"198.51.100.66\"}]", "{\n \"ip\": \"198.51.100.66\"\n}\n", "[]"]
    {
        let said = refused(text, &any());
        assert!(
            said.starts_with("l:1:1: this looks like JSON over several lines; write one object on each line"),
            "{said}"
        );
        assert!(said.contains("`jq -c '.[]'`, which format \"json-lines\" reads"), "{said}");
    }
}
