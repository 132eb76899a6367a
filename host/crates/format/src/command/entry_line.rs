//! A line that makes an entry, in the words that saved tables use, read without looking at anything else.
//!
//! A saved table has a million lines of the same few words. Each word there is written out, none comes twice, and nothing can
//! be wrong with them together, so that such a line needs neither abbreviations nor the checks of what goes with what. Whatever
//! is said in any other way is left to the reader of all command lines, who makes the same of these lines, too.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::slice::Iter;

use ctwarden_model::{Flow, Layer4, Mark, NatTo, PerDirection, Protocol, ProtocolInfo, Status, TcpState, Tuple, Zone};

use super::create::{Create, Nat};
use super::named::STATUS;
use super::number::{low8, low16, low32};
use super::settle;

/// What the words said. Each is said once.
#[derive(Default)]
struct Said<'a> {
    exclusive: bool,
    timeout: Option<u32>,
    status: Option<u32>,
    zone: Option<Zone>,
    mark: Option<u32>,
    src: Option<Ended<'a>>,
    dst: Option<Ended<'a>>,
    reply_src: Option<Address>,
    reply_dst: Option<Address>,
    new_src: Option<Address>,
    new_dst: Option<Address>,
    protocol: Option<Protocol>,
    ports: PerDirection<(Option<u16>, Option<u16>)>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    icmp_id: Option<u16>,
    state: Option<u8>,
    scale: PerDirection<Option<u8>>,
    flags: PerDirection<Option<u8>>,
}

/// Parts of an entry.
struct Parts {
    tuples: PerDirection<Tuple>,
    info: Option<ProtocolInfo>,
    timeout: u32,
}

/// An address as a number until it is wanted: most lines are only looked at, and each address goes through many hands.
#[derive(Clone, Copy)]
struct Address {
    ipv4: bool,
    bits: u128,
}

impl From<Address> for IpAddr {
    fn from(Address { ipv4, bits }: Address) -> Self {
        // Of IPv4 there are never more than 32 bits.
        if ipv4 { Ipv4Addr::from_bits(low32(bits)).into() } else { Ipv6Addr::from_bits(bits).into() }
    }
}

/// An address and how it was written, with the blank behind it.
type Ended<'a> = (Address, &'a [u8]);

/// What is left of the line.
type Rest<'a> = Iter<'a, u8>;

/// Reads the line, or leaves it to the general reader.
pub(super) fn read(line: &str) -> Option<Create> {
    Said::of(line)?.entry()
}

/// Whether [`read`] reads the line.
pub(super) fn is_read(line: &str) -> bool {
    Said::of(line).is_some_and(|said| said.parts().is_some())
}

/// Takes everything up to the next blank, and that with it.
fn word<'a>(rest: &mut Rest<'a>) -> &'a [u8] {
    let all = rest.as_slice();
    let (word, behind) = all.split_at(length(all));
    *rest = behind.get(1..).unwrap_or_default().iter();
    word
}

/// How many bytes stand before the first blank. Eight are looked at in one go: most words have no more.
fn length(text: &[u8]) -> usize {
    /// In each byte the lowest and the highest bit.
    const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (eights, last) = text.as_chunks();
    let mut before = 0;
    for eight in eights {
        // A byte that was a blank is zero, and borrows from its highest bit; so may one behind it.
        let bytes = u64::from_le_bytes(*eight) ^ u64::from_ne_bytes([b' '; 8]);
        let blanks = bytes.wrapping_sub(LOWEST) & !bytes & HIGHEST;
        if blanks != 0 {
            return before + usize::from(low8(blanks.trailing_zeros() / 8));
        }
        before += 8;
    }
    before + last.iter().position(|byte| *byte == b' ').unwrap_or(last.len())
}

