//! Lists with columns: where the addresses are, and what quotes mean.

use ctwarden_feeds::{Column, Format};

use super::{any, as_format, read, refused, told};

const ABUSE: &str = "################\n# a block list #\n################\n#\n\
    # \"first_seen_utc\",\"dst_ip\",\"dst_port\",\"malware\"\n\
    \"2026-11-01 08:00:00\",\"198.51.100.7\",\"443\",\"Example\"\n\
    \"2026-11-02 09:30:00\",\"203.0.113.9\",\"8080\",\"An \"\"other\"\", too\"\n# END 2 entries\n";

fn name(name: &str) -> Column {
    Column::Name(name.into())
}

#[test]
fn the_header_says_which_column_has_the_addresses() {
    for (text, expected) in [
        (ABUSE, &["198.51.100.7", "203.0.113.9"][..]),
        ("indicator,type,score\n198.51.100.66,ip,90\n", &["198.51.100.66"]),
        ("# Firstseen,DstIP,DstPort\r\n#\r\n2026-11-01,198.51.100.7,443\r\n", &["198.51.100.7"]),
        ("\u{feff}CIDR\n192.0.2.0/24\n2001:db8::/32\n", &["192.0.2.0/24", "2001:db8::/32"]),
        ("ip_address , note\n 192.0.2.10-192.0.2.11 , \"a, b\"\n", &["192.0.2.10/31"]),
        ("\"time\", \"src_ip\"\n\"now\", \"192.0.2.1\"\n", &["192.0.2.1"]),
        ("network,note\n192.0.2.0/255.255.255.0,\n", &["192.0.2.0/24"]),
    ] {
        let list = read(text, &any());
        assert_eq!(
            (list.format(), told(&list)),
            (Format::Csv, expected.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
}

#[test]
fn columns_are_named_or_numbered() {
    let list = read(ABUSE, &any().address_column(Column::Number(2)).value_column(name("malware")));
    assert_eq!(told(&list), ["198.51.100.7 Example", "203.0.113.9 An \"other\", too"]);
    let list = read(ABUSE, &any().address_column(name("DST-IP")).value_column(Column::Number(3)));
    assert_eq!(told(&list), ["198.51.100.7 443", "203.0.113.9 8080"]);
    // A file without a header, and one whose header names nothing that is known.
    let list = read("a,198.51.100.7\nb,198.51.100.8\n", &any().address_column(Column::Number(2)));
    assert_eq!(told(&list), ["198.51.100.7", "198.51.100.8"]);
    let list = read("who,where\na,198.51.100.7\n", &any().address_column(name("where")).value_column(name("who")));
    assert_eq!(told(&list), ["198.51.100.7 a"]);
    let list = read("who,where\na,198.51.100.7\n", &any().address_column(Column::Number(2)));
    assert_eq!(told(&list), ["198.51.100.7"]);
}

#[test]
fn an_unknown_column_is_told_with_the_key() {
    let several = "src_ip,dst_ip\n192.0.2.1,192.0.2.2\n";
    for (text, reading, expected) in [
        (
            "198.51.100.66,198.51.100.67\n",
            any(),
            "l:1:1: this looks like columns with commas between (format \"csv\"), and none is known to hold the addresses; \
             write for example address-column = 1",
        ),
        ("when,198.51.100.67\n", any(), "none is known to hold the addresses; write for example address-column = 2"),
        (
            "# x\nwho,where\na,192.0.2.1\n",
            any(),
            "l:2:1: this looks like columns with commas between (format \"csv\"), and none is known to hold the addresses among who, where; write",
        ),
        (
            several,
            any(),
            "l:1:1: the columns \"src_ip\" and \"dst_ip\" may hold the addresses; write one of them, for example",
        ),
        (
            several,
            any().address_column(name("ip")),
            "l:1:1: there is no column \"ip\" among src_ip, dst_ip; correct address-column",
        ),
        (several, any().address_column(Column::Number(3)), "l:1:1: there is no column 3; address-column is 1 to 2"),
        (several, any().address_column(Column::Number(0)), "l:1:1: there is no column 0; address-column is 1 to 2"),
        (
            "192.0.2.1,192.0.2.2\n",
            any().address_column(name("ip")),
            "l:1:1: there is no header that names a column \"ip\"; write the number of the column, address-column = 1",
        ),
        (
            several,
            any().address_column(Column::Number(1)).value_column(name("x")),
            "l:1:1: there is no column \"x\" among src_ip, dst_ip; correct value-column",
        ),
    ] {
        // No other line can be read either, so there is nothing to skip.
        for reading in [reading.clone(), reading.skip_bad_lines(true)] {
            let said = refused(text, &reading);
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[test]
fn a_bad_line_is_named_with_its_column() {
    let head = "when,ip\n1,192.0.2.1\n";
    for (line, expected) in [
        ("2, nonsense", "l:3:4: \"nonsense\" is not an address or network"),
        ("\"é\"\"\",192.0.2.300", "l:3:7: \"192.0.2.300\" is not an address or network"),
        ("2", "l:3:1: this has fewer columns than the one of the address; write all columns"),
        ("2,", "l:3:3: this is not an address or network"),
        ("2,\"192.0.2.2", "l:3:3: this has a quote without an end; end it on the same line"),
        ("2,0.0.0.0/0", "l:3:3: \"0.0.0.0/0\" is wider than /8"),
        ("2,192.0.2.1:443", "l:3:3: \"192.0.2.1:443\" has a port; write the address alone"),
    ] {
        let said = refused(format!("{head}{line}\n3,192.0.2.3\n"), &any());
        assert!(said.starts_with(expected) && said.lines().count() == 1, "{line}: {said}");
        let list = read(&format!("{head}{line}\n3,192.0.2.3\n"), &any().skip_bad_lines(true));
        assert_eq!(told(&list), ["192.0.2.1", "192.0.2.3"]);
        assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (4, 2, 1));
        assert_eq!(format!("l:{}", list.skipped()[0]), said);
    }
}

#[test]
fn the_format_can_be_forced() {
    // To a plain list, the rest of the line is a value.
    assert_eq!(told(&read("192.0.2.1 ,x\n", &any())), ["192.0.2.1 ,x"]);
    let reading = as_format(Format::Csv).address_column(Column::Number(1)).value_column(Column::Number(2));
    assert_eq!(told(&read("192.0.2.1 ,x\n", &reading)), ["192.0.2.1 x"]);
}
