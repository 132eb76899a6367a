//! The limits of a plugin's descriptor.

use ctwarden_model::{Descriptor, Fault, NameError, PluginName, text};
use semver::Version;
use thiserror::Error;

use crate::text::shortened;

/// Why a plugin has no valid descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DescribeError {
    #[error("it failed when it was asked to describe itself")]
    Fault(#[source] Fault),
    /// The plugin's name is invalid.
    #[error("its descriptor has no valid name")]
    Name(#[source] NameError),
    /// The plugin's version is invalid.
    #[error("its descriptor's version \"{0}\" is not a semantic version; write for example 1.0.0")]
    Version(String),
    /// A text is too long or has control characters.
    #[error("its descriptor's {what} must be at most {limit} bytes{}", if *.one_line { " on one line" } else { "" })]
    Text {
        what: &'static str,
        /// The longest allowed length.
        limit: usize,
        /// Whether the text must be one line.
        one_line: bool,
    },
}

/// Longest summary of a descriptor in bytes.
const SUMMARY_BYTES: usize = 256;
/// Longest schema of a descriptor in bytes.
const SCHEMA_BYTES: usize = 128 << 10;
/// Longest version of a descriptor in bytes.
const VERSION_BYTES: usize = 64;

pub(crate) fn check(descriptor: &Descriptor) -> Result<(), DescribeError> {
    PluginName::new(&descriptor.name).map_err(|NameError(name)| DescribeError::Name(NameError(shortened(&name))))?;
    if descriptor.version.len() > VERSION_BYTES || Version::parse(&descriptor.version).is_err() {
        return Err(DescribeError::Version(shortened(&descriptor.version)));
    }
    if descriptor.summary.len() > SUMMARY_BYTES || descriptor.summary.contains(text::is_obeyed) {
        return Err(DescribeError::Text { what: "summary", limit: SUMMARY_BYTES, one_line: true });
    }
    if descriptor.configuration_schema.as_ref().is_some_and(|schema| schema.len() > SCHEMA_BYTES) {
        return Err(DescribeError::Text { what: "configuration schema", limit: SCHEMA_BYTES, one_line: false });
    }
    Ok(())
}