impl<'a> Said<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut rest = line.strip_suffix('\n').unwrap_or(line).as_bytes().iter();
        let exclusive = match word(&mut rest) {
            b"-A" => false,
            b"-I" => true,
            _ => return None,
        };
        let mut said = Self { exclusive, ..Self::default() };
        // At the end of a line there may be a blank.
        while !matches!(rest.as_slice(), [] | [b' ']) {
            let option = word(&mut rest);
            said.take(option, &mut rest)?;
        }
        Some(said)
    }

    fn take(&mut self, option: &[u8], text: &mut Rest<'a>) -> Option<()> {
        match option {
            b"-s" => once(&mut self.src, end(text)),
            b"-d" => once(&mut self.dst, end(text)),
            b"-r" => once(&mut self.reply_src, other_end(text, self.dst)),
            b"-q" => once(&mut self.reply_dst, other_end(text, self.src)),
            b"-t" => once(&mut self.timeout, decimal(text, u32::MAX)),
            b"-u" => once(&mut self.status, status(text)),
            b"-p" => once(&mut self.protocol, protocol(text)),
            b"-n" => once(&mut self.new_src, address(text)),
            b"-g" => once(&mut self.new_dst, address(text)),
            b"-w" => once(&mut self.zone, two_bytes(text).map(Zone)),
            b"-m" => once(&mut self.mark, decimal(text, u32::MAX)),
            _ => self.take_part(self.protocol?, option, text),
        }
    }

    /// An option of the protocol, which is named before.
    fn take_part(&mut self, protocol: Protocol, option: &[u8], text: &mut Rest<'_>) -> Option<()> {
        if protocol.has_ports() {
            let place = match option {
                b"--sport" => Some(&mut self.ports.original.0),
                b"--dport" => Some(&mut self.ports.original.1),
                b"--reply-port-src" => Some(&mut self.ports.reply.0),
                b"--reply-port-dst" => Some(&mut self.ports.reply.1),
                _ => None,
            };
            if let Some(place) = place {
                return once(place, two_bytes(text));
            }
        }
        match (protocol, option) {
            (Protocol::TCP, b"--state") => once(&mut self.state, state(text)),
            (Protocol::TCP, b"--orig-wscale") => once(&mut self.scale.original, byte(text, 14)),
            (Protocol::TCP, b"--reply-wscale") => once(&mut self.scale.reply, byte(text, 14)),
            (Protocol::TCP, b"--orig-tcp-flags") => once(&mut self.flags.original, byte(text, u8::MAX)),
            (Protocol::TCP, b"--reply-tcp-flags") => once(&mut self.flags.reply, byte(text, u8::MAX)),
            (Protocol::ICMP, b"--icmp-type") | (Protocol::ICMPV6, b"--icmpv6-type") => {
                once(&mut self.icmp_type, byte(text, u8::MAX))
            }
            (Protocol::ICMP, b"--icmp-code") | (Protocol::ICMPV6, b"--icmpv6-code") => {
                once(&mut self.icmp_code, byte(text, u8::MAX))
            }
            (Protocol::ICMP, b"--icmp-id") | (Protocol::ICMPV6, b"--icmpv6-id") => {
                once(&mut self.icmp_id, two_bytes(text))
            }
            _ => None,
        }
    }

    /// What cannot be left out, if everything is there that a saved line has.
    fn parts(&self) -> Option<Parts> {
        let ((src, _), (dst, _), protocol) = (self.src?, self.dst?, self.protocol?);
        // Each end of the reply direction is told plainly or as a translation.
        let reply_src = one_of(self.reply_src, self.new_dst)?;
        let reply_dst = one_of(self.reply_dst, self.new_src)?;
        if [dst, reply_src, reply_dst].iter().any(|address| address.ipv4 != src.ipv4) {
            return None;
        }
        let (src, dst) = (src.into(), dst.into());
        let (original, reply) = match protocol {
            Protocol::ICMP | Protocol::ICMPV6 => {
                let layer4 = Layer4::Icmp { id: self.icmp_id?, kind: self.icmp_type?, code: self.icmp_code? };
                (layer4, Tuple { src, dst, protocol, layer4 }.mirror().layer4)
            }
            Protocol(_) => (ports(self.ports.original)?, ports(self.ports.reply)?),
        };
        let tuples = PerDirection {
            original: Tuple { src, dst, protocol, layer4: original },
            reply: Tuple { src: reply_src.into(), dst: reply_dst.into(), protocol, layer4: reply },
        };
        let info = match protocol {
            Protocol::TCP => Some(settle::tcp(Some(self.state?), self.scale, self.flags)),
            Protocol(_) => None,
        };
        Some(Parts { tuples, info, timeout: self.timeout? })
    }

    fn entry(self) -> Option<Create> {
        let Parts { tuples, info, timeout } = self.parts()?;
        let mut flow = Flow::new(tuples);
        flow.info = info;
        flow.zone = self.zone.unwrap_or_default();
        flow.timeout = Some(timeout);
        flow.status = self.status.map(Status);
        flow.mark = self.mark.map(Mark);
        let to = |address: Option<Address>| address.map(|to| NatTo { address: Some(to.into()), port: None });
        let nat = Nat { source: to(self.new_src), destination: to(self.new_dst) };
        Some(Create { flow, nat, exclusive: self.exclusive })
    }
}

