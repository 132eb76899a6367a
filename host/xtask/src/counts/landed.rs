//! The file of the counts that landed last. Its format is a small part of TOML, written and read without a crate,
//! because xtask has no crate for TOML.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::circumstances::Circumstances;

const HEAD: &str = "# Instructions of one operation, as `cargo xtask counts --keep` wrote them; docs/benchmarks.md says when to do that.\n";

/// The content of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Landed {
    /// The environment of the counts.
    pub(crate) circumstances: Circumstances,
    /// Instructions of one operation, by body.
    pub(crate) counts: BTreeMap<String, f64>,
}

impl Landed {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}; `cargo xtask counts --keep` creates it", file.display()))?;
        Self::parse(&text).with_context(|| format!("{}; `cargo xtask counts --keep` creates it again", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.text()).with_context(|| format!("cannot write {}", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let (mut words, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
            let (name, value) = line.split_once(" = ").with_context(|| format!("no ` = ` in `{line}`"))?;
            match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
                Some(word) => drop(words.insert(name, word.to_owned())),
                None => {
                    let count: f64 = value.parse().with_context(|| format!("`{value}` of {name} is not a number"))?;
                    if !(count.is_finite() && count > 0.0) {
                        bail!("`{value}` of {name} is not a count");
                    }
                    counts.insert(name.to_owned(), count);
                }
            }
        }
        let mut word = |name: &str| words.remove(name).with_context(|| format!("it does not name its {name}"));
        let circumstances = Circumstances { rustc: word("rustc")?, target: word("target")?, libc: word("libc")? };
        Ok(Self { circumstances, counts })
    }

    fn text(&self) -> String {
        let Circumstances { rustc, target, libc } = &self.circumstances;
        let counts: String = self.counts.iter().map(|(name, count)| format!("{name} = {count:.1}\n")).collect();
        format!("{HEAD}rustc = \"{rustc}\"\ntarget = \"{target}\"\nlibc = \"{libc}\"\n\n[instructions]\n{counts}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed() -> Landed {
        Landed {
            circumstances: Circumstances {
                rustc: "rustc 1.95.0 (abc 2026-04-14)".into(),
                target: "x86_64-unknown-linux-gnu".into(),
                libc: "glibc 2.36".into(),
            },
            counts: [("decode-row".to_owned(), 3_185.9), ("a".to_owned(), 12.0)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert!(landed().text().ends_with("[instructions]\na = 12.0\ndecode-row = 3185.9\n"), "{}", landed().text());
        assert_eq!(Landed::parse(&landed().text()).unwrap(), landed());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, named) in [
            ("rustc = \"a\"\nlibc = \"b\"\n", "its target"),
            ("decode-row 12\n", "`decode-row 12`"),
            ("decode-row = many\n", "`many` of decode-row"),
            ("decode-row = 0.0\n", "`0.0` of decode-row"),
            ("decode-row = NaN\n", "`NaN` of decode-row"),
        ] {
            let error = format!("{:#}", Landed::parse(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
