//! Whole configurations: valid ones are read, and each mistake is reported with file, line and repair.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ctwarden_mmdb_writer::{Value, Writer, map, text};
use ctwarden_model::{Mode, SetName, VerdictKind, VerdictKinds};
use proptest::prelude::*;
use serde_json::json;

use super::resolved::{Budget, Limits};
use super::*;
use crate::netlink::nftables::managed::FilterVerdict;

/// A directory with two components and a set, as the example needs them.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("ban-follower.wasm", &b"\0asm one"[..]),
            ("mark-by-service.wasm", b"\0asm two"),
            ("banned.txt", b"192.0.2.66 scanner\n"),
        ] {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ctwarden.toml")
    }

    fn load(&self, text: &str) -> Result<Configuration, Problems> {
        fs::write(self.file(), text).unwrap();
        load(&self.file())
    }

    /// The findings, each without the name of the file.
    fn findings(&self, text: &str) -> Vec<String> {
        let file = format!("{}:", self.file().display());
        let said = self.load(text).map(drop).unwrap_err().to_string();
        said.lines()
            .map(|line| line.strip_prefix(&file).unwrap_or_else(|| panic!("{line} lacks {file}")).to_owned())
            .collect()
    }

    #[track_caller]
    fn expect(&self, text: &str, begins: &[&str]) {
        let found = self.findings(text);
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (line, begin) in found.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}\ndoes not begin with\n{begin}");
        }
    }
}

use super::wording::EXAMPLE;

#[test]
fn the_example_is_good_and_means_what_it_says() {
    let scene = Scene::new();
    let read = scene.load(EXAMPLE).unwrap();
    assert_eq!(read.file, scene.file());
    assert_eq!(read.daemon.records, Destination::File("/var/log/ctwarden/records.jsonl".into()));
    assert_eq!(read.daemon.alerts, Some(Destination::Journal));
    assert_eq!(read.daemon.control, PathBuf::from("/run/ctwarden/control.sock"));
    assert_eq!(read.protected.len(), 3);
    assert_eq!(read.protected[0].comment, "the management network");
    assert_eq!(read.protected[0].filter.either.len(), 2);
    assert_eq!(read.protected[2].filter.labels, 1 << 7);
    let banned = SetName("banned".into());
    let longest = |set: &SetName, address: &str| {
        let networks = read.sets[set].networks.as_ref().unwrap();
        networks.longest(address.parse().unwrap()).map(|(_, value)| value.clone())
    };
    assert_eq!(longest(&banned, "192.0.2.66").as_deref(), Some("scanner"));
    assert_eq!(longest(&SetName("offices".into()), "2001:db8:1::9").as_deref(), Some("tokyo"));
    let bad = SetName("bad".into());
    assert_eq!(read.mirrors[&bad], Mirror::Managed(FilterVerdict::Drop));
    let Mirror::Operators(table) = &read.mirrors[&SetName("blocked".into())] else { panic!("not managed") };
    assert_eq!(table.table.to_string(), "inet filter");
    assert_eq!((table.ipv4.as_deref(), table.ipv6.as_deref()), (Some("blocked4"), None));

    let [ban, mark] = read.plugins.as_slice() else { panic!("two plugins") };
    assert_eq!((ban.name.as_str(), ban.mode, &*ban.component), ("ban-follower", Mode::Enforce, &b"\0asm one"[..]));
    let kinds = ["delete", "block", "unblock", "alert", "sweep"];
    let kinds: VerdictKinds = VerdictKind::ALL.into_iter().filter(|kind| kinds.contains(&kind.name())).collect();
    assert_eq!(ban.grants.kinds, kinds);
    assert_eq!(ban.grants.block_sets.iter().collect::<Vec<_>>(), [&bad]);
    assert_eq!(ban.grants.read_sets.iter().collect::<Vec<_>>(), [&banned]);
    assert_eq!((ban.budget, ban.limits, ban.on_failure), (Budget::default(), Limits::default(), OnFailure::Restart));
    assert_eq!(ban.config, json!({"sets": ["banned"], "block-set": "bad", "block-seconds": 3600}));
    assert_eq!(mark.mode, Mode::Observe);
    assert_eq!((mark.grants.mark_mask, mark.grants.label_mask), (0xff, 0b110));
    assert_eq!(mark.config["rules"][0]["mark"], "0x10/0xff");
}

