//! JSON as it is walked over: values are taken where they stand and no tree is built (RFC 8259).
//!
//! Our own, not `serde_json`: a line is read into an entry whose parts may come in any order and which has no type of
//! its own for serde, an error has to name the column, numbers have to stay whole up to 64 bits, and this crate is
//! built without an operating system. What is left of a JSON reader then is this file.

use alloc::borrow::Cow;
use alloc::string::String;

use super::{LineError, Problem};

/// Objects and lists within each other; ours have four.
const DEPTH: u8 = 32;

/// A line and how far it was read.
#[derive(Clone, Debug)]
pub(super) struct Json<'a> {
    line: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Json<'a> {
    /// From the begin of the line.
    pub(super) const fn of(line: &'a str) -> Self {
        Self { line, at: 0, depth: 0 }
    }

    /// The byte that is next.
    pub(super) fn at(&mut self) -> usize {
        self.blanks();
        self.at
    }

    /// An error at that byte.
    pub(super) fn fail(&self, at: usize, problem: Problem) -> LineError {
        LineError::at(self.line, at, problem)
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<(), LineError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the line")),
        }
    }

    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        let blanks = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
        self.at = self.at.saturating_add(blanks);
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.rest().bytes().next()
    }

    fn unexpected(&self, expected: &'static str) -> LineError {
        self.fail(self.at, Problem::expected(expected, self.rest()))
    }

    fn takes(&mut self, sign: u8) -> bool {
        let is = self.peek() == Some(sign);
        if is {
            self.at = self.at.saturating_add(1);
        }
        is
    }

    fn take(&mut self, sign: u8, expected: &'static str) -> Result<(), LineError> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// An object: each of its names with the reader in front of the value, which has to be read or skipped.
    pub(super) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), LineError>,
    ) -> Result<(), LineError> {
        self.take(b'{', "an object")?;
        self.deeper()?;
        if !self.takes(b'}') {
            loop {
                let name = self.string("a name in quotes")?;
                self.take(b':', "a colon")?;
                member(self, &name)?;
                if self.takes(b'}') {
                    break;
                }
                self.take(b',', "a comma or the end of the object")?;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// A list: the reader in front of each item, which has to be read or skipped.
    pub(super) fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), LineError>) -> Result<(), LineError> {
        self.take(b'[', "a list")?;
        self.deeper()?;
        if !self.takes(b']') {
            loop {
                item(self)?;
                if self.takes(b']') {
                    break;
                }
                self.take(b',', "a comma or the end of the list")?;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), LineError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH { Err(self.unexpected("at most 32 objects and lists within each other")) } else { Ok(()) }
    }

    /// Text; what has no escape in it is borrowed.
    pub(super) fn string(&mut self, expected: &'static str) -> Result<Cow<'a, str>, LineError> {
        self.take(b'"', expected)?;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            let part = rest.get(..plain).unwrap_or_default();
            text = if text.is_empty() { Cow::Borrowed(part) } else { Cow::Owned(text.into_owned() + part) };
            self.at = self.at.saturating_add(plain);
            match self.rest().bytes().next() {
                Some(b'"') => {
                    self.at = self.at.saturating_add(1);
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at = self.at.saturating_add(1);
                    let mut owned: String = text.into_owned();
                    owned.push(self.escaped()?);
                    text = Cow::Owned(owned);
                }
                Some(_) => return Err(self.unexpected("no control character in a text")),
                None => return Err(self.unexpected("the closing quote")),
            }
        }
    }

    /// What a backslash stands for.
    fn escaped(&mut self) -> Result<char, LineError> {
        let begin = self.at;
        let sign = self.rest().bytes().next();
        self.at = self.at.saturating_add(1);
        let character = match sign {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode().ok_or_else(|| self.bad_escape(begin))?,
            Some(_) | None => return Err(self.bad_escape(begin)),
        };
        Ok(character)
    }

    fn bad_escape(&self, at: usize) -> LineError {
        let found = self.line.get(at..).unwrap_or_default();
        self.fail(at, Problem::expected("what JSON allows behind a backslash", found))
    }

    /// Four hexadecimal digits, or twice that where the first are half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.rest().strip_prefix("\\u")?;
                self.at = self.at.saturating_add(2);
                let second = self.four_digits().filter(|second| (0xdc00..=0xdfff).contains(second))?;
                0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff)
            }
            single => single,
        };
        char::from_u32(code)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.at = self.at.saturating_add(4);
        u32::from_str_radix(digits, 16).ok()
    }

    /// A number as it is written.
    fn digits(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let digits = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at = self.at.saturating_add(digits.len());
        digits
    }

    /// A whole number of that type.
    pub(super) fn number<T: TryFrom<i128>>(
        &mut self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, LineError> {
        let at = self.at();
        let digits = self.digits();
        let found = if digits.is_empty() { self.rest() } else { digits };
        let number = digits.parse::<i128>().ok().filter(|_| is_number(digits) && !digits.starts_with("-0"));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.fail(at, Problem::value(field, expected, found)))
    }

    /// Passes over a value, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), LineError> {
        const VALUE: &str = "a value";
        match self.peek() {
            Some(b'{') => self.members(|json, _| json.skip()),
            Some(b'[') => self.items(Self::skip),
            Some(b'"') => self.string(VALUE).map(drop),
            Some(b'-' | b'0'..=b'9') => {
                let at = self.at;
                let digits = self.digits();
                if is_number(digits) { Ok(()) } else { Err(self.fail(at, Problem::expected("a number", digits))) }
            }
            Some(_) | None => {
                let word = ["true", "false", "null"].into_iter().find(|word| self.rest().starts_with(word));
                self.at = self.at.saturating_add(word.ok_or_else(|| self.unexpected(VALUE))?.len());
                Ok(())
            }
        }
    }
}

/// The grammar of numbers: no zeros in front, digits around a point, digits in an exponent.
fn is_number(text: &str) -> bool {
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    all_digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|exponent| all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
