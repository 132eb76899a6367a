//! One JSON object, written into a buffer.
//!
//! A serialiser would need a type for each shape of entry. This file only adds commas and colons to the output of
//! `Append`.

use alloc::vec::Vec;

use crate::append::Append;

/// An open object. Names of members are constants of this crate and need no escape.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// A member whose value the caller writes.
    #[inline]
    pub(super) fn raw(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.text(name);
        self.out.text("\":");
        value(self.out);
    }

    #[inline]
    pub(super) fn number(&mut self, name: &str, number: impl Into<u64>) {
        self.raw(name, |out| out.decimal(number));
    }

    /// Writes a number; without a number, writes nothing.
    pub(super) fn some_number(&mut self, name: &str, number: Option<impl Into<u64>>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    /// Writes a signed number; without a number, writes nothing.
    pub(super) fn some_signed(&mut self, name: &str, number: Option<i32>) {
        if let Some(number) = number {
            self.raw(name, |out| {
                if number < 0 {
                    out.push(b'-');
                }
                out.decimal(number.unsigned_abs());
            });
        }
    }

    pub(super) fn string(&mut self, name: &str, text: &str) {
        self.raw(name, |out| string(out, text));
    }

    /// Writes bytes as text in lower-case hexadecimal.
    pub(super) fn hex(&mut self, name: &str, bytes: &[u8]) {
        self.raw(name, |out| {
            out.push(b'"');
            out.hex_bytes(bytes);
            out.push(b'"');
        });
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self, name: &str, numbers: impl Iterator<Item = u8>) {
        self.list(name, numbers, |out, number| out.decimal(number));
    }

    /// A list of texts.
    pub(super) fn strings<'b>(&mut self, name: &str, texts: impl Iterator<Item = &'b str>) {
        self.list(name, texts, string);
    }

    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        self.raw(name, |out| {
            let mut object = Object::open(out);
            members(&mut object);
            object.close();
        });
    }

    /// A list of objects.
    pub(super) fn objects<T>(&mut self, name: &str, items: &[T], members: impl Fn(&mut Object<'_>, &T)) {
        self.list(name, items.iter(), |out, item| {
            let mut object = Object::open(out);
            members(&mut object, item);
            object.close();
        });
    }

    fn list<T>(&mut self, name: &str, items: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
        self.raw(name, |out| {
            out.push(b'[');
            let mut empty = true;
            for item in items {
                if !empty {
                    out.push(b',');
                }
                empty = false;
                write(out, item);
            }
            out.push(b']');
        });
    }
}

/// Writes text in quotes. Characters that JSON forbids in a string are escaped (RFC 8259, section 7).
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.text("\\\""),
            b'\\' => out.text("\\\\"),
            b'\n' => out.text("\\n"),
            b'\r' => out.text("\\r"),
            b'\t' => out.text("\\t"),
            0..=0x1f | 0x7f => {
                out.text("\\u00");
                out.hex_bytes(&[byte]);
            }
            other => out.push(other),
        }
    }
    out.push(b'"');
}
