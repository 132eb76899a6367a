//! One file of the corpus: messages of a real kernel, and the commands that caused them.
//!
//! A file can be captured again from its own head (`cargo run -p ctwarden-wire --example capture`), so the head always
//! matches the bytes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file can record after its commands have run.
pub(crate) const TAKES: [&str; 12] = [
    "events",
    "expectation-events",
    "rows",
    "expectation-rows",
    "get",
    "statistics",
    "statistics-cpu",
    "expectation-statistics-cpu",
    "acknowledgement",
    "refusal",
    "refusal-with-text",
    "refused-dump",
];

#[derive(Clone, Debug)]
pub(crate) struct EntryFile {
    pub(crate) path: PathBuf,
    /// What the file shows, in one sentence.
    pub(crate) about: String,
    /// Release and machine of the kernel.
    pub(crate) kernel: String,
    /// Commands that run before the socket listens.
    pub(crate) before: Vec<String>,
    /// Commands that cause the recorded messages.
    pub(crate) run: Vec<String>,
    /// What the file records: one of [`TAKES`].
    pub(crate) take: String,
    /// The messages in their order.
    pub(crate) messages: Vec<Vec<u8>>,
}

/// The folder of the corpus files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/corpus/entries")
}

/// All files of the corpus, sorted by name.
pub(crate) fn all() -> Vec<EntryFile> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(|path| EntryFile::read(path)).collect()
}

impl EntryFile {
    /// Name of the file without its extension.
    pub(crate) fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    pub(crate) fn read(path: &Path) -> Self {
        let mut file = Self {
            path: path.to_owned(),
            about: String::new(),
            kernel: String::new(),
            before: Vec::new(),
            run: Vec::new(),
            take: String::new(),
            messages: Vec::new(),
        };
        for line in fs::read_to_string(path).unwrap().lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "about" => file.about = rest.to_owned(),
                "kernel" => file.kernel = rest.to_owned(),
                "before" => file.before.push(rest.to_owned()),
                "run" => file.run.push(rest.to_owned()),
                "take" => file.take = rest.to_owned(),
                "message" => file.messages.push(Vec::new()),
                "" => {}
                _ => file.messages.last_mut().unwrap().extend(hex(line)),
            }
        }
        assert!(TAKES.contains(&file.take.as_str()), "{}: take {:?}", path.display(), file.take);
        file
    }

    /// The messages as one read would return them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in &self.messages {
            bytes.extend_from_slice(message);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("about {}\nkernel {}\n", self.about, self.kernel);
        for command in &self.before {
            writeln!(text, "before {command}").unwrap();
        }
        for command in &self.run {
            writeln!(text, "run {command}").unwrap();
        }
        writeln!(text, "take {}", self.take).unwrap();
        for message in &self.messages {
            text.push_str("message\n");
            for row in message.chunks(32) {
                let row: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(text, "{}", row.join(" ")).unwrap();
            }
        }
        text
    }
}

fn hex(line: &str) -> Vec<u8> {
    line.split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("not hexadecimal: {line}")))
        .collect()
}
