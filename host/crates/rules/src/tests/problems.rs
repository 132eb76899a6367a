//! Every mistake has a rule, a key, a column and a fix.

use crate::file;

fn refused(text: &str) -> Vec<String> {
    let known = |set: &str| match set {
        "banned" => Ok(()),
        _ => Err(format!("there is no set \"{set}\"; declare [sets.{set}] and add it to read-sets")),
    };
    let problems = file::read(text, &known).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn one(text: &str) -> String {
    let mut said = refused(text);
    assert_eq!(said.len(), 1, "{text}: {said:#?}");
    said.remove(0)
}

/// Refuses a rule with this condition, in quotes that need no escapes, and returns what follows its key.
#[track_caller]
fn when(condition: &str) -> String {
    let said = one(&format!("[[rule]]\nname = 'r'\nwhen = '{condition}'\nthen = 'log'\n"));
    let (place, rest) = said.split_once(": rule \"r\": when: ").unwrap_or_else(|| panic!("{said}"));
    // The place in the file is that of the expression, which begins in column 9 of line 3.
    if let Some((column, _)) = rest.strip_prefix("column ").and_then(|rest| rest.split_once(':')) {
        let column: usize = column.parse().unwrap();
        assert_eq!(place, format!("3:{}", column + 8), "{said}");
    }
    rest.to_owned()
}

#[track_caller]
fn matching(table: &str) -> String {
    let said = one(&format!("[[rule]]\nname = 'r'\nmatch = {{ {table} }}\nthen = 'log'\n"));
    said.split_once(": rule \"r\": match").unwrap_or_else(|| panic!("{said}")).1.to_owned()
}

#[test]
fn conditions_are_refused_with_column_and_fix() {
    for (condition, said) in [
        ("flow.orig.src in sets.banned", "column 1: there is no field flow.orig.src; did you mean flow.original.src?"),
        (
            "flow.zone == 1 && flow.dst_prot == 22",
            "column 19: there is no field flow.dst_prot; did you mean flow.dst_port?",
        ),
        ("flow.zone == 1 && source == 22", "column 19: there is no \"source\"; the names begin with flow. or sets."),
        (
            "flow.original == 22",
            "column 1: flow.original is not a value; write one of its fields, such as flow.original.src",
        ),
        ("flow.src in sets.baned", "column 18: there is no set \"baned\"; declare [sets.baned]"),
        ("flow.src in set(\"x\")", "column 18: there is no set \"x\""),
        (
            "flow.src == \"10.0.0.0/8\"",
            "column 1: \"10.0.0.0/8\" is a network; write flow.original.src in \"10.0.0.0/8\"",
        ),
        ("flow.src in \"10.0.0.0/33\"", "column 13: prefix length 33 is longer than the 32 bits of 10.0.0.0"),
        ("flow.src in [\"10.0.0.0/8\", \"x\"]", "column 28: \"x\" is not an address or network"),
        ("flow.src in []", "column 13: this is never true: the list is empty; write its values"),
        ("flow.src < \"10.0.0.1\"", "column 1: an address and a text cannot be compared"),
        ("flow.src", "column 1: this is an address, and must be true or false; compare it"),
        ("flow.dst_port > 70000", "column 1: this is never true, because no flow has such a value"),
        ("flow.dst_port in [22, 70000]", "column 23: flow.original.dst_port is a number from 0 to 65535"),
        ("flow.dst_port >= 0", "column 1: this is always true: flow.original.dst_port is from 0 to 65535"),
        ("flow.protocol == \"tpc\"", "column 1: \"tpc\" is not a protocol; write tcp, udp"),
        ("flow.dst_port == \"22\"", "column 1: \"22\" is a text, and this is a number; remove the quotes"),
        ("flow.state == \"ESTABLISHED\"", "column 1: \"ESTABLISHED\" is not a state of these protocols; add protocols"),
        (
            "flow.timeout < 30",
            "column 1: a duration and a number cannot be compared; write for example duration(\"30s\")",
        ),
        ("flow.timeout < duration(\"30\")", "column 25: \"30\" is not a duration; write a number with a unit of"),
        ("flow.timeout < duration(\"30x\")", "column 25: \"30x\" is not a duration"),
        ("flow.timeout < \"30s\"", "column 1: a duration is written duration(\"30s\")"),
        ("now > timestamp(\"yesterday\")", "column 17: \"yesterday\" is not a time; write for example"),
        ("now.getHours(\"Berlin\") == 7", "column 14: \"Berlin\" is not a time zone with a fixed offset"),
        ("now.getHour() == 7", "column 1: there is no function getHour; did you mean getHours?"),
        ("math.bitAdd(flow.mark, 1) == 1", "column 1: there is no function math.bitAdd; did you mean math.bitAnd?"),
        ("math.bitAnd(flow.mark, 0xf) == 0x10", "column 1: this is never true: 0x10 has bits outside the mask 0xf"),
        ("flow.mark & 0xff == 1", "column 11: CEL has no operator &; write for example math.bitAnd"),
        ("flow.mark / 0 == 1", "column 13: a division by 0 has no result"),
        ("[1].all(x, x == 1)", "all, exists, map and filter are not supported"),
        ("1.5 < 2.5", "column 1: fractions are not supported here"),
        ("has(flow.src)", "every flow has flow.src; remove has()"),
        ("true", "column 1: this is always true; remove it"),
        ("false", "column 1: this is never true; correct it, or remove the rule"),
        ("", "the expression is empty; remove the key"),
        ("200 in flow.labels", "column 1: a label is a number from 0 to 127"),
        ("sets.banned[flow.src]", "column 1: this is a text, and must be true or false"),
        ("sets.banned[flow.mark] == \"x\"", "column 1: only a set has values"),
    ] {
        let found = when(condition);
        assert!(found.contains(said), "{condition}\nsaid  {found}\nwants {said}");
    }
}

#[test]
fn a_rule_that_can_never_apply_is_refused() {
    for (condition, said) in [
        ("flow.protocol == 6 && flow.zone == 1 && flow.protocol == 17", "column 41: no flow has such a flow.protocol"),
        ("flow.dst_port < 10 && flow.dst_port > 20", "column 23: no flow has such a flow.original.dst_port"),
        (
            "flow.protocol == \"icmp\" && flow.dst_port == 22",
            "column 28: flow.original.dst_port is a port, and the protocols",
        ),
        (
            "flow.src in \"10.0.0.0/8\" && flow.src in \"192.0.2.0/24\"",
            "column 29: no flow has such a flow.original.src",
        ),
        (
            "flow.src in \"10.0.0.0/8\" && flow.dst in \"2001:db8::/32\"",
            "column 29: flow.original.dst is of the other family",
        ),
        (
            "flow.status.assured && !flow.status.assured",
            "column 24: another condition of the rule requires the contrary",
        ),
        ("flow.mark == 1 && flow.mark != 1", "column 19: another condition of the rule requires the contrary"),
        ("math.bitAnd(flow.mark, 3) == 1 && math.bitAnd(flow.mark, 1) == 0", "column 35: no flow has such a flow.mark"),
        ("!(flow.zone == 1 || flow.zone != 2) && flow.zone == 3", "column 40: no flow has such a flow.zone"),
    ] {
        let found = when(condition);
        assert!(found.contains(said), "{condition}\nsaid  {found}\nwants {said}");
    }
    for (table, said) in [
        (
            "protocols = ['icmp'], dst-ports = [22]",
            ".dst-ports: flow.original.dst_port is a port, and the protocols of the rule",
        ),
        ("protocols = []", ".protocols: the list is empty, so no flow could match"),
        ("family = 'ipv6', original-src = ['10.0.0.0/8']", ".original-src: flow.original.src is of the other family"),
        ("", ": the table is empty; write a condition"),
        ("status = ['ASSURED', '!ASSURED']", ".status: \"!ASSURED\" contradicts an earlier value"),
        ("sets = ['banned', 'lost']", ".sets: there is no set \"lost\"; declare [sets.lost]"),
    ] {
        let found = matching(table);
        assert!(found.contains(said), "{table}\nsaid  {found}\nwants {said}");
    }
    let text = "[[rule]]\nname = 'r'\nmatch = { protocols = ['tcp'] }\nwhen = 'flow.protocol == 17'\nthen = 'log'\n";
    assert!(one(text).starts_with("4:9: rule \"r\": when: column 1: no flow has such a flow.protocol"));
}

#[test]
fn values_of_a_match_are_refused_as_in_protect() {
    for (table, said) in [
        (
            "protocol = ['tcp']",
            ".protocol: there is no such key; did you mean protocols? the keys are family, protocols",
        ),
        ("protocols = ['tcpx']", ".protocols: \"tcpx\" is not a protocol; write a name such as \"tcp\""),
        ("dst-ports = ['90-80']", ".dst-ports: \"90-80\" is not a port or a range"),
        ("either = ['10.0.0.0/33']", ".either: prefix length 33 is longer"),
        ("states = ['LISTENING']", ".states: \"LISTENING\" is not a state of these protocols"),
        ("mark = '0x100/0xff'", ".mark: value 0x100 has bits outside its mask 0xff"),
        ("status = ['ASURED']", ".status: \"ASURED\" is not a status; write number/mask or one of EXPECTED"),
        ("timeout-seconds = '30-0'", ".timeout-seconds: \"30-0\" is not a range of seconds"),
        ("labels = [128]", ".labels: 128 is not a whole number from 0 to 127"),
        ("family = 'ipv5'", ".family: \"ipv5\" is not a family"),
        ("zones = 'x'", ".zones: \"x\" is not a list in brackets"),
    ] {
        let found = matching(table);
        assert!(found.contains(said), "{table}\nsaid  {found}\nwants {said}");
    }
}

#[test]
fn the_other_keys_are_refused_with_a_fix() {
    for (keys, said) in [
        ("then = 'drop'", "then: \"drop\" is no action; the actions are delete, kill, mark"),
        ("then = 'delte'", "then: \"delte\" is no action; did you mean delete?"),
        (
            "then = 'block'",
            "then: block needs a value; write [rule.then] and block = { set = \"drop\", for = \"10m\" }",
        ),
        ("then = ['delete', 'kill']", "then: delete and kill exclude each other, because each ends the flow"),
        ("then = { block = { set = 'drop' } }", "then.block: for is missing; write for example block ="),
        ("then = { block = { set = 'drop', for = '10' } }", "then.block.for: \"10\" is not a duration"),
        ("then = { block = { set = 'd', for = '1h', at-most = '1m' } }", "then.block: at-most is shorter than for"),
        ("then = { alert = '{scr} scans' }", "then.alert: {scr} is unknown; did you mean src?"),
        (
            "then = { alert = { severity = 'warn' } }",
            "then.alert.severity: \"warn\" is no severity; did you mean warning?",
        ),
        ("then = { timeout = 30 }", "then.timeout: 30 is not a duration in quotes; write for example \"10s\""),
        (
            "per = 'source'\ndistinct = { of = 'dst-port', count = 1025 }\nwithin = '1m'\nthen = 'log'",
            "distinct.count: 1025 is not a whole number from 2 to 1024",
        ),
        ("then = { delete = true, timeout = '30s' }", "then: delete and timeout exclude each other"),
        ("then = {}", "then: nothing happens; write an action"),
        ("then = { label = { set = [1], clear = [1] } }", "then.label: a bit is in both set and clear"),
        ("", "then is missing; write for example then = \"alert\""),
        ("whn = 'x'\nthen = 'log'", "whn: there is no such key; did you mean when?"),
        ("on = ['destroyed']\nthen = 'log'", "on: \"destroyed\" is no kind of entry; did you mean destroy?"),
        ("on = ['destroy']\nthen = 'delete'", "on: a flow that has ended cannot be changed"),
        ("per = 'source'\nthen = 'log'", "per and within need one of count, bytes, packets, distinct"),
        ("count = 5\nwithin = '1m'\nthen = 'log'", "count needs per; add for example per = \"source\""),
        ("count = 5\nper = 'source'\nthen = 'log'", "count needs within; add for example within = \"10s\""),
        ("count = 0\nper = 'source'\nwithin = '1m'\nthen = 'log'", "count: 0 is not a whole number from 1 to"),
        ("count = 5\nbytes = 5\nper = 'source'\nwithin = '1m'\nthen = 'log'", "count and bytes cannot be in one rule"),
        (
            "count = 5\nper = 'sources'\nwithin = '1m'\nthen = 'log'",
            "per: \"sources\" is unknown; did you mean source?",
        ),
        ("count = 5\nper = 'source'\nwithin = '90d'\nthen = 'log'", "within is longer than a day"),
        (
            "count = 5\nper = 'source'\nwithin = '1m'\non = ['new']\nthen = 'log'",
            "on: a rule that counts chooses the kinds",
        ),
        ("every = '5s'\nthen = 'log'", "every: \"5s\" is not from 10s to 1d"),
        ("every = '1m'\non = ['new']\nthen = 'log'", "every: the rule does not judge flows that exist"),
        (
            "count = 5\nper = 'source'\nwithin = '1m'\nevery = '1m'\nthen = 'log'",
            "every: a rule that counts chooses the time between sweeps itself",
        ),
        (
            "bytes = '5 gigs'\nper = 'source'\nwithin = '1m'\nthen = 'log'",
            "bytes: \"5 gigs\" is not an amount of bytes",
        ),
        (
            "distinct = { of = 'port', count = 9 }\nper = 'source'\nwithin = '1m'\nthen = 'log'",
            "distinct.of: \"port\" cannot be counted",
        ),
    ] {
        let found = one(&format!("[[rule]]\nname = 'r'\n{keys}\n"));
        assert!(found.contains(&format!("rule \"r\": {said}")), "{keys}\nsaid  {found}\nwants {said}");
    }
}

#[test]
fn the_list_of_rules_is_checked() {
    assert!(one("").contains("there is no rule; begin each with [[plugin.config.rule]], or [[rule]]"));
    assert!(one("rules = []\n[[rule]]\nname='r'\nthen='log'\n").contains("there is no such key; did you mean rule?"));
    assert!(one("rule = []").contains("this is not a list of rules; begin each with [[rule]]"));
    let twice = "[[rule]]\nname = 'r'\nthen = 'log'\n".repeat(2);
    assert!(one(&twice).starts_with("5:8: rule \"r\": name: another rule has this name"), "{}", one(&twice));
    assert!(one("[[rule]]\nthen = 'log'\n").contains("rule 1: name is missing"));
    assert!(one("[[rule]]\nname = 'a b'\nthen = 'log'\n").contains("\"a b\" is not a name; use 1 to 64 letters"));
    assert!(one("[[rule]\n").starts_with("1:"), "{}", one("[[rule]\n"));
    let many: String = (0..17)
        .map(|n| format!("[[rule]]\nname = 'r{n}'\nper = 'source'\ncount = 2\nwithin = '1m'\nthen = 'log'\n"))
        .collect();
    assert!(one(&many).contains("17 rules count (per), more than 16"));
}

#[test]
fn every_mistake_is_named_at_once_and_finds_its_line() {
    let text = "[[rule]]\nname = 'a'\nwhen = '''\n  flow.zone == 1 &&\n  flow.zon == 2\n'''\nthen = 'dele'\n\n\
                [[rule]]\nname = 'b'\nthen = 'log'\n[rule.match]\ndst-ports = [22,\n  'x']\n";
    let said = refused(text);
    let begins = [
        "7:8: rule \"a\": then: ",
        "5:3: rule \"a\": when: line 2, column 3: there is no field flow.zon",
        "14:3: rule \"b\": match.dst-ports: \"x\" is not a port",
    ];
    assert_eq!(said.len(), begins.len(), "{said:#?}");
    for (said, begin) in said.iter().zip(begins) {
        assert!(said.starts_with(begin), "{said}\nis not {begin}");
    }
}