#[test]
fn what_the_example_shows_as_default_is_the_default() {
    let scene = Scene::new();
    let key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
    };
    let opened: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| key(rest)).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let shown = scene.load(&opened).unwrap();
    let default = scene.load(EXAMPLE).unwrap();
    assert!(opened.contains("\nreceive-buffer = \"64MiB\"\n") && opened.contains("\nstore = \"16MiB\"\n"));
    let group = ControlGroup { name: "root".into(), gid: 0 };
    assert_eq!(shown.daemon, Daemon { control_group: Some(group), ..default.daemon });
    assert_eq!(shown.plugins[0].budget, Budget::default());
    assert_eq!(shown.plugins[0].limits, Limits::default());
}

#[test]
fn an_empty_configuration_is_all_defaults() {
    let read = Scene::new().load("").unwrap();
    assert_eq!(read.daemon.state, PathBuf::from("/var/lib/ctwarden"));
    assert_eq!((read.daemon.records, read.daemon.alerts), (Destination::Stdout, None));
    assert_eq!((read.daemon.receive_buffer, read.daemon.merge_window), (64 << 20, Duration::from_millis(2)));
    assert!(read.plugins.is_empty() && read.protected.is_empty() && read.daemon.control_group.is_none());
}

#[test]
fn every_mistake_of_the_daemon_is_told() {
    Scene::new().expect(
        "[daemon]\ncontrol = \"control.sock\"\ncontrol-group = \"no-such-group-here\"\nstate = \"state\"\n\
         records = \"syslog\"\nalerts = \"log/alerts\"\nreceive-buffer = \"0B\"\nnice = -21\n",
        &[
            "2: daemon.control: \"control.sock\" is a relative path; write a path that begins with /",
            "3: daemon.control-group: there is no group \"no-such-group-here\"; create it with `groupadd --system",
            "4: daemon.state: \"state\" is a relative path",
            "5: daemon.records: \"syslog\" is neither one of stdout, journal nor a path; write one of them or a path",
            "6: daemon.alerts: \"log/alerts\" is neither one of stdout, journal, none nor a path",
            "7: daemon.receive-buffer: must not be zero; leave it out for the default",
            "8: daemon.nice: -21 is not a niceness; write a number from -20 to 19",
        ],
    );
}

#[test]
fn every_mistake_of_sets_is_told() {
    let scene = Scene::new();
    fs::write(scene.dir.path().join("bad.txt"), "192.0.2.1\nnonsense\n").unwrap();
    let bad = scene.dir.path().join("bad.txt");
    let gone = scene.dir.path().join("gone.txt");
    scene.expect(
        "[sets.a]\nfile = \"bad.txt\"\n[sets.b]\nfile = \"gone.txt\"\n[sets.c]\n[sets.d]\nentries = [\"10.0.0.0/8\",\n\
         \"10.0.0.0/99\"]\n[sets.\"e f\"]\nentries = []\n[block.x]\ntable = \"ctwarden\"\nipv4 = \"a\"\n[block.y]\n\
         table = \"inet x\"\nipv4 = false\nipv6 = false\n[block.z]\ntable = \"ip 0x\"\nipv4 = \"a b\"\n",
        &[
            &format!("2: sets.a: {}:2:1: \"nonsense\" is not an address or network; write for example", bad.display()),
            &format!("4: sets.b: there is no {}; create it or correct the path", gone.display()),
            "8: sets.d: \"10.0.0.0/99\" has a prefix that is longer than its address; write /32 at most",
            "9: sets.e f: \"e f\" is not a name; use 1 to 64 letters, digits, - or _",
            "11: block.x.ipv6: no set is named, so addresses of this family would not be blocked; write ipv6 = ",
            "12: block.x.table: \"ctwarden\" is not an nftables table; write family and name, for example \"inet",
            "14: block.y: names no set; write ipv4 = \"SET\", ipv6 = \"SET\" or both",
            "18: block.z.ipv6: no set is named",
            "19: block.z.table: \"0x\" is not an nftables name; use letters",
            "20: block.z.ipv4: \"a b\" is not an nftables name; use letters",
        ],
    );
}

