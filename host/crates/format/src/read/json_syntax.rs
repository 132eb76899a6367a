//! A JSON reader that takes values in place and builds no tree (RFC 8259).
//!
//! `serde_json` would lose the column of a wrong value: its errors count bytes, and none of them says where a value
//! with an invalid meaning starts.

use alloc::borrow::Cow;

use super::error::{LineError, LineProblem};

/// Maximum nesting of objects and lists; ctwarden's own have four levels.
const DEPTH: u8 = 32;

/// A line and the position in it.
#[derive(Clone, Debug)]
pub(super) struct Json<'a> {
    line: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Json<'a> {
    /// From the start of the line.
    pub(super) const fn of(line: &'a str) -> Self {
        Self { line, at: 0, depth: 0 }
    }

    /// The position of the next byte.
    pub(super) fn at(&mut self) -> usize {
        self.blanks();
        self.at
    }

    /// An error at that byte.
    pub(super) fn fail(&self, at: usize, problem: LineProblem) -> LineError {
        LineError::at(self.line, at, problem)
    }

    /// Fails unless only blanks follow.
    pub(super) fn end(&mut self) -> Result<(), LineError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the line")),
        }
    }

    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn pass(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.pass(1);
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.byte()
    }

    fn unexpected(&self, expected: &'static str) -> LineError {
        self.fail(self.at, LineProblem::expected(expected, self.rest()))
    }

    fn takes(&mut self, sign: u8) -> bool {
        let is = self.peek() == Some(sign);
        if is {
            self.pass(1);
        }
        is
    }

    fn take(&mut self, sign: u8, expected: &'static str) -> Result<(), LineError> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// An object: passes on each name with the reader before the value, which the caller must read or skip.
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

    /// A list: passes on the reader before each item, which the caller must read or skip.
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

    /// Text; it is borrowed if it has no escape.
    pub(super) fn string(&mut self, expected: &'static str) -> Result<Cow<'a, str>, LineError> {
        self.take(b'"', expected)?;
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.pass(1);
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.pass(1);
                    let escaped = self.escaped()?;
                    let text = text.to_mut();
                    text.push(escaped);
                    text.push_str(self.plain());
                }
                Some(_) => return Err(self.unexpected("no control character in a text")),
                None => return Err(self.unexpected("the closing quote")),
            }
        }
    }

    /// Text up to its end or the next special character.
    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        let plain = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.pass(plain.len());
        plain
    }

    /// The character of an escape sequence.
    fn escaped(&mut self) -> Result<char, LineError> {
        let begin = self.at;
        let sign = self.byte();
        self.pass(1);
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
        self.fail(at, LineProblem::expected("what JSON allows behind a backslash", found))
    }

    /// Four hexadecimal digits, or twice that if the first four are half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.rest().strip_prefix("\\u")?;
                self.pass(2);
                let second = self.four_digits().filter(|second| (0xdc00..=0xdfff).contains(second))?;
                0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff)
            }
            single => single,
        };
        char::from_u32(code)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.pass(4);
        u32::from_str_radix(digits, 16).ok()
    }

    /// A number as written.
    fn digits(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let digits = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.pass(digits.len());
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
        let number = whole(digits).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.fail(at, LineProblem::value(field, expected, found)))
    }

    /// Skips a value whose field this program does not read.
    pub(super) fn skip(&mut self) -> Result<(), LineError> {
        const VALUE: &str = "a value";
        match self.peek() {
            Some(b'{') => self.members(|json, _| json.skip()),
            Some(b'[') => self.items(Self::skip),
            Some(b'"') => self.string(VALUE).map(drop),
            Some(b'-' | b'0'..=b'9') => {
                let at = self.at;
                let digits = self.digits();
                if is_number(digits) { Ok(()) } else { Err(self.fail(at, LineProblem::expected("a number", digits))) }
            }
            Some(_) | None => {
                let word = ["true", "false", "null"].into_iter().find(|word| self.rest().starts_with(word));
                self.pass(word.ok_or_else(|| self.unexpected(VALUE))?.len());
                Ok(())
            }
        }
    }
}

/// A whole number of at most 64 bits and a sign, without leading zeros.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    match digits.as_bytes() {
        [b'0'] if sign > 0 => Some(0),
        [b'1'..=b'9', ..] => digits.parse::<u64>().ok().map(|number| sign * i128::from(number)),
        _ => None,
    }
}

/// The grammar of numbers: no leading zeros, digits around a point, digits in an exponent.
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