/// Keeps what is said for the first time.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = value;
    place.is_some().then_some(())
}

/// The one that was said; not both.
const fn one_of(one: Option<Address>, other: Option<Address>) -> Option<Address> {
    match (one, other) {
        (Some(address), None) | (None, Some(address)) => Some(address),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

const fn ports((src, dst): (Option<u16>, Option<u16>)) -> Option<Layer4> {
    match (src, dst) {
        (Some(src), Some(dst)) => Some(Layer4::Ports { src, dst }),
        (None, _) | (_, None) => None,
    }
}

/// A decimal number up to the next blank. A zero in front would make it octal in some places.
fn decimal(text: &mut Rest<'_>, most: u32) -> Option<u32> {
    let (mut value, mut digits) = (0_u64, 0_u32);
    for byte in text {
        if *byte == b' ' {
            break;
        }
        if digits > 9 || (digits > 0 && value == 0) {
            return None;
        }
        value = value * 10 + u64::from(digit_of(*byte)?);
        digits += 1;
    }
    u32::try_from(value).ok().filter(|value| digits > 0 && *value <= most)
}

const fn digit_of(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    if digit < 10 { Some(digit) } else { None }
}

fn two_bytes(text: &mut Rest<'_>) -> Option<u16> {
    decimal(text, u16::MAX.into()).map(low16)
}

fn byte(text: &mut Rest<'_>, most: u8) -> Option<u8> {
    decimal(text, most.into()).map(low8)
}

fn end<'a>(text: &mut Rest<'a>) -> Option<Ended<'a>> {
    let all = text.as_slice();
    let address = address(text)?;
    Some((address, all.get(..all.len() - text.len()).unwrap_or_default()))
}

/// The address of the reply direction's end, which nearly always is written as that of the original direction was.
fn other_end(text: &mut Rest<'_>, original: Option<Ended<'_>>) -> Option<Address> {
    if let Some((address, written)) = original
        && let Some(behind) = text.as_slice().strip_prefix(written)
        && written.last() == Some(&b' ')
    {
        *text = behind.iter();
        return Some(address);
    }
    address(text)
}

/// An address without anything behind it, in the forms that everybody writes.
fn address(text: &mut Rest<'_>) -> Option<Address> {
    let begin = text.clone();
    if let Some(address) = dotted(text) {
        return Some(Address { ipv4: true, bits: address.into() });
    }
    *text = begin;
    groups(text).map(|bits| Address { ipv4: false, bits })
}

/// Four decimal numbers.
fn dotted(text: &mut Rest<'_>) -> Option<u32> {
    let mut bits = 0;
    for end in [b'.', b'.', b'.', b' '] {
        let mut number = u32::from(digit_of(*text.next()?)?);
        loop {
            match text.next() {
                None if end == b' ' => break,
                None => return None,
                Some(byte) if *byte == end => break,
                // No number has a zero in front.
                Some(_) if number == 0 => return None,
                Some(byte) => number = number * 10 + u32::from(digit_of(*byte)?),
            }
            if number > 255 {
                return None;
            }
        }
        bits = bits << 8 | number;
    }
    Some(bits)
}

/// Hexadecimal groups, of which `::` may leave some out; without dotted decimals at the end.
fn groups(text: &mut Rest<'_>) -> Option<u128> {
    // What stands before `::`, and everything or what stands behind it.
    let (mut front, mut bits) = (None, 0_u128);
    let (mut group, mut digits, mut count) = (0_u32, 0_u32, 0_u32);
    let mut last = b' ';
    for byte in text {
        if *byte == b' ' {
            break;
        }
        if let Some(digit) = char::from(*byte).to_digit(16) {
            // A colon alone begins no address.
            if digits == 4 || (last == b':' && count == 0 && front.is_none()) {
                return None;
            }
            group = group << 4 | digit;
            digits += 1;
        } else if *byte != b':' {
            return None;
        } else if digits > 0 {
            bits = bits << 16 | u128::from(group);
            count += 1;
            (group, digits) = (0, 0);
            if count > 7 {
                return None;
            }
        } else if last == b':' && front.is_none() {
            front = Some((bits, count));
            bits = 0;
        } else if last != b' ' {
            return None;
        }
        last = *byte;
    }
    if digits > 0 {
        bits = bits << 16 | u128::from(group);
        count += 1;
    } else if front.is_none_or(|(_, before)| before != count) {
        // Nor does it end one.
        return None;
    }
    match front {
        None => (count == 8).then_some(bits),
        // The gap is of one group at least.
        Some((front, before)) => (count < 8).then(|| front.checked_shl(128 - 16 * before).unwrap_or(0) | bits),
    }
}

