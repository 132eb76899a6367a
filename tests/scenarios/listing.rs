//! Lists that are wrong, half written or in another form, and bans that overlap. The bans, the firewall's sets and the
//! reports to people must agree.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use ctwarden_tests::{Daemon, Policy, Scene, elements, eventually, holds, insert, load, table};
use serde_json::Value;

/// The kernel's sets of the list, and of what messages ban.
const LISTED: &str = "inet ctwarden feed4";
const BANNED: &str = "inet ctwarden banned4";

fn blocking(config: &str) -> String {
    let policy = Policy::new("ban", "ban-follower")
        .enforce()
        .key("allow = [\"delete\", \"block\", \"unblock\", \"alert\", \"sweep\"]\nblock-sets = [\"banned\"]\nread-sets = [\"feed\"]");
    let policy = policy.config(&format!("block-set = \"banned\"\n{config}"));
    format!("[sets.feed]\nfile = \"feed.txt\"\nfirewall = true\n[sets.banned]\nfirewall = true\n{policy}")
}

fn set_status(daemon: &Daemon) -> Value {
    daemon.status()["sets"].as_array().unwrap().iter().find(|set| set["name"] == "feed").unwrap().clone()
}

/// The IPv4 networks that messages ban, in order.
fn held() -> Vec<String> {
    let mut held: Vec<_> =
        elements(BANNED).iter().map(|element| format!("{}/{}", element.address, element.length)).collect();
    held.sort_unstable();
    held
}

/// Whether the kernel's set contains every one of these addresses.
fn all_held(set: &str, addresses: &[&str]) -> bool {
    addresses.iter().all(|address| holds(set, address))
}

#[test]
fn a_refused_list_stops_nothing_and_is_told_everywhere() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "198.51.100.66\nnonsense\n");
    let alerts = scene.path("alerts.jsonl");
    scene.configure_daemon(&format!("alerts = \"{}\"", alerts.display()), blocking("sets = [\"feed\"]"));
    let checked = scene.verb("check");
    assert!(
        !checked.is_good() && checked.out.contains("refused list: ") && checked.out.contains("feed.txt:2:1: "),
        "{checked:?}"
    );
    let mut daemon = scene.start_again();
    let told = |daemon: &mut Daemon| daemon.wait_for("the record", |record| record.is_notice("set-refused"));
    let record = told(&mut daemon);
    assert_eq!(record.text("set"), Some("feed"));
    assert!(record.text("text").is_some_and(|why| why.contains("feed.txt:2:1: ")), "{record:?}");
    eventually("the alert", || std::fs::read_to_string(&alerts).ok().filter(|text| text.contains("set-refused")));
    let status = set_status(&daemon);
    assert!(status["refused"].as_str().is_some_and(|why| why.contains("feed.txt:2:1: ")), "{status}");
    assert!(daemon.verb("status").good().contains("the list in its file is refused:"));
    assert!(daemon.send("ban", "ban 203.0.113.7").good().contains("banned"), "all else goes on");

    insert("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    let alert = daemon.wait_for("the policy knows", |record| record.came("alert", "applied"));
    assert!(alert.0.to_string().contains("has no valid list"), "{alert:?}");

    scene.write("feed.txt", "198.51.100.66\n10.0.0.1\n");
    daemon.wait_for("the mended list", |record| record.is_notice("set-changed"));
    eventually("the flow ends", || table().is_empty().then_some(()));
    assert_eq!(set_status(&daemon)["networks"], 2);
    assert!(set_status(&daemon)["refused"].is_null());

    // A reload keeps the entries in force if the list is wrong at that time.
    scene.write("feed.txt", "10.0.0.2,x\n");
    daemon.wait_for("the second refusal", |record| {
        record.is_notice("set-refused") && record.text("text").is_some_and(|why| why.contains("format \"csv\""))
    });
    assert_eq!(daemon.reload(), None);
    assert_eq!(set_status(&daemon)["networks"], 2, "the old entries stay");
    assert!(set_status(&daemon)["refused"].is_string());
    insert("-p udp -s 10.0.0.1 -d 10.1.0.1 --sport 1001 --dport 53 -t 300");
    eventually("and hold", || table().is_empty().then_some(()));
    let _ = daemon.stop();
}

