//! The limits of a plugin's descriptor.

use std::collections::BTreeSet;

use ctwarden_model::{Descriptor, Fault, NameError, PluginName, ReasonCode, text};
use semver::Version;
use thiserror::Error;

use crate::text::{is_code, shortened};

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
    /// There are too many codes.
    #[error(
        "its descriptor has {given} codes, more than {CODES}; give codes that depend on the configuration in the subscription"
    )]
    Codes {
        /// Number of codes in the descriptor.
        given: usize,
    },
    /// A code cannot be a label.
    #[error("its descriptor's code \"{0}\" is not 1 to 64 letters, digits or -")]
    Code(String),
    /// A code is given twice.
    #[error("its descriptor gives the code {0} twice; give it once")]
    RepeatedCode(String),
    /// The meaning of a code is too long or has control characters.
    #[error("the meaning of its descriptor's code {0} must be at most {MEANING_BYTES} bytes on one line")]
    Meaning(String),
}

/// Longest summary of a descriptor in bytes.
const SUMMARY_BYTES: usize = 256;
/// Longest schema of a descriptor in bytes.
const SCHEMA_BYTES: usize = 128 << 10;
/// Longest version of a descriptor in bytes.
const VERSION_BYTES: usize = 64;
/// Codes of a descriptor. Each is a label in metrics.
const CODES: usize = 64;
/// Longest meaning of a code in bytes.
const MEANING_BYTES: usize = 256;

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
    check_codes(&descriptor.codes)
}

fn check_codes(codes: &[ReasonCode]) -> Result<(), DescribeError> {
    if codes.len() > CODES {
        return Err(DescribeError::Codes { given: codes.len() });
    }
    let mut seen = BTreeSet::new();
    for ReasonCode { code, meaning } in codes {
        if !is_code(code) {
            return Err(DescribeError::Code(shortened(code)));
        }
        if !seen.insert(code) {
            return Err(DescribeError::RepeatedCode(code.clone()));
        }
        if meaning.len() > MEANING_BYTES || meaning.contains(text::is_obeyed) {
            return Err(DescribeError::Meaning(code.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ctwarden_model::VerdictKinds;

    use super::*;

    fn checked(codes: Vec<(String, String)>) -> Result<(), String> {
        let codes = codes.into_iter().map(|(code, meaning)| ReasonCode { code, meaning }).collect();
        let descriptor = Descriptor {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            summary: String::new(),
            configuration_schema: None,
            wants: VerdictKinds::NONE,
            codes,
        };
        check(&descriptor).map_err(|error| error.to_string())
    }

    #[test]
    fn codes_are_few_and_short_and_each_is_given_once() {
        let code = |code: &str, meaning: &str| (code.to_owned(), meaning.to_owned());
        assert_eq!(checked(vec![code("banned", "It is banned."), code(&"x".repeat(64), &"x".repeat(256))]), Ok(()));
        for wrong in ["", "a b", "a_b", "ä", &"x".repeat(65)] {
            let said = checked(vec![code(wrong, "")]).unwrap_err();
            assert!(said.starts_with("its descriptor's code \"") && said.ends_with("letters, digits or -"), "{said}");
        }
        let said = checked(vec![code("a", ""), code("a", "")]).unwrap_err();
        assert_eq!(said, "its descriptor gives the code a twice; give it once");
        for wrong in ["two\nlines", "\u{9b}", &"x".repeat(257)] {
            let said = checked(vec![code("a", wrong)]).unwrap_err();
            assert_eq!(said, "the meaning of its descriptor's code a must be at most 256 bytes on one line");
        }
        let numbered = |count: usize| (0..count).map(|number| code(&number.to_string(), "")).collect();
        assert_eq!(checked(numbered(64)), Ok(()));
        let said = checked(numbered(65)).unwrap_err();
        assert!(said.starts_with("its descriptor has 65 codes, more than 64"), "{said}");
    }
}