#[test]
fn a_set_has_a_file_or_entries_or_is_filled_at_run_time() {
    let scene = Scene::new();
    let read = scene.load("[sets.banned]\n").unwrap();
    assert!(read.sets[&SetName("banned".into())].networks.as_ref().unwrap().is_empty());
    scene.expect(
        "[sets.a]\nfile = \"banned.txt\"\nentries = []\n[sets.b]\nlifetime = \"7d\"\n",
        &[
            "1: sets.a: has both file and entries; remove one of the two",
            "5: sets.b.lifetime: goes with a file, and this set has none; remove the key",
        ],
    );
}

#[test]
fn a_set_is_in_one_packet_filter_or_in_none() {
    let scene = Scene::new();
    let read = scene.load("[sets.a]\nfirewall = \"reject\"\n[sets.b]\nfirewall = false\n").unwrap();
    let mirrors: Vec<_> = read.mirrors.into_iter().collect();
    assert_eq!(mirrors, [(SetName("a".into()), Mirror::Managed(FilterVerdict::Reject))]);
    scene.expect(
        "[sets.a]\nfirewall = true\ntable = \"inet t\"\n[sets.b]\nfirewall = \"accept\"\n[sets.c]\nipv4 = \"c4\"\n\
         [sets.d]\ntable = \"inet t\"\nipv4 = true\nipv6 = \"d6\"\n[sets.e]\n[block.e]\ntable = \"inet t\"\n\
         ipv4 = \"e4\"\nipv6 = \"e6\"\n",
        &[
            "2: sets.a: the table inet ctwarden or one of yours: remove firewall or table",
            "5: sets.b.firewall: \"accept\" is no verdict; write true, \"drop\" or \"reject\"",
            "7: sets.c.ipv4: names a set of your own table; add table, or remove the key",
            "10: sets.d.ipv4: write the name of the set, or false",
            "13: block.e: there is [sets.e] too; write table, ipv4 and ipv6 there",
        ],
    );
}

#[test]
fn the_keys_of_a_list_say_how_it_is_read() {
    let scene = Scene::new();
    let write = |name: &str, text: &str| fs::write(scene.dir.path().join(name), text).unwrap();
    write("feed.csv", "a,198.51.100.7,x\nb,nonsense,y\n");
    write("saved", "add good 192.0.2.1\nadd bad 192.0.2.2 timeout 60\nadd worse 192.0.2.3\n");
    write("drop.json", "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"arin\"}\n");
    write("none", "# none\n");
    let read = scene
        .load(
            "[sets.csv]\nfile = \"feed.csv\"\nformat = \"csv\"\naddress-column = 2\nvalue-column = 3\non-bad-line = \"skip\"\n\
             lifetime = \"7d\"\nlargest-loss = 50\n[sets.one]\nfile = \"saved\"\nlist = \"bad\"\n[sets.two]\nfile = \"saved\"\n\
             format = \"ipset\"\nlist = [\"bad\", \"worse\"]\n[sets.json]\nfile = \"drop.json\"\nvalue-column = \"rir\"\n\
             [sets.none]\nfile = \"none\"\nallow-empty = true\n",
        )
        .unwrap();
    let networks = |name: &str| -> Vec<String> {
        let networks = read.sets[&SetName(name.into())].networks.clone().unwrap();
        networks.iter().map(|(network, value)| format!("{network} {value}")).collect()
    };
    assert_eq!(networks("csv"), ["198.51.100.7 x"]);
    assert_eq!(networks("one"), ["192.0.2.2 "]);
    assert_eq!(networks("two"), ["192.0.2.2 ", "192.0.2.3 "]);
    assert_eq!(networks("json"), ["192.0.2.0/24 arin"]);
    assert!(networks("none").is_empty());
    let version = read.sets[&SetName("csv".into())].version.clone().unwrap();
    assert_eq!((version.results().counts.entries, version.results().counts.bad), (1, 1));
}

