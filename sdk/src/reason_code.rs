//! Codes that a policy declares, so that metrics count its verdicts by them.

use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::export::is_one_line;

/// A code of verdicts ([`Verdict::because`](crate::Verdict::because)), and what it means. A policy lists its codes in
/// [`CODES`](crate::Policy::CODES).
///
/// ```
/// use ctwarden_sdk::ReasonCode;
///
/// const CODES: &[ReasonCode] = &[ReasonCode::new("banned", "An address of the flow is banned.")];
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCode {
    code: &'static str,
    meaning: &'static str,
}

impl ReasonCode {
    /// Maximum number of codes in [`CODES`](crate::Policy::CODES).
    pub const MOST: usize = 64;

    /// A code of 1 to 64 ASCII letters, digits or `-`, and its meaning in at most 256 bytes on one line.
    ///
    /// # Panics
    /// The code or the meaning is something else. In a constant, this is an error of the compiler.
    #[must_use]
    pub const fn new(code: &'static str, meaning: &'static str) -> Self {
        assert!(is_code(code), "a code has 1 to 64 letters, digits or -");
        assert!(is_one_line(meaning, 256), "the meaning of a code has at most 256 bytes on one line");
        Self { code, meaning }
    }

    /// Returns the code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns what the code means.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.meaning
    }
}

impl From<&ReasonCode> for wit::ReasonCode {
    fn from(code: &ReasonCode) -> Self {
        Self { code: code.code.to_owned(), meaning: code.meaning.to_owned() }
    }
}

const fn is_code(code: &str) -> bool {
    let mut rest = code.as_bytes();
    while let [byte, behind @ ..] = rest {
        if !(byte.is_ascii_alphanumeric() || *byte == b'-') {
            return false;
        }
        rest = behind;
    }
    !code.is_empty() && code.len() <= 64
}

/// Fails the build of a component whose codes the daemon would refuse.
///
/// ```compile_fail
/// use ctwarden_sdk::ReasonCode;
/// const _: () = ctwarden_sdk::__check_codes(&[ReasonCode::new("a", ""), ReasonCode::new("a", "")]);
/// ```
///
/// ```
/// use ctwarden_sdk::ReasonCode;
/// const _: () = ctwarden_sdk::__check_codes(&[ReasonCode::new("a", ""), ReasonCode::new("b", "")]);
/// ```
#[doc(hidden)]
pub const fn check_codes(codes: &[ReasonCode]) {
    assert!(
        codes.len() <= ReasonCode::MOST,
        "a policy has at most 64 CODES; give those of a configuration with Subscription::code"
    );
    let mut rest = codes;
    while let [one, behind @ ..] = rest {
        let mut others = behind;
        while let [other, more @ ..] = others {
            assert!(!is_same(one.code.as_bytes(), other.code.as_bytes()), "CODES has a code twice; list it once");
            others = more;
        }
        rest = behind;
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (mut one, mut other) = (one, other);
    while let ([a, one_behind @ ..], [b, other_behind @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (one_behind, other_behind);
    }
    one.is_empty() && other.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_a_label() {
        for code in ["a", "over-cap", "B2", "-", &"x".repeat(64)] {
            assert!(is_code(code), "{code}");
        }
        for code in ["", "a b", "a_b", "ä", "a.b", &"x".repeat(65)] {
            assert!(!is_code(code), "{code}");
        }
    }

    #[test]
    fn a_code_is_the_same_only_as_itself() {
        assert!(is_same(b"", b"") && is_same(b"over", b"over"));
        assert!(!is_same(b"over", b"over-cap") && !is_same(b"over-cap", b"over") && !is_same(b"a", b"b"));
    }
}
