//! The builtins that the program has, against the folders that they come from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

fn plugins() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins")
}

#[test]
fn every_bundled_policy_is_a_builtin_with_the_summary_of_its_manifest() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(plugins()).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let builtin = find(&name).unwrap_or_else(|| panic!("{name} is no builtin"));
        let described = format!("description = \"{}\"", builtin.summary());
        assert!(manifest.contains(&described), "{name}: {described}");
        assert!(builtin.rule_file().is_none() && builtin.readme().is_some(), "{name}");
        names.insert(name);
    }
    let known: BTreeSet<String> = COMPONENTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(known, names);
}

#[test]
fn every_rule_file_is_a_builtin_with_a_title() {
    let files = fs::read_dir(plugins().join("rules/builtin")).unwrap();
    let count = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "toml")).count();
    let rules: Vec<Builtin> = all().filter(|builtin| builtin.rule_file().is_some()).collect();
    assert_eq!(rules.len(), count);
    for builtin in rules {
        assert!(builtin.summary().len() > 10, "{}: the first line must be \"# NAME: what it does.\"", builtin.name());
        assert_eq!(builtin.component(), find(RULES).unwrap().component());
        assert_eq!(builtin.readme(), None);
    }
}

#[test]
fn names_are_unique_and_a_misspelt_one_has_a_suggestion() {
    let names: Vec<&str> = all().map(|builtin| builtin.name()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert_eq!(nearest("prot-scan"), Some("port-scan"));
    assert_eq!((nearest("xyzzy"), find("xyzzy")), (None, None));
}

#[test]
fn a_title_has_neither_name_nor_full_stop() {
    assert_eq!(title("a-b", "# a-b: ends flows.\n# more\n"), "ends flows");
    assert_eq!(title("a-b", "# Ends flows\n"), "Ends flows");
    assert_eq!(title("a-b", ""), "");
}