#[test]
fn keys_that_do_not_fit_are_told() {
    let scene = Scene::new();
    scene.expect(
        "[sets.a]\nentries = []\nformat = \"plain\"\nlist = \"x\"\n[sets.b]\nfile = \"banned.txt\"\nformat = \"ipset\"\n\
         address-column = 2\n[sets.c]\nfile = \"banned.txt\"\nformat = \"plain\"\nlist = \"x\"\nlargest-loss = 101\n\
         lifetime = \"0s\"\n[sets.d]\nfile = \"banned.txt\"\nformat = \"json-lines\"\nvalue-column = 1\n[sets.e]\n\
         file = \"banned.txt\"\nformat = \"csv\"\naddress-column = 0\nvalue-column = \"\"\n[sets.f]\nfile = \"banned.txt\"\n\
         format = \"cvs\"\n[sets.g]\nfile = \"banned.txt\"\non-bad-line = \"ignore\"\n[sets.h]\nfile = \"banned.txt\"\n\
         list = []\n[sets.i]\nfile = \"banned.txt\"\nlist = \"x\"\nvalue-column = 2\n[sets.j]\nfile = \"banned.txt\"\nlist = 7\n",
        &[
            "3: sets.a.format: goes with a file, and this set has none; remove the key",
            "4: sets.a.list: goes with a file, and this set has none; remove the key",
            "8: sets.b.address-column: format \"ipset\" has no columns; remove the key, or write format = \"csv\"",
            "12: sets.c.list: a file of format \"plain\" has one list; remove the key, or write format = \"ipset\" or \"nft\"",
            "13: sets.c.largest-loss: 101 is no percentage; write 0 to 100",
            "14: sets.c.lifetime: must not be zero; leave it out for the default",
            "18: sets.d.value-column: a field of an object has no number; write its name",
            "22: sets.e.address-column: columns are counted from 1; write a number from 1 up, or a name",
            "23: sets.e.value-column: names no column; write its name, or its number from 1",
            "26: sets.f.format: there is no choice \"cvs\"; the choices are plain, csv, json-lines, ipset, nft, mmdb",
            "29: sets.g.on-bad-line: there is no choice \"ignore\"; the choices are refuse, skip",
            "32: sets.h.list: names no set; write for example list = \"bad\", or remove the key to read all sets",
            "35: sets.i.list: goes with the formats ipset and nft, which have no columns; remove this key, or the columns",
            "39: sets.j.list: 7 is not a text in quotes or a list of such texts",
        ],
    );
}

