//! Appends words, numbers and addresses to the buffer of a writer.
//!
//! A table has a million entries. `core::fmt` takes several times as long for a number as this module, and nothing here
//! allocates except the buffer itself.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every one-byte number in decimal, and its number of digits.
const BYTES: [([u8; 3], usize); 256] = {
    let mut table = [([b'0'; 3], 1); 256];
    let mut number = 0_u8;
    loop {
        let (hundreds, tens, ones) = (b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10);
        #[expect(clippy::indexing_slicing, reason = "a constant: out of bounds would not compile")]
        {
            table[number as usize] = match number {
                0..=9 => ([ones, 0, 0], 1),
                10..=99 => ([tens, ones, 0], 2),
                100..=255 => ([hundreds, tens, ones], 3),
            };
        }
        if number == u8::MAX {
            break table;
        }
        number += 1;
    }
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appending to a buffer of text.
pub(crate) trait Append {
    /// Text that needs no replacement, such as a name of this program.
    fn text(&mut self, text: &str);
    /// Untrusted text within a line: characters that end lines, control terminals or reverse the text direction become
    /// a question mark.
    fn plain(&mut self, text: &str);
    /// A number in decimal.
    fn decimal(&mut self, number: impl Into<u64>);
    /// A number in decimal, padded with zeros to at least `digits` digits (at most 20).
    fn padded(&mut self, number: impl Into<u64>, digits: usize);
    /// A number in lower-case hexadecimal, without leading zeros.
    fn hex(&mut self, number: u32);
    /// Bytes in lower-case hexadecimal, two digits each.
    fn hex_bytes(&mut self, bytes: &[u8]);
    /// An address as `inet_ntop` of glibc writes it.
    fn address(&mut self, address: IpAddr);
    /// An address as the kernel writes it: IPv6 as eight groups of four digits.
    fn kernel_address(&mut self, address: IpAddr);
    /// Removes one blank from the end, if there is one.
    fn drop_blank(&mut self);
}

impl Append for Vec<u8> {
    #[inline]
    fn text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    fn plain(&mut self, text: &str) {
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return self.text(text);
        }
        for letter in text.chars() {
            let steers = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let letter = if letter.is_control() || steers { '?' } else { letter };
            self.text(letter.encode_utf8(&mut [0; 4]));
        }
    }

    #[inline]
    fn decimal(&mut self, number: impl Into<u64>) {
        let number = number.into();
        // Most numbers of an entry are small: marks, protocols, reference counts, zeros.
        let small = usize::try_from(number).ok().and_then(|number| BYTES.get(number));
        match small.and_then(|(digits, count)| digits.get(..*count)) {
            Some(digits) => self.extend_from_slice(digits),
            None => self.padded(number, 1),
        }
    }

    fn padded(&mut self, number: impl Into<u64>, digits: usize) {
        let mut number = number.into();
        let mut buffer = [b'0'; 20];
        let mut start = buffer.len();
        for digit in buffer.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            start = start.saturating_sub(1);
            if number == 0 {
                break;
            }
        }
        let start = start.min(buffer.len().saturating_sub(digits));
        self.extend_from_slice(buffer.get(start..).unwrap_or_default());
    }

    fn hex(&mut self, number: u32) {
        let digits = (u32::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for place in (0..digits).rev() {
            self.push(nibble(number >> (place * 4)));
        }
    }

    fn hex_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(nibble(u32::from(byte >> 4)));
            self.push(nibble(u32::from(*byte)));
        }
    }

    #[inline]
    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => ipv4(self, address),
            IpAddr::V6(address) => ipv6(self, address),
        }
    }

    fn kernel_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => ipv4(self, address),
            IpAddr::V6(address) => {
                let mut first = true;
                for [high, low] in address.octets().as_chunks().0 {
                    if !first {
                        self.push(b':');
                    }
                    first = false;
                    self.hex_bytes(&[*high, *low]);
                }
            }
        }
    }

    #[inline]
    fn drop_blank(&mut self) {
        if self.last() == Some(&b' ') {
            self.pop();
        }
    }
}

/// The lowest four bits as a digit.
fn nibble(number: u32) -> u8 {
    HEX.get((number & 0xf) as usize).copied().unwrap_or_default()
}

