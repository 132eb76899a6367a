//! A compiled plugin. Loading checks it against the interface; describing and instantiating come later.
//!
//! Loading finds every problem of a file before any of its code runs, and each error names the remedy.

use std::sync::Arc;
use std::{fmt, io};

use semver::Version;
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use crate::code::Code;
use crate::interface::InterfaceVersion;
use crate::shared::Shared;
use crate::state::State;
use crate::text::shortened;
use crate::weight::Weight;
use crate::{Limits, versions, wasi};

/// Largest component in bytes. Compilation takes time and memory in proportion to the size. A Python plugin has 18 MB.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// `\0asm`: WebAssembly core specification, 5.5.16.
const MAGIC: [u8; 4] = *b"\0asm";
/// Version 1 of the core format.
const MODULE: [u8; 4] = [1, 0, 0, 0];

/// Why bytes cannot be loaded as a plugin.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The component is too large.
    #[error("it has {bytes} bytes, more than the allowed {COMPONENT_BYTES_MAX}; strip it")]
    TooLarge {
        /// The size of the component.
        bytes: usize,
    },
    /// The bytes do not begin with the WebAssembly magic number.
    #[error("it is not webassembly; give the .wasm file that `cargo build --target wasm32-wasip2` writes")]
    NotWasm,
    /// The bytes are a core module.
    #[error(
        "it is a core module, not a component; build it with `cargo build --target wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes are not a valid component, or the component needs a feature that this host does not offer. The source
    /// has the details.
    #[error("it is not a valid component")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The component lacks an export of a plugin.
    #[error("it is not a plugin: it lacks the export {missing} and has {}; build it against the world ctwarden:conntrack/plugin", list(.exports))]
    OtherWorld { missing: String, exports: Vec<String> },
    /// The component was built for an interface version that this host does not know.
    #[error(
        "it was built for ctwarden:conntrack@{found}, this host knows {}; build it against one of these, or use a \
         ctwarden that knows it",
        list(.known)
    )]
    OtherInterfaceVersion {
        /// The interface version of the component.
        found: String,
        /// The interface versions that this host knows.
        known: Vec<String>,
    },
    /// The component imports interfaces that the host does not offer.
    #[error(
        "it imports {}, which this host does not offer: {}; a plugin may import ctwarden:conntrack and, of WASI 0.2, io, clocks, random, \
         cli, filesystem and sockets",
        list(.names),
        without(.names)
    )]
    UnknownImports {
        /// The names of the imports.
        names: Vec<String>,
    },
    /// The type of an import or export differs from the interface. The source names it.
    #[error("it does not fit the interface ctwarden:conntrack@{version}; build it against that version")]
    Mismatch {
        version: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An instance of the component would need more host memory than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "its {instances} core instances and its declarations take {} MiB of the host, more than the {} MiB of its memory; \
     use a component with fewer globals, functions and core instances, or raise memory in its [plugin.limits]",
    .bytes.div_ceil(1 << 20),
    .limit >> 20
)]
pub struct TooHeavy {
    /// Number of core instances that the component creates.
    pub instances: u64,
    /// Bytes that the host needs for them.
    pub bytes: u64,
    /// The limit in bytes.
    pub limit: u64,
}

/// A plugin that can be instantiated any number of times. Clones share the compiled code.
#[derive(Clone)]
pub struct Component {
    pub(crate) shared: Arc<Shared>,
    pub(crate) version: &'static InterfaceVersion,
    pub(crate) ready: InstancePre<State>,
    pub(crate) weight: Weight,
    expectations: bool,
}

impl Component {
    /// Loads the plugin of these bytes; `compile` produces its code.
    pub(crate) fn load(
        shared: &Arc<Shared>,
        bytes: &[u8],
        compile: impl FnOnce(&Engine) -> wasmtime::Result<wasmtime::component::Component>,
    ) -> Result<Self, LoadError> {
        check_format(bytes)?;
        let component = compile(&shared.engine).map_err(|error| LoadError::Invalid(error.into()))?;
        let shape = component.component_type();
        let exports: Vec<String> = shape.exports(&shared.engine).map(|(name, _)| name.to_owned()).collect();
        let imports: Vec<String> = shape.imports(&shared.engine).map(|(name, _)| name.to_owned()).collect();
        let (version, linker) = version_of(shared, &exports)?;
        check_imports(version, &imports)?;
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch { version: version.number, source: error.into() };
        let ready = linker.instantiate_pre(&component).map_err(mismatch)?;
        (version.check)(&ready).map_err(mismatch)?;
        let expectations = exports.iter().any(|name| without_version(name) == version.expectations);
        Ok(Self { shared: Arc::clone(shared), version, ready, weight: Weight::of(bytes), expectations })
    }