#[test]
fn keys_of_databases_are_checked() {
    let scene = Scene::new();
    let record = map([("country", map([("iso_code", text("RU"))])), ("a.b", Value::Array(vec![Value::U32(7)]))]);
    let bytes = Writer::new("GeoLite2-Country", true, 24).with("192.0.2.0/24", &record).finish();
    std::fs::write(scene.dir.path().join("c.mmdb"), bytes).unwrap();
    let read = scene
        .load(
            "[sets.a]\nfile = \"c.mmdb\"\n[sets.b]\nfile = \"c.mmdb\"\nformat = \"mmdb\"\nfield = \"country.iso_code\"\n\
             only = \"RU\"\n[sets.c]\nfile = \"c.mmdb\"\nfield = [\"a.b\", 0]\nonly = [\"x\", 7]\nlargest-loss = 50\n",
        )
        .unwrap();
    for (name, expected) in [("a", "RU"), ("b", "RU"), ("c", "7")] {
        let networks = read.sets[&SetName(name.into())].networks.clone().unwrap();
        let networks: Vec<_> = networks.iter().map(|(network, value)| format!("{network} {value}")).collect();
        assert_eq!(networks, [format!("192.0.2.0/24 {expected}")]);
    }
    scene.expect(
        "[sets.a]\nentries = []\nfield = \"x\"\n[sets.b]\nfile = \"c.mmdb\"\nformat = \"csv\"\nonly = \"RU\"\n\
         [sets.c]\nfile = \"c.mmdb\"\nfield = \"a..b\"\nonly = []\n[sets.d]\nfile = \"c.mmdb\"\nformat = \"mmdb\"\n\
         value-column = \"x\"\nlifetime = \"7d\"\non-bad-line = \"skip\"\n[sets.e]\nfile = \"c.mmdb\"\nonly = \"RU\"\n\
         list = \"x\"\n[sets.f]\nfile = \"c.mmdb\"\nonly = -1\n[sets.g]\nfile = \"c.mmdb\"\nlifetime = \"7d\"\n[sets.h]\n\
         file = \"c.mmdb\"\nfield = \"city.name\"\n",
        &[
            "3: sets.a.field: goes with a file, and this set has none; remove the key",
            "7: sets.b.only: goes with a MaxMind database; remove the key, or write format = \"mmdb\"",
            "10: sets.c.field: names no field; write for example field = \"country.iso_code\"",
            "11: sets.c.only: names no value; write for example only = [\"RU\"], or remove the key to read all networks",
            "15: sets.d.value-column: format \"mmdb\" has no columns; remove the key, or write format = \"csv\"",
            "16: sets.d.lifetime: goes with lists of text, and this set has a database; remove the key",
            "17: sets.d.on-bad-line: goes with lists of text, and this set has a database; remove the key",
            "21: sets.e.list: goes with lists of text, and this set has a database; remove the key",
            "24: sets.f.only: -1 is not a string, a number that is not negative, or a list of such values",
            "26: sets.g: ",
            "29: sets.h: ",
        ],
    );
}

#[test]
fn counters_have_room_for_some_keys() {
    Scene::new().expect(
        "[[plugin]]\nname = \"a\"\npath = \"ban-follower.wasm\"\n[plugin.limits]\ncounters = \"512KiB\"\n",
        &["5: plugin a: limits.counters: 512KiB is too little; write at least 1MiB"],
    );
}

#[test]
fn every_mistake_of_a_plugin_is_told_with_its_name() {
    let scene = Scene::new();
    let gone = scene.dir.path().join("gone.wasm");
    scene.expect(
        "[[plugin]]\nname = \"9 lives\"\npath = \"gone.wasm\"\nallow = [\"slay\", \"mark\", \"labels\", \"block\"]\n\
         read-sets = [\"banned\"]\n[plugin.limits]\nmemory = \"0MiB\"\ncall-cpu = \"0s\"\n[plugin.budget]\n\
         table-share-per-minute = 101\nalerts-per-second = 0\n[plugin.config]\nsince = 2026-01-01\n\
         [[plugin]]\nname = \"b\"\npath = \"ban-follower.wasm\"\nallow = [\"delete\"]\nmark-mask = \"0xff/0xff\"\n\
         label-bits = [128]\nblock-sets = [\"x\"]\n\
         [[plugin]]\nname = \"b\"\npath = \"ban-follower.wasm\"\nallow = [\"mark\", \"labels\"]\nmark-mask = 0\n\
         label-bits = []\n",
        &[
            "2: plugin: \"9 lives\" is not a name: use 1 to 64 letters, digits or -, beginning with a letter",
            &format!("3: plugin 9 lives: path: there is no {}; create it or correct the path", gone.display()),
            "4: plugin 9 lives: allow: \"slay\" is not a kind of verdict; the kinds are delete, kill, mark,",
            "4: plugin 9 lives: allow: [\"mark\"] needs mark-mask, which limits the grant; add mark-mask",
            "4: plugin 9 lives: allow: [\"labels\"] needs label-bits",
            "4: plugin 9 lives: allow: [\"block\", \"unblock\"] needs block-sets",
            "5: plugin 9 lives: read-sets: there is no set \"banned\"; declare it as [sets.banned]",
            "7: plugin 9 lives: limits.memory: must not be zero",
            "8: plugin 9 lives: limits.call-cpu: must not be zero",
            "10: plugin 9 lives: budget.table-share-per-minute: 101 is not a percentage; write 1 to 100",
            "11: plugin 9 lives: budget.alerts-per-second: must not be zero",
            "12: plugin 9 lives: config.since: JSON has no dates; write the date as a string: \"2026-01-01\"",
            "18: plugin b: mark-mask: allow lacks [\"mark\"]; add it to allow or remove mark-mask",
            "18: plugin b: mark-mask: \"0xff/0xff\" is not a mask; write the bits as one number",
            "19: plugin b: label-bits: allow lacks [\"labels\"]; add it to allow or remove label-bits",
            "19: plugin b: label-bits: 128 is not a label bit; write a number from 0 to 127",
            "20: plugin b: block-sets: allow lacks [\"block\", \"unblock\"]; add it",
            "20: plugin b: block-sets: there is no set \"x\"; declare [sets.x] with firewall = true",
            "22: plugin b: has the name of another plugin; give each [[plugin]] its own name",
            "25: plugin b: mark-mask: is empty and grants nothing",
            "26: plugin b: label-bits: is empty and grants nothing",
        ],
    );
}