#[inline]
fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let mut text = [b'.'; 15];
    let mut end = 0;
    for octet in address.octets() {
        if end != 0 {
            end += 1;
        }
        let Some((digits, count)) = BYTES.get(usize::from(octet)) else { continue };
        // All three digits are copied in one move; excess digits are overwritten or truncated.
        if let Some(place) = text.get_mut(end..).and_then(|rest| rest.first_chunk_mut()) {
            *place = *digits;
        }
        end += count;
        if let Some(point) = text.get_mut(end) {
            *point = b'.';
        }
    }
    out.extend_from_slice(text.get(..end).unwrap_or_default());
}

/// Writes an IPv6 address. The longest run of two or more zero groups becomes `::`; the first of equally long runs
/// counts (RFC 5952). In addition, glibc writes the last four bytes as IPv4 if only zeros, or zeros and `ffff`, precede
/// them.
fn ipv6(out: &mut Vec<u8>, address: Ipv6Addr) {
    let groups = address.segments();
    let (start, length) = longest_zeros(&groups);
    let end = start + length;
    let mapped = start == 0 && length == 5 && groups.get(5) == Some(&0xffff);
    let dotted = start == 0 && length == 6 || mapped;
    for (place, group) in groups.iter().enumerate() {
        if length > 1 && (start..end).contains(&place) {
            if place == start {
                out.push(b':');
            }
            continue;
        }
        if place != 0 {
            out.push(b':');
        }
        if dotted && place == 6 {
            let [.., a, b, c, d] = address.octets();
            ipv4(out, Ipv4Addr::new(a, b, c, d));
            return;
        }
        out.hex(u32::from(*group));
    }
    if length > 1 && end == groups.len() {
        out.push(b':');
    }
}

/// Start and length of the longest run of zeros; the first of equally long runs counts.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut run = (0, 0);
    for (place, group) in groups.iter().enumerate() {
        run = match (*group, run) {
            (0, (start, length)) if length > 0 => (start, length + 1),
            (0, _) => (place, 1),
            _ => (0, 0),
        };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};

    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_ipv6_address_is_written_as_glibc_does() {
        // Each from `conntrack -I` and `-L`, 1.4.7 on Debian 12.
        for text in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:db8::1:0:0:2",
            "2001:db8:0:1:1:1:1:1",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "::0.1.0.2",
            "1:0:0:2::",
            "64:ff9b::102:304",
            "fe80::",
        ] {
            assert_eq!(written(|out| out.address(text.parse().unwrap())), text);
        }
    }

    #[test]
    fn the_kernel_writes_all_of_an_ipv6_address() {
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(written(|out| out.kernel_address(address)), "2001:0db8:0000:0000:0000:0000:0000:0001");
    }

    #[test]
    fn a_name_ends_no_line_and_steers_no_terminal() {
        assert_eq!(written(|out| out.plain("ftp [x] é")), "ftp [x] é");
        assert_eq!(written(|out| out.plain("a\n\u{1b}[2J\u{9b}\u{202e}b\u{2028}")), "a??[2J??b?");
    }

    #[test]
    fn zeros_fill_a_number_up() {
        assert_eq!(written(|out| out.padded(42_u8, 6)), "000042");
        assert_eq!(written(|out| out.padded(1_234_567_u32, 6)), "1234567");
        assert_eq!(written(|out| out.padded(0_u8, 40)), "0".repeat(20));
    }

    proptest! {
        #[test]
        fn numbers_and_addresses_are_those_of_core_fmt(
            number: u64, short: u32, v4: u32, v6: [u16; 8], zeros: u8,
        ) {
            prop_assert_eq!(written(|out| out.decimal(number)), number.to_string());
            prop_assert_eq!(written(|out| out.decimal(short)), short.to_string());
            prop_assert_eq!(written(|out| out.hex(short)), format!("{short:x}"));
            let v4 = Ipv4Addr::from_bits(v4);
            prop_assert_eq!(written(|out| out.address(v4.into())), v4.to_string());
            let mut groups = v6;
            for (place, group) in groups.iter_mut().enumerate() {
                if zeros >> place & 1 == 1 {
                    *group = 0;
                }
            }
            let v6 = Ipv6Addr::from(groups);
            let text = written(|out| out.address(v6.into()));
            prop_assert_eq!(text.parse::<Ipv6Addr>(), Ok(v6), "{}", text);
            // Rust cannot write the old IPv4-compatible form.
            if !text.contains('.') {
                prop_assert_eq!(text, v6.to_string());
            }
            prop_assert_eq!(written(|out| out.kernel_address(v6.into())).parse::<Ipv6Addr>(), Ok(v6));
        }
    }
}