#[test]
fn a_published_list_is_read_line_by_line() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "# \"seen\",\"dst_ip\"\n\"now\",\"198.51.100.66\"\n\"now\",\"198.51.100.67:443\"\n");
    let alerts = scene.path("alerts.jsonl");
    let keys = "file = \"feed.txt\"\non-bad-line = \"skip\"\nlargest-loss = 50\n";
    let config = blocking("sets = [\"feed\"]").replacen("file = \"feed.txt\"\n", keys, 1);
    scene.configure_daemon(&format!("alerts = \"{}\"", alerts.display()), config);
    let mut daemon = scene.start_again();
    let record = daemon.wait_for("the skipped line", |record| record.is_notice("set-lines-skipped"));
    assert!(record.text("text").is_some_and(|why| why.contains("feed.txt:3:7: ")), "{record:?}");
    eventually("the alert", || std::fs::read_to_string(&alerts).ok().filter(|text| text.contains("set-lines-skipped")));
    let list = &set_status(&daemon)["list"];
    assert_eq!((&list["format"], &list["lines"], &list["entries"]), (&"csv".into(), &3.into(), &1.into()), "{list}");
    assert!(daemon.verb("status").good().contains("skipped lines: 1\n"));

    let addresses = |numbers: std::ops::Range<u8>| -> String { numbers.map(|n| format!("10.0.0.{n}\n")).collect() };
    scene.write("feed.txt", addresses(1..9));
    let changed = daemon.wait_for("the new list", |record| record.is_notice("set-changed"));
    assert_eq!((&changed.0["lines"], &changed.0["entries"], &changed.0["networks"]), (&8.into(), &8.into(), &8.into()));
    for (text, why) in [(addresses(1..4), "it lost 63 %"), ("# none\n".to_owned(), "the list has no entry")] {
        scene.write("feed.txt", text);
        daemon.wait_for("the refusal", |record| {
            record.is_notice("set-refused") && record.text("text").is_some_and(|text| text.contains(why))
        });
        assert_eq!(daemon.reload(), None);
        assert_eq!(set_status(&daemon)["networks"], 8, "the old entries stay, after a reload too");
        assert!(set_status(&daemon)["refused"].as_str().is_some_and(|text| text.contains(why)));
    }
    let _ = daemon.stop();
}

#[test]
fn half_a_network_is_never_banned() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1\n");
    let mut daemon = scene.start(blocking("sets = [\"feed\"]"));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    insert("-p udp -s 203.0.113.9 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    insert("-p udp -s 198.51.100.1 -d 10.1.0.1 --sport 1000 --dport 53 -t 300");
    let path = scene.path("feed.txt");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"198.51.100.0/2").unwrap();
    // A slow writer may take a second. Until the line is complete, the daemon must not act on it.
    let begin = Instant::now();
    eventually("a second has passed", || {
        assert_eq!(table().len(), 2);
        (begin.elapsed() > Duration::from_secs(1)).then_some(())
    });
    file.write_all(b"9\n").unwrap();
    daemon.wait_for("the whole line is read", |record| record.is_notice("set-changed"));
    eventually("who is listed ends", || (table().len() == 1).then_some(()));
    assert!(all_held(LISTED, &["198.51.100.1"]) && !all_held(LISTED, &["203.0.113.9"]));
    std::fs::write(&path, "0.0.0.0/0\n").unwrap();
    let refused = daemon.wait_for("all of it is refused", |record| record.is_notice("set-refused"));
    assert!(refused.text("text").is_some_and(|why| why.contains("wider than /8")), "{refused:?}");
    assert_eq!(table().len(), 1);
    let _ = daemon.stop();
}

#[test]
fn a_secret_behind_a_link_is_not_told() {
    let Some(scene) = Scene::new() else { return };
    let secret = scene.write("secret", "hunter2 is the word\n");
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&secret, scene.path("feed.txt")).unwrap();
    let mut daemon = scene.start(blocking("sets = [\"feed\"]"));
    daemon.wait_for("the refusal", |record| record.is_notice("set-refused"));
    std::fs::write(&secret, vec![0; 32 << 20]).unwrap();
    daemon.wait_for_many("the second", 2, |record| record.is_notice("set-refused"));
    let ended = daemon.stop();
    assert!(!ended.err.contains("hunter2") && ended.err.len() < 10_000, "{} bytes", ended.err.len());
    assert!(!ended.records.iter().any(|record| record.0.to_string().contains("hunter2")));
}