#[test]
fn two_plugins_never_share_a_bit() {
    let plugin = |name: &str, mask: &str, bits: &str| {
        format!(
            "[[plugin]]\nname = \"{name}\"\npath = \"ban-follower.wasm\"\nallow = [\"mark\", \"labels\"]\n\
             mark-mask = \"{mask}\"\nlabel-bits = {bits}\n"
        )
    };
    let scene = Scene::new();
    let apart = plugin("a", "0x0f", "[1, 2]") + &plugin("b", "0xf0", "[3]");
    assert_eq!(scene.load(&apart).unwrap().plugins.len(), 2);
    scene.expect(
        &(plugin("a", "0x0f", "[1, 2, 100]") + &plugin("b", "0x1c", "[3, 100, 2]")),
        &[
            "11: plugin b: mark-mask: the bits 0xc are also granted to plugin a; only one plugin may have a mark bit",
            "12: plugin b: label-bits: the bits 2, 100 are also granted to plugin a; only one plugin may have a label",
        ],
    );
}

#[test]
fn a_wrong_section_is_told_once_and_not_by_those_who_name_it() {
    Scene::new().expect(
        "[sets.banned]\nfiles = \"banned.txt\"\n[[plugin]]\nname = \"a\"\npath = \"ban-follower.wasm\"\n\
         read-sets = [\"banned\"]\n",
        &["2: sets.banned.files: there is no key \"files\"; did you mean file?"],
    );
}

#[test]
fn mistakes_of_writing_and_of_meaning_are_told_together() {
    Scene::new().expect(
        "[daemon]\nstate = 5\n[[protect]]\ncomment = \"nothing\"\n[[plugin]]\nname = \"a\"\npath = \"none.wasm\"\n",
        &[
            "2: daemon.state: 5 is not a path in quotes",
            "3: protect[0]: has no condition",
            "7: plugin a: path: there is no ",
        ],
    );
}

