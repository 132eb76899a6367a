//! Fast reader of a line that creates an entry, in the words that saved tables use.
//!
//! A saved table has a million lines with the same few words. Each word is written in full, no word occurs twice, and no
//! combination can be wrong. So such a line needs neither abbreviations nor the checks of combinations. The general reader
//! handles every other line; for the lines read here it gives the same result.

mod scan;

use ctwarden_model::{Flow, Layer4, Mark, NatTo, PerDirection, Protocol, ProtocolInfo, Status, TcpState, Tuple, Zone};

use super::create::{Create, Nat};
use super::named::STATUS;
use super::settle;
use scan::{Address, Ended, Rest, address, byte, decimal, end, other_end, two_bytes, word};

/// The values of the words. Each word occurs once.
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

/// Reads the line; `None` leaves the line to the general reader.
pub(super) fn read(line: &str) -> Option<Create> {
    Said::of(line)?.entry()
}

/// Whether [`read`] reads the line.
pub(super) fn is_read(line: &str) -> bool {
    Said::of(line).is_some_and(|said| said.parts().is_some())
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
        // A blank may follow the last word.
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

    /// Reads an option of the protocol, which is named earlier in the line.
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

    /// The required parts, if the line has all of them.
    fn parts(&self) -> Option<Parts> {
        let ((src, _), (dst, _), protocol) = (self.src?, self.dst?, self.protocol?);
        // Each end of the reply direction is given plainly or as a translation.
        let reply_src = one_of(self.reply_src, self.new_dst)?;
        let reply_dst = one_of(self.reply_dst, self.new_src)?;
        if [dst, reply_src, reply_dst].iter().any(|address| address.ipv4 != src.ipv4) {
            return None;
        }
        let (src, dst) = (src.into(), dst.into());
        let (original, reply) = match protocol {
            Protocol::ICMP | Protocol::ICMPV6 => {
                let layer4 = Layer4::Icmp { id: self.icmp_id?, kind: self.icmp_type?, code: self.icmp_code? };
                (layer4, Tuple { src, dst, protocol, layer4 }.reversed().layer4)
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

/// Stores a value that is given for the first time.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = value;
    place.is_some().then_some(())
}

/// The value that was given; `None` if both were given.
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

/// Status names, written in full.
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
    use crate::command::{Command, Environment, Parsed, Refused, parse};

    struct Nothing;

    impl Environment for Nothing {
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

    /// The result of the general reader.
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
