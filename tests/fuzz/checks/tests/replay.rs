//! Replays every corpus, so that a fault that a fuzzer found once stays repaired.

use std::path::Path;

use ctwarden_fuzz_checks::CHECKS;

#[test]
fn every_corpus_is_replayed() {
    for check in CHECKS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(check.name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut replayed = 0;
        for file in files {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // The runner shows the captured output of a failed test, so the last line names the file.
            println!("{}", path.display());
            (check.check)(&bytes);
            replayed += 1;
        }
        assert!(replayed > 0, "{} is empty", folder.display());
    }
}

#[test]
fn every_corpus_has_its_check() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for folder in std::fs::read_dir(corpora).unwrap() {
        let name = folder.unwrap().file_name();
        assert!(CHECKS.iter().any(|check| *check.name == *name), "no check reads {}", name.display());
    }
}
