//! The output of `ipset save`.

use ctwarden_feeds::Format;

use super::{any, as_format, read, refused, told};

const SAVED: &str = "create bad hash:net family inet hashsize 1024 maxelem 65536 timeout 0 bucketsize 12 initval 0x5f\n\
    add bad 192.0.2.0/24 timeout 3600\nadd bad 198.51.100.7 timeout 0\nadd bad 198.51.100.8 packets 3 bytes 200 comment \"a b\"\n\
    create bad6 hash:net family inet6 hashsize 1024 maxelem 65536\nadd bad6 2001:db8:66::/48\n\
    create ports bitmap:port range 0-1023\n";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_set_or_the_named_ones_are_read() {
    let list = read(SAVED, &any());
    assert_eq!(list.format(), Format::Ipset);
    assert_eq!(told(&list), ["192.0.2.0/24 3600s", "198.51.100.7", "198.51.100.8 a b", "2001:db8:66::/48"]);
    assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (7, 4, 0));
    assert_eq!(told(&read(SAVED, &any().lists(names(&["bad6"])))), ["2001:db8:66::/48"]);
    assert_eq!(told(&read(SAVED, &any().lists(names(&["bad6", "bad"])))).len(), 4);
    let said = refused(SAVED, &any().lists(names(&["bad", "worse"])));
    assert_eq!(said, "l:1:1: there is no set \"worse\" among bad, bad6, ports; correct the key list");
    // A set that is there and has no entry.
    assert!(refused(SAVED, &any().lists(names(&["ports"]))).contains("the list has no entry"));
}

#[test]
fn bad_entries_of_other_sets_do_not_count() {
    let text = format!("{SAVED}add ports 80\n");
    assert!(refused(&text, &any()).starts_with("l:8:11: \"80\" is not an address or network"));
    assert_eq!(read(&text, &any().lists(names(&["bad"]))).counts().bad, 0);
}

#[test]
fn the_later_end_counts() {
    let text = "add a 192.0.2.1 timeout 60\nadd b 192.0.2.1 timeout 90\nadd a 192.0.2.2 timeout 60\nadd b 192.0.2.2\n\
                add a 192.0.2.3\nadd b 192.0.2.3 timeout 60\n";
    assert_eq!(told(&read(text, &any())), ["192.0.2.1 90s", "192.0.2.2", "192.0.2.3"]);
}

#[test]
fn what_a_set_of_addresses_cannot_have_is_told() {
    for (line, expected) in [
        (
            "add bad 198.51.100.7,tcp:443",
            "l:2:9: \"198.51.100.7,tcp:443\" has a port or another part beside the address",
        ),
        (
            "add bad 192.0.2.0/24,eth0 timeout 3",
            "has a port or another part beside the address, and a set has addresses only",
        ),
        ("add bad 192.0.2.0/28 nomatch", "l:2:9: \"192.0.2.0/28\" is an exception to wider networks (nomatch)"),
        ("add bad 192.0.2.1 timeout soon", "l:2:9: \"192.0.2.1\" has a timeout that is not a whole number of seconds"),
        ("add bad", "l:2:1: \"add\" has no entry; write the output of ipset save"),
        ("flush bad", "l:2:1: \"flush\" changes sets, which a list cannot; write the output of ipset save"),
        ("192.0.2.2", "l:2:1: \"192.0.2.2\" is not a line of ipset save"),
        ("add bad 0.0.0.0/0", "is wider than /8, the set's shortest-ipv4-prefix"),
    ] {
        let said = refused(format!("add bad 192.0.2.1\n{line}\n"), &any());
        assert!(said.starts_with("l:2:") && said.contains(expected) && said.lines().count() == 1, "{line}: {said}");
    }
    let said = refused("192.0.2.1\n", &as_format(Format::Ipset));
    assert!(said.contains("is not a line of ipset save"), "{said}");
    for text in ["Name: bad\nType: hash:ip\n", "-N bad iphash\n-A bad 192.0.2.1\n"] {
        assert!(refused(text, &any()).contains("write it with `ipset save`, which format \"ipset\" reads"));
    }
}