#[test]
fn an_address_in_the_other_form_is_banned_as_what_it_is() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "::ffff:10.0.0.2\n");
    for n in 1..=4 {
        insert(&format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 300"));
    }
    let protect = "[[protect]]\neither = [\"::ffff:10.0.0.3\"]\n";
    let mut daemon = scene.start(format!("{protect}{}", blocking("sets = [\"feed\"]\nnever = [\"::ffff:10.0.0.4\"]")));
    daemon.wait_for("who is listed ends", |record| record.came("delete", "applied"));
    assert!(daemon.send("ban", "ban ::ffff:10.0.0.1 for 1h").good().contains("10.0.0.1 banned for at least 3600 s"));
    assert!(!daemon.send("ban", "ban ::ffff:10.0.0.4").is_good());
    let _ = daemon.send("ban", "ban ::ffff:10.0.0.3");
    let left = table();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|entry| entry.has_address("10.0.0.3") || entry.has_address("10.0.0.4")));
    assert!(all_held(BANNED, &["10.0.0.1"]) && all_held(LISTED, &["10.0.0.2"]));
    assert!(elements("inet ctwarden banned6").is_empty() && elements("inet ctwarden feed6").is_empty());
    let _ = daemon.stop();
}

#[test]
fn an_unban_takes_nothing_that_another_ban_holds() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1\n");
    let daemon = scene.start(blocking(""));
    let say = |text: &str| daemon.send("ban", text).good();
    say("ban 198.51.100.0/28 for 1h");
    say("ban 198.51.100.7 for 2h");
    let all: Vec<String> = (0..16).map(|n| format!("198.51.100.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert!(all_held(BANNED, &all));
    say("unban 198.51.100.7");
    assert!(all_held(BANNED, &all), "the network is banned");
    say("ban 198.51.100.7 for 2h");
    say("unban 198.51.100.0/28");
    assert_eq!(held(), ["198.51.100.7/32"]);
    say("unban 198.51.100.7");
    assert!(held().is_empty());
    let _ = daemon.stop();
}

#[test]
fn remembered_bans_are_in_a_firewall_that_was_made_anew() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "192.0.2.1\n");
    let daemon = scene.start(blocking(""));
    assert!(daemon.send("ban", "ban 198.51.100.7 for 2h").is_good());
    assert!(daemon.send("ban", "ban 198.51.100.64/26").is_good());
    let _ = daemon.stop();
    // After a reboot, the sets are empty as well.
    load("delete table inet ctwarden");
    let daemon = scene.start_again();
    eventually("they are blocked again", || (held() == ["198.51.100.64/26", "198.51.100.7/32"]).then_some(()));
    let lifetime = elements(BANNED).iter().find(|element| element.length == 32).unwrap().lifetime.unwrap();
    assert!((7000..=7211).contains(&lifetime), "{lifetime}");
    let _ = daemon.stop();
}

#[test]
fn what_has_vanished_from_a_list_stays_over_a_restart() {
    let Some(scene) = Scene::new() else { return };
    scene.write("feed.txt", "198.51.100.66\n203.0.113.0/24\n");
    let text = blocking("sets = [\"feed\"]").replace("[sets.feed]", "[sets.feed]\nlifetime = \"1h\"");
    let daemon = scene.start(text);
    scene.write("feed.txt", "203.0.113.0/24\n");
    let is_counted = |daemon: &Daemon| {
        let status = set_status(daemon);
        (status["list"]["entries"] == 1 && status["networks"] == 2).then_some(())
    };
    eventually("the new list is in use, and what has vanished stays", || is_counted(&daemon));
    // The end waits until everything is on the disk.
    let _ = daemon.stop();
    load("flush ruleset");
    let daemon = scene.start_again();
    assert!(is_counted(&daemon).is_some(), "{}", set_status(&daemon));
    assert!(all_held(LISTED, &["198.51.100.66", "203.0.113.1"]));
    let _ = daemon.stop();
}