#[test]
fn a_finding_knows_its_section() {
    let of = |text: &str| -> Vec<_> {
        let reading = read_bytes(Path::new("/c.toml"), text.as_bytes()).unwrap();
        reading.problems.iter().map(|problem| problem.section).collect()
    };
    assert_eq!(of("[daemon]\nstate = 5\n"), [Some(Section::Daemon)], "of writing");
    assert_eq!(of("[daemon]\nstate = \"here\"\n"), [Some(Section::Daemon)], "of meaning");
    assert_eq!(
        of("[deamon]\n[[protect]]\n[sets.a]\nlifetime = \"7d\"\n"),
        [None, Some(Section::Protect), Some(Section::Sets)]
    );
    assert_eq!(of("[[plugin]]\nname = \"daemon.\"\npath = \"a\"\n").first(), Some(&Some(Section::Plugin)));
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    let scene = Scene::new();
    let mode = |name: &str, mode| {
        fs::set_permissions(scene.dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let text = "[sets.banned]\nfile = \"banned.txt\"\n[[plugin]]\nname = \"a\"\npath = \"ban-follower.wasm\"\n";
    mode("ban-follower.wasm", 0o646);
    mode("banned.txt", 0o602);
    let path = |name: &str| scene.dir.path().canonicalize().unwrap().join(name).display().to_string();
    scene.expect(
        text,
        &[
            &format!("2: sets.banned: {0} can be changed by every user; run `chmod o-w {0}`", path("banned.txt")),
            &format!(
                "5: plugin a: path: {0} can be changed by every user; run `chmod o-w {0}`",
                path("ban-follower.wasm")
            ),
        ],
    );
    mode("ban-follower.wasm", 0o644);
    mode("banned.txt", 0o600);
    scene.load(text).unwrap();
    mode("ctwarden.toml", 0o666);
    let said = load(&scene.file()).unwrap_err().to_string();
    assert!(said.contains("ctwarden.toml can be changed by") && said.contains("run `chmod"), "{said}");
}

#[test]
fn a_file_that_is_missing_or_no_text_is_told() {
    let scene = Scene::new();
    let file = scene.file();
    assert_eq!(
        load(&file).unwrap_err().to_string(),
        format!("{0}: there is no {0}; create it or correct the path", file.display())
    );
    assert_eq!(
        load_bytes(&file, b"[daemon]\n# \xff\n").unwrap_err().to_string(),
        format!("{}:2: the file is not UTF-8; save it as UTF-8", file.display())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_bytes(Path::new("/nowhere/c.toml"), &bytes);
    }

    #[test]
    fn no_damaged_example_panics(cut in 0..EXAMPLE.len(), at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = load_bytes(Path::new("/nowhere/c.toml"), &bytes);
    }
}

#[test]
fn what_a_reload_cannot_take_over_is_named() {
    let with = |daemon: &str| load_bytes(Path::new("/x.toml"), daemon.as_bytes()).unwrap().daemon;
    let old = with("");
    assert!(old.needs_restart(&with("[daemon]\nmerge-window = \"5ms\"")).is_empty());
    let new =
        with("[daemon]\ncontrol = \"/run/other.sock\"\nrecords = \"journal\"\nreceive-buffer = \"1MiB\"\nnice = 0");
    assert_eq!(old.needs_restart(&new), ["control", "records", "receive-buffer", "nice"]);
}

#[test]
fn every_mistake_of_a_builtin_is_told() {
    let scene = Scene::new();
    fs::write(
        scene.dir.path().join("my.toml"),
        "[[rule]]\nname = \"a\"\nwhen = \"flow.dst_prot == 1\"\nthen = \"log\"\n",
    )
    .unwrap();
    let rules = format!("{}:3:9: rule \"a\": when: column 1: ", scene.dir.path().join("my.toml").display());
    let text = "[[plugin]]\nname = \"a\"\nuse = \"builtin:prot-scan\"\n[[plugin]]\nname = \"b\"\nuse = \"port-scan\"\n\
                [[plugin]]\nname = \"c\"\n[[plugin]]\nname = \"d\"\nuse = \"builtin:rules\"\nrules = \"my.toml\"\n";
    let said = scene.load(text).map(drop).unwrap_err().to_string();
    for part in [
        "3: plugin a: use: there is no builtin \"prot-scan\"; did you mean builtin:port-scan?",
        "6: plugin b: use: \"port-scan\" is no builtin; write use = \"builtin:port-scan\"",
        "8: plugin c: path is missing; write path = \"FILE.wasm\", or use = \"builtin:NAME\"",
        rules.as_str(),
    ] {
        assert!(said.contains(part), "{said}\nlacks\n{part}");
    }
}