/// Names that are written out.
fn status(text: &mut Rest<'_>) -> Option<u32> {
    let mut bits = 0;
    for name in word(text).split(|byte| *byte == b',') {
        bits |= STATUS.iter().find(|(known, _)| known.as_bytes() == name)?.1;
    }
    Some(bits)
}

fn protocol(text: &mut Rest<'_>) -> Option<Protocol> {
    match word(text) {
        b"tcp" => Some(Protocol::TCP),
        b"udp" => Some(Protocol::UDP),
        b"icmp" => Some(Protocol::ICMP),
        b"icmpv6" => Some(Protocol::ICMPV6),
        _ => None,
    }
}

fn state(text: &mut Rest<'_>) -> Option<u8> {
    let text = word(text);
    (0..=TcpState::SYN_SENT2.0).find(|state| TcpState(*state).name().is_some_and(|name| name.as_bytes() == text))
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::LabelMap;
    use crate::command::{Command, Parsed, Refused, Surroundings, parse};

    struct Nothing;

    impl Surroundings for Nothing {
        fn protocol_named(&self, _: &str) -> Option<Protocol> {
            None
        }

        fn name_of_protocol(&self, _: Protocol) -> Option<String> {
            None
        }

        fn label_map(&self, _: Option<&str>) -> Result<LabelMap, String> {
            Err("there is none".to_string())
        }
    }

    /// What the general reader makes of the line.
    fn in_general(line: &str) -> Result<Parsed, Refused> {
        parse::read("conntrack", line.split([' ', '\n']).filter(|word| !word.is_empty()), &Nothing)
    }

    #[track_caller]
    fn same(line: &str) -> bool {
        let read = read(line);
        assert_eq!(read.is_some(), is_read(line), "{line}");
        match read {
            None => false,
            Some(create) => {
                let expected = Parsed { command: Command::Create(create), warnings: Vec::new() };
                assert_eq!(in_general(line), Ok(expected), "{line}");
                true
            }
        }
    }

    const TCP: &str =
        "-p tcp --sport 40000 --dport 443 --reply-port-src 8443 --reply-port-dst 1024 --state ESTABLISHED";
    const UDP: &str = "-p udp --sport 5353 --dport 53 --reply-port-src 53 --reply-port-dst 5353";

    #[test]
    fn lines_of_saved_tables_are_read_here() {
        let four = "-s 10.0.0.1 -d 198.18.0.1 -r 198.18.0.1 -q 10.0.0.1";
        for line in [
            format!("-A -t 86399 -u SEEN_REPLY,ASSURED {four} {TCP}"),
            format!("-A -t 86399 -u SEEN_REPLY,ASSURED {four} {TCP} \n"),
            format!("-I -t 0 -u UNSET -w 7 {four} {UDP} -m 4660\n"),
            format!(
                "-A -t 5 -u EXPECTED,HELPER,FIXED_TIMEOUT -s 1.2.3.4 -d 5.6.7.8 -g 9.0.0.1 -n 255.255.255.255 {TCP}"
            ),
            format!("-A -t 5 -s 1.2.3.4 -d 5.6.7.8 -r 5.6.7.8 -n 10.20.30.40 {UDP}"),
            format!("-A -t 5 {four} {TCP} --orig-wscale 14 --reply-wscale 7 --orig-tcp-flags 255 --reply-tcp-flags 10"),
            format!("-A -t 5 -s ::1 -d 2001:db8:1:: -r 2001:db8:1:: -q 1:2:3:4:5:6:7:8 {UDP}"),
            format!("-A -t 5 -r 10.0.0.2 -q 10.0.0.1 -s 10.0.0.1 -d 10.0.0.21 {UDP}"),
            format!("-A -t 5 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.21 -q 10.0.0.1 {UDP}"),
            format!("-A -t 29 {four} -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 4711"),
            "-A -t 29 -s ::1 -d ::2 -r ::2 -q ::1 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 65535"
                .to_string(),
        ] {
            assert!(same(&line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_word_ends_at_the_first_blank(text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'!'), any::<u8>()], 0..40)) {
            let mut rest = text.iter();
            let mut words: Vec<&[u8]> = Vec::new();
            while !rest.as_slice().is_empty() {
                words.push(super::word(&mut rest));
            }
            let expected = text.strip_suffix(b" ").unwrap_or(&text);
            prop_assert!(text.is_empty() || expected.split(|byte| *byte == b' ').eq(words));
        }
    }

    #[test]
    fn addresses_are_what_everybody_reads() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.1.1.1",
            "1..1.1",
            ".1.1.1.1",
            "1.1.1.1.",
            "1.1.1.0001",
            "",
            "::",
            "::1",
            "1::",
            "1::2",
            ":1",
            "1:",
            ":",
            ":::",
            "1:::2",
            "::1::",
            "1::2::3",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "12345::",
            "ABCD:ef01::",
            "g::",
            "fe80::1%lo",
            "1:2:3:4:5:6:7:8:",
        ] {
            let expected = text.parse::<IpAddr>().ok().filter(|_| text != "::ffff:1.2.3.4");
            assert_eq!(address(&mut text.as_bytes().iter()).map(IpAddr::from), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn ipv6_is_what_everybody_reads(text in "[0-9a-f:]{0,20}|([0-9a-f]{1,4}:){0,8}:?([0-9a-f]{1,4}:){0,8}[0-9a-f]{0,4}") {
            prop_assert_eq!(groups(&mut text.as_bytes().iter()).map(Ipv6Addr::from_bits), text.parse().ok());
        }

        #[test]
        fn a_line_means_the_same_to_the_general_reader(
            v6 in any::<bool>(),
            protocol in 0..4_usize,
            changes in proptest::collection::vec((0..3_usize, any::<prop::sample::Index>(), word()), 0..4),
        ) {
            let addresses = if v6 { "-s ::1 -d 1::2 -r 1::2 -q ::1" } else { "-s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 3.3.3.3" };
            let parts = [TCP, UDP, "-p icmp --icmp-type 8 --icmp-code 0 --icmp-id 1", "-p icmpv6 --icmpv6-type 129 --icmpv6-code 0 --icmpv6-id 1"];
            let line = format!("-A -t 9 -u SEEN_REPLY {addresses} {}", parts[protocol]);
            let mut words: Vec<String> = line.split(' ').map(ToString::to_string).collect();
            let unchanged = changes.is_empty();
            for (how, place, word) in changes {
                let place = place.index(words.len());
                match how {
                    0 => words[place] = word,
                    1 => words.insert(place, word),
                    _ => drop(words.remove(place)),
                }
            }
            let read_here = same(&words.join(" "));
            prop_assert!(read_here || !unchanged);
        }
    }

    fn word() -> impl Strategy<Value = String> {
        proptest::sample::select(Vec::from([
            "-A",
            "-I",
            "-D",
            "-s",
            "-d",
            "-r",
            "-q",
            "-n",
            "-g",
            "-t",
            "-u",
            "-w",
            "-m",
            "-p",
            "-i",
            "-f",
            "-c",
            "-z",
            "--sport",
            "--dport",
            "--reply-port-src",
            "--reply-port-dst",
            "--state",
            "--orig-wscale",
            "--reply-tcp-flags",
            "--icmp-type",
            "--icmpv6-id",
            "--spo",
            "-s1.1.1.1",
            "--src=1.1.1.1",
            "tcp",
            "udp",
            "icmp",
            "icmpv6",
            "TCP",
            "6",
            "sctp",
            "gre",
            "0",
            "1",
            "14",
            "15",
            "010",
            "0x10",
            "255",
            "256",
            "65535",
            "65536",
            "4294967295",
            "4294967296",
            "-1",
            "+1",
            "1.1.1.1",
            "1.1.1.1/8",
            "1.1.1.1:80",
            "[::1]:80",
            "10.1",
            "::1",
            "::ffff:1.2.3.4",
            "ASSURED",
            "SEEN_REPLY,",
            "ASSURED,EXPECTED",
            "!ASSURED",
            "assured",
            "SRC_NAT",
            "UNREPLIED",
            "CLOSE",
            "LISTEN",
            "12",
            "expect",
            "conntrack",
            "#",
            "\t",
            "\"",
            "é",
            "",
        ]))
        .prop_map(ToString::to_string)
    }
}