    /// Checks that an instance fits within the limits before it allocates any memory.
    ///
    /// # Errors
    /// The instance does not fit. The error names what takes the room.
    pub const fn check_weight(&self, limits: &Limits) -> Result<(), TooHeavy> {
        let Weight { instances, bytes } = self.weight;
        if bytes > limits.memory_bytes {
            Err(TooHeavy { instances, bytes, limit: limits.memory_bytes })
        } else {
            Ok(())
        }
    }

    /// Returns the compiled code.
    ///
    /// # Errors
    /// The code is too large or cannot be serialized.
    pub fn code(&self) -> io::Result<Code> {
        Code::of(&self.ready.component().serialize().map_err(io::Error::other)?)
    }

    /// Whether the plugin exports the interface for expectations.
    #[must_use]
    pub const fn exports_expectations(&self) -> bool {
        self.expectations
    }

    /// Returns the interface version that the host uses with the plugin.
    #[must_use]
    pub const fn interface_version(&self) -> &'static str {
        self.version.number
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("version", &self.version.number).finish_non_exhaustive()
    }
}

fn check_format(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len() });
    }
    match bytes.strip_prefix(&MAGIC) {
        None => Err(LoadError::NotWasm),
        Some(rest) if rest.starts_with(&MODULE) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

/// Finds the interface version whose policy is among the exports, and the linker for its plugins.
fn version_of<'a>(
    shared: &'a Shared,
    exports: &[String],
) -> Result<(&'static InterfaceVersion, &'a Linker<State>), LoadError> {
    let mut found = None;
    for (version, linker) in versions::ALL.iter().zip(&shared.linkers) {
        for export in exports.iter().filter(|export| without_version(export) == version.policy) {
            let number = export.split_once('@').map_or("none", |(_, number)| number);
            if compatible(number, version.number) {
                return Ok((version, linker));
            }
            found = Some(number.to_owned());
        }
    }
    Err(match (found, versions::ALL.last()) {
        (Some(found), _) => {
            let known = versions::ALL.iter().map(|version| version.number.to_owned()).collect();
            LoadError::OtherInterfaceVersion { found, known }
        }
        (None, latest) => LoadError::OtherWorld {
            missing: latest.map(|version| format!("{}@{}", version.policy, version.number)).unwrap_or_default(),
            exports: exports.to_vec(),
        },
    })
}

/// Whether a host of one version can run a component built for the other, by the rule of wasmtime's linker: the same
/// major version, or the same minor version if the major version is 0.
fn compatible(one: &str, other: &str) -> bool {
    match (Version::parse(one), Version::parse(other)) {
        (Ok(a), Ok(b)) => {
            a.major == b.major && (a.major > 0 || a.minor == b.minor) && a.pre.is_empty() && b.pre.is_empty()
        }
        _ => false,
    }
}

fn check_imports(version: &InterfaceVersion, imports: &[String]) -> Result<(), LoadError> {
    let known = |name: &&String| {
        let (interface, number) = name.split_once('@').unwrap_or((name, ""));
        wasi::INTERFACES.contains(&interface) && compatible(number, wasi::VERSION)
            || version.imports.contains(&interface) && compatible(number, version.number)
    };
    let names: Vec<String> = imports.iter().filter(|name| !known(name)).cloned().collect();
    if names.is_empty() { Ok(()) } else { Err(LoadError::UnknownImports { names }) }
}

/// Explains how to build a component without these imports.
fn without(names: &[String]) -> &'static str {
    let any = |is: fn(&str) -> bool| names.iter().any(|name| is(name));
    if any(|name| name.starts_with("wasi:http/")) {
        "build it without HTTP, which no plugin may use (in Rust without the crate that uses it, in JavaScript with \
         `jco componentize --disable http --disable fetch-event`), and let another program pass its data with \
         `ctwarden send`"
    } else if any(|name| name.starts_with("wasi:") && !name.contains("@0.2.")) {
        "build it for WASI 0.2, in Rust with `cargo build --target wasm32-wasip2`"
    } else if any(|name| name.starts_with("ctwarden:conntrack/")) {
        "build it against a version of the interface that this ctwarden knows"
    } else if any(|name| name.starts_with("wasi:")) {
        "build it without the code that uses them"
    } else {
        "compose it with a component that exports them (`wac plug`), or build it without the code that uses them"
    }
}

/// Joins names for a sentence.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| shortened(name)).collect();
    match names.len() {
        0 => "nothing".to_owned(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_as_for_the_linker() {
        for (one, other, fits) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.7", "0.1.0", true),
            ("0.2.0", "0.1.0", false),
            ("0.9.0", "0.1.0", false),
            ("1.0.0", "1.4.0", true),
            ("2.0.0", "1.0.0", false),
            ("0.1.0-rc.1", "0.1.0", false),
            ("", "0.1.0", false),
        ] {
            assert_eq!(compatible(one, other), fits, "{one} {other}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..10).map(|n| format!("n{n}")).collect();
        assert_eq!(list(&names), "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more");
        assert_eq!(list(&[]), "nothing");
        assert_eq!(shortened(&"x".repeat(70)), format!("{}…", "x".repeat(64)));
    }
}
