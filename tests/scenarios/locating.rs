//! Address sets that read MaxMind databases: by country, by autonomous system, swapped while the daemon runs, and of the
//! wrong kind.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use ctwarden_mmdb_writer::{Value, Writer, map, text};
use ctwarden_tests::{Daemon, Policy, Scene, eventually, insert, table};
use serde_json::Value as Json;

fn country(code: &str) -> Value {
    map([("country", map([("iso_code", text(code)), ("names", map([("en", text("An example"))]))]))])
}

/// A database in which these networks of 10.0.0.0/8 belong to these countries.
fn countries(networks: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new("GeoLite2-Country", true, 24).with("10.0.0.0/8", &country("DE"));
    for (network, code) in networks {
        writer.insert(network, &country(code));
    }
    writer.with_aliases().finish()
}

fn systems() -> Vec<u8> {
    let record = map([("autonomous_system_number", Value::U32(64_496)), ("autonomous_system_organization", text("A"))]);
    Writer::new("GeoLite2-ASN", true, 28).with("10.0.7.0/24", &record).finish()
}

fn following(keys: &str) -> String {
    let policy = Policy::new("ban", "ban-follower").enforce().key("allow = [\"delete\", \"alert\", \"sweep\"]");
    let policy = policy.key("read-sets = [\"geo\"]").config("sets = [\"geo\"]");
    format!("[sets.geo]\nfile = \"geo.mmdb\"\n{keys}\n{policy}")
}

fn udp(source: &str) {
    insert(&format!("-p udp -s {source} -d 172.16.0.1 --sport 1000 --dport 53 -t 300"));
}

fn has(source: &str) -> bool {
    table().iter().any(|entry| entry.has_address(source))
}

fn status(daemon: &Daemon) -> Json {
    daemon.status()["sets"].as_array().unwrap().iter().find(|set| set["name"] == "geo").unwrap().clone()
}

/// As downloaders do: a new file under another name, then a rename.
fn swap(scene: &Scene, bytes: &[u8]) {
    let new = scene.write("geo.new", bytes);
    // Otherwise messages do not show what is in it.
    std::fs::set_permissions(&new, Permissions::from_mode(0o644)).unwrap();
    std::fs::rename(new, scene.path("geo.mmdb")).unwrap();
}

#[test]
fn a_database_of_countries_is_swapped_while_the_daemon_runs() {
    let Some(scene) = Scene::new() else { return };
    scene.write("geo.mmdb", countries(&[("10.0.1.0/24", "RU"), ("10.0.2.0/24", "KP")]));
    for n in 1..=4 {
        udp(&format!("10.0.{n}.1"));
    }
    let mut daemon = scene.start(following("only = [\"RU\", \"KP\"]"));
    let ended = daemon.wait_for_many("the two end", 2, |record| record.came("delete", "applied"));
    assert!(ended.iter().any(|record| record.0.to_string().contains("is in set geo (KP)")), "{ended:?}");
    assert!(has("10.0.3.1") && has("10.0.4.1") && !has("10.0.1.1") && !has("10.0.2.1"));
    let report = status(&daemon);
    assert_eq!((&report["networks"], &report["list"]["format"]), (&2.into(), &"mmdb".into()), "{report}");
    assert!(daemon.verb("status").good().contains("in use: mmdb, 2 entries, read "));

    swap(&scene, &countries(&[("10.0.3.0/24", "RU")]));
    daemon.wait_for("the new database", |record| record.is_notice("set-changed"));
    eventually("who is in it now ends", || (!has("10.0.3.1")).then_some(()));
    assert!(has("10.0.4.1"));
    assert_eq!(status(&daemon)["networks"], 1);

    // A program that shortens the file in place must not end the daemon, which has mapped a copy.
    std::fs::File::create(scene.path("geo.mmdb")).unwrap();
    let refused = daemon.wait_for("the empty file", |record| record.is_notice("set-refused"));
    assert!(refused.text("text").is_some_and(|why| why.contains("geo.mmdb: the file is not a MaxMind database")));
    udp("10.0.3.2");
    eventually("the old entries hold", || (!has("10.0.3.2")).then_some(()));
    let added = daemon.verb("add geo 10.0.4.0/24 --value mine");
    assert!(added.is_good(), "{added:?}");
    eventually("what people claim counts too", || (!has("10.0.4.1")).then_some(()));
    assert_eq!(status(&daemon)["networks"], 2);
    let _ = daemon.stop();
}

#[test]
fn a_database_of_the_wrong_kind_is_told_the_same_way_everywhere() {
    let Some(scene) = Scene::new() else { return };
    let why = format!(
        "{}: no record of this database of type \"GeoLite2-ASN\" has the field \"country.iso_code\"; write one of its \
         fields, for example field = \"autonomous_system_number\" (the first records have autonomous_system_number, \
         autonomous_system_organization)",
        scene.path("geo.mmdb").display()
    );
    let keys = "format = \"mmdb\"\nfield = \"country.iso_code\"";
    swap(&scene, &systems());
    scene.configure(following(keys));
    let checked = scene.verb("check");
    assert!(!checked.is_good() && checked.out.contains(&why), "{checked:?}");

    let mut daemon = scene.start_again();
    let told = |daemon: &mut Daemon, count| {
        let records = daemon.wait_for_many("the refusal", count, |record| record.is_notice("set-refused"));
        assert_eq!(records.last().unwrap().text("text"), Some(why.as_str()));
    };
    told(&mut daemon, 1);
    assert_eq!(status(&daemon)["refused"], *why);

    swap(&scene, &countries(&[]));
    daemon.wait_for("the right database", |record| record.is_notice("set-changed"));
    udp("10.0.7.1");
    eventually("it counts", || (!has("10.0.7.1")).then_some(()));
    swap(&scene, &systems());
    told(&mut daemon, 2);
    assert_eq!(daemon.reload(), None);
    assert_eq!((&status(&daemon)["refused"], &status(&daemon)["networks"]), (&why.as_str().into(), &1.into()));
    udp("10.0.7.2");
    eventually("the entries before hold", || (!has("10.0.7.2")).then_some(()));

    // The fix that the message names.
    scene.configure(following("field = \"autonomous_system_number\"\nonly = 64496"));
    assert_eq!(daemon.reload(), None);
    udp("10.0.7.3");
    udp("10.0.8.3");
    eventually("the system counts", || (!has("10.0.7.3")).then_some(()));
    assert!(has("10.0.8.3") && status(&daemon)["refused"].is_null());
    let _ = daemon.stop();
}
