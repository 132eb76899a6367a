//! Machine code of the bundled policies, in a section of this program.
//!
//! A packaged program has the section, so a first start compiles nothing. `cargo xtask dist` adds the section to the
//! linked program, because code can be compiled ahead of time only by the program that has the compiler. A program
//! without the section compiles a policy at its first use.

use std::fs::File;
use std::io::{self, Write};

use anyhow::{Context, Result};
use ctwarden_guest::{Code, CodeArchive};
use object::read::ReadCache;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection};

use crate::sys;

/// The verb that writes the section's content to standard output. It is internal and not in any manual.
pub(crate) const COMPILE_VERB: &str = "compile-builtins";
/// Name of the section. `cargo xtask dist` uses the same name.
const SECTION: &str = ".ctwarden.code";
/// The running program, even if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";

/// The compiled code that this program carries.
#[derive(Debug)]
pub(crate) struct NativeCode(CodeArchive);

impl NativeCode {
    /// `None`: the program has no such section, or cannot read its own file.
    pub(crate) fn of_program() -> Option<Self> {
        let file = File::open(PROGRAM).ok()?;
        let begin = section(&file)?;
        sys::open_code_of_program(file, begin).ok().map(Self)
    }

    /// The code of a component. `None`: the component is not one of this program.
    pub(crate) fn code(&self, component: &[u8]) -> Option<Code> {
        self.0.code(component).ok()?
    }
}

/// Where the section begins in the file.
fn section(file: &File) -> Option<u64> {
    let cache = ReadCache::new(file);
    let program = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
    program.section_by_name(SECTION)?.file_range().map(|(begin, _)| begin)
}

/// Compiles the bundled policies and writes their code to standard output.
pub(crate) fn compile() -> Result<()> {
    let components: Vec<&[u8]> = ctwarden_builtins::components().collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    CodeArchive::write(&components, &mut out).context("cannot compile the bundled policies")?;
    Ok(out.flush()?)
}
