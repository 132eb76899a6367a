//! Every guest has a test: this file compares the two lists.

use std::collections::BTreeSet;

use crate::{behaves, denied, fails, languages, loads, setup, values};

/// Each guest, and the test for which the guest exists.
const TESTED: &[(&str, fn())] = &[
    ("ban-kill", languages::the_rust_source_is_the_policy_of_the_kept_component),
    ("guest-bad-descriptor", loads::a_descriptor_is_checked),
    ("guest-chatty", fails::a_log_is_bounded),
    ("guest-configure-refuses", behaves::a_refusal_and_a_wrong_subscription_are_told_apart),
    ("guest-configure-traps", fails::a_plugin_may_fail_before_its_first_entry),
    ("guest-escape", denied::everything_is_there_and_says_no),
    ("guest-exits", fails::an_exit_ends_the_plugin_only),
    ("guest-expectations", values::an_expectation_goes_through_whole),
    ("guest-good", values::every_kind_of_verdict_comes_through_whole),
    ("guest-hungry", fails::memory_is_limited),
    ("guest-malformed", values::a_value_out_of_range_is_a_malformed_verdict),
    ("guest-panic", fails::a_panic_says_what_and_where),
    ("guest-recursive", fails::a_stack_that_overflows_is_the_plugins),
    ("guest-sleeper", fails::a_sleep_without_end_is_ended),
    ("guest-spin", fails::an_endless_loop_is_ended),
    ("guest-storm", fails::an_answer_is_measured_before_it_is_taken),
    ("guest-trap", fails::a_trap_is_a_value),
];

/// Package names of the crates among the guests' sources.
fn guests() -> BTreeSet<String> {
    let mut guests = BTreeSet::new();
    for entry in std::fs::read_dir(setup::sources()).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        if let Ok(text) = std::fs::read_to_string(&manifest) {
            let name = text.lines().find_map(|line| line.strip_prefix("name = "));
            let name = name.unwrap_or_else(|| panic!("no name in {}", manifest.display()));
            guests.insert(name.trim_matches('"').to_owned());
        }
    }
    guests
}

/// Whether an end-to-end test or a check of the fuzzer uses the guest.
fn in_a_scenario(guest: &str) -> bool {
    let named = format!("\"{guest}\"");
    ["src", "scenarios", "fuzz/checks/src"].into_iter().any(|folder| {
        let files = std::fs::read_dir(setup::sources().join("..").join(folder)).unwrap();
        files
            .into_iter()
            .any(|file| std::fs::read_to_string(file.unwrap().path()).is_ok_and(|text| text.contains(&named)))
    })
}

#[test]
fn every_guest_has_a_test() {
    let guests = guests();
    let tested: BTreeSet<String> = TESTED.iter().map(|(guest, _)| (*guest).to_owned()).collect();
    assert_eq!(tested.len(), TESTED.len(), "a guest has two tests");
    assert!(tested.is_subset(&guests), "a test has no guest: {:?}", tested.difference(&guests));
    let without: Vec<&String> = guests.difference(&tested).filter(|guest| !in_a_scenario(guest)).collect();
    assert!(
        without.is_empty(),
        "a guest in tests/guests has no test, neither here nor in tests/scenarios: {without:?}"
    );
}

#[test]
fn every_guest_but_one_says_who_it_is() {
    for (guest, _) in TESTED.iter().filter(|(guest, _)| *guest != "guest-bad-descriptor") {
        let component = setup::load(guest);
        let descriptor = component.describe(setup::limits()).unwrap();
        assert_eq!(descriptor.name, *guest);
        assert_eq!(descriptor.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(component.exports_expectations(), *guest == "guest-expectations", "{guest}");
        assert_eq!(component.exports_outcomes(), *guest == "guest-expectations", "{guest}");
        assert_eq!(component.interface_version(), "0.1.0");
    }
}
