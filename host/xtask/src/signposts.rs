//! Checks that the files that the documentation names exist.

#![cfg(test)]

use std::path::Path;

use crate::tree;

/// Folders that a page may omit in front of a path.
const BEFORE: [&str; 4] = ["", "host", "host/crates", "host/src"];

/// Texts in back quotes that look like a source file or a folder of the project.
fn named(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2).filter(|text| {
        let is_file = [".rs", ".wit", ".toml"].iter().any(|end| text.ends_with(end));
        is_file && text.contains('/') && !text.contains(['*', ' ', '<', '{', '$']) && !text.starts_with('/')
    })
}

fn is_there(page: &Path, named: &str) -> bool {
    let beside = page.parent().map(|folder| folder.join(named));
    let in_tree = BEFORE.iter().map(|before| tree::root().join(before).join(named));
    in_tree.chain(beside).any(|path| path.exists())
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let root = tree::root();
    let mut pages: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "host/ARCHITECTURE.md"]
        .iter()
        .map(|page| root.join(page))
        .collect();
    for folder in ["docs", "docs/decisions"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let mut count = 0;
    let mut missing = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for named in named(&text) {
            count += 1;
            if !is_there(&page, named) {
                missing.push(format!("{}: {named}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "these files do not exist:\n{}", missing.join("\n"));
    assert!(count > 60, "the pages name only {count} files, so the search for names is broken");
}
