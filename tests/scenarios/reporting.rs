//! A policy hears what became of its verdicts, from the kernel's answer to the policy's own record.

use ctwarden_tests::{Policy, Scene, insert};

#[test]
fn a_policy_hears_of_its_deletes() {
    let Some(scene) = Scene::new() else { return };
    let policy = Policy::new("listener", "guest-outcomes").key("allow = [\"delete\", \"log\"]");
    for (policy, ended) in [(policy.clone().enforce(), "Applied"), (policy, "Observed")] {
        insert("-p udp -s 10.0.0.3 -d 10.0.0.2 --sport 1000 --dport 6667 -t 300");
        let mut daemon = scene.start(policy);
        let heard = daemon.wait_for("the report", |record| record.text("code") == Some("heard"));
        let fields = &heard.0["fields"];
        let told = ["kind", "code", "port", "ended"].map(|name| fields[name].as_str().unwrap_or_default());
        assert_eq!(told, ["delete", "unwanted", "6667", ended], "{heard:?}");
        let counted = &daemon.plugin_status("listener")["codes"];
        assert!(counted["unwanted"]["delete"].is_object() && counted["heard"]["log"].is_object(), "{counted}");
        let _ = daemon.stop();
    }
}
