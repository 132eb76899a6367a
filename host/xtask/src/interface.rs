//! `cargo xtask interface`: compares the WIT of each released interface version with its released copy. Compiled plugins
//! rely on every name and type of a released version, so only comments and the arrangement of the text may change.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tree;

/// Runs the command. `--keep` takes the present WIT as the released one.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    match arguments {
        [] => check(),
        [keep] if keep == "--keep" => keep_all(),
        [other, ..] => bail!("unexpected argument {}; interface takes --keep", other.display()),
    }
}

/// # Errors
/// The first difference of each version that is not as it was released.
pub(crate) fn check() -> Result<()> {
    let (present, released) =
        (versions(&tree::interfaces(), None)?, versions(&tree::released_interfaces(), Some("wit"))?);
    let mut wrong: Vec<String> = Vec::new();
    for version in &present {
        match fs::read_to_string(copy_of(version)) {
            Ok(copy) => wrong.extend(difference(&words_of(version)?, &words(&copy, version)).map(|what| told(version, &what))),
            Err(_) => wrong.push(format!(
                "wit/{version} has no released copy; if the version is complete, keep one with `cargo xtask interface --keep`"
            )),
        }
    }
    wrong.extend(
        released.difference(&present).map(|version| format!("wit/{version} was released and is gone; restore it")),
    );
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

fn told(version: &str, difference: &Difference) -> String {
    let Difference { place, present, released } = difference;
    format!(
        "{place}: {present} here, but {released} in the released {version}; compiled plugins rely on the released version: undo \
         the change, or add a new version beside it (wit/README.md)"
    )
}

fn keep_all() -> Result<()> {
    let folder = tree::released_interfaces();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for version in versions(&tree::interfaces(), None)? {
        let mut copy = String::new();
        for file in files(&version)? {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
            lines.filter(|line| !line.is_empty()).for_each(|line| copy.extend([line, "\n"]));
        }
        fs::write(copy_of(&version), copy).with_context(|| format!("cannot write the copy of {version}"))?;
    }
    Ok(())
}

fn copy_of(version: &str) -> PathBuf {
    tree::released_interfaces().join(format!("{version}.wit"))
}

/// The versions that the folder has: folders named `v…`, or files with this ending.
fn versions(folder: &Path, ending: Option<&str>) -> Result<BTreeSet<String>> {
    let mut versions = BTreeSet::new();
    if !folder.is_dir() {
        return Ok(versions);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let is_one = match ending {
            Some(ending) => path.extension().is_some_and(|extension| extension == ending),
            None => path.is_dir(),
        };
        let name = if ending.is_some() { path.file_stem() } else { path.file_name() };
        let name = name.and_then(|name| name.to_str()).filter(|name| is_one && name.starts_with('v'));
        versions.extend(name.map(ToOwned::to_owned));
    }
    Ok(versions)
}

/// The WIT files of a version, by name.
fn files(version: &str) -> Result<BTreeSet<PathBuf>> {
    let folder = tree::interfaces().join(version);
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wit") {
            files.insert(file);
        }
    }
    Ok(files)
}

fn words_of(version: &str) -> Result<Vec<Word>> {
    let mut all = Vec::new();
    for file in files(version)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(tree::root()).unwrap_or(&file).display().to_string();
        all.extend(words(&text, &shown));
    }
    Ok(all)
}

/// A name, a number or a sign, with its place.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    place: String,
}

/// Where two texts differ.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    place: String,
    present: String,
    released: String,
}

/// The words of a WIT text without comments. A comma before a closing sign says nothing.
fn words(text: &str, file: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let mut rest = code.trim_start();
        while let Some(first) = rest.chars().next() {
            let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '%' | '.');
            let length = match rest.find(|c: char| !in_name(c)).unwrap_or(rest.len()) {
                _ if rest.starts_with("->") => 2,
                0 => first.len_utf8(),
                name => name,
            };
            let (word, behind) = rest.split_at(length);
            if matches!(word, "}" | ")" | ">") && words.last().is_some_and(|last| last.text == ",") {
                words.pop();
            }
            words.push(Word { text: word.to_owned(), place: format!("{file}:{number}") });
            rest = behind.trim_start();
        }
    }
    words
}

/// The first difference, if there is one.
fn difference(present: &[Word], released: &[Word]) -> Option<Difference> {
    let same = present.iter().zip(released).take_while(|(here, there)| here.text == there.text).count();
    let shown = |words: &[Word]| match words.get(same..).unwrap_or_default() {
        [] => "nothing".to_owned(),
        rest => {
            let few: Vec<&str> = rest.iter().take(4).map(|word| word.text.as_str()).collect();
            format!("`{}`", few.join(" "))
        }
    };
    if same == present.len() && same == released.len() {
        return None;
    }
    let place = present.get(same).or(present.last()).map_or("wit", |word| word.place.as_str()).to_owned();
    Some(Difference { place, present: shown(present), released: shown(released) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASED: &str = "interface sets {\nlookup: func(set: string) -> bool;\nenum family { ipv4, ipv6 }\n}\n";

    fn compared(present: &str) -> Option<String> {
        difference(&words(present, "a.wit"), &words(RELEASED, "v0.1")).map(|what| told("v0.1", &what))
    }

    #[test]
    fn comments_and_arrangement_may_change() {
        assert_eq!(compared(RELEASED), None);
        let same = "/// Sets.\ninterface sets {\n    // more\n    lookup: func(\n        set: string,\n    ) -> bool; // here\n    enum family {\n        ipv4,\n        ipv6,\n    }\n}";
        assert_eq!(compared(same), None);
    }

    #[test]
    fn every_other_change_is_named_with_its_place() {
        for (from, to, place, shown) in [
            ("string", "u32", "a.wit:2", "`u32 ) -> bool` here, but `string ) -> bool`"),
            ("ipv6", "ipv6, unix", "a.wit:3", "`, unix } }` here, but `} }` in the released v0.1"),
            ("set: string", "", "a.wit:2", "`) -> bool ;` here, but `set : string )`"),
            ("lookup", "look-up", "a.wit:2", "`look-up : func (` here"),
            ("}\n}\n", "}\n", "a.wit:3", "nothing here, but `}` in"),
        ] {
            let said = compared(&RELEASED.replace(from, to)).unwrap();
            assert!(said.starts_with(place) && said.contains(shown), "{said}");
        }
        let said = compared(&format!("{RELEASED}interface more {{}}")).unwrap();
        assert!(said.starts_with("a.wit:5: `interface more { }` here, but nothing in the released v0.1;"), "{said}");
    }

    #[test]
    fn released_versions_are_as_they_were() {
        assert!(versions(&tree::released_interfaces(), Some("wit")).unwrap().contains("v0.1"));
        check().unwrap();
    }
}
