//! A written `[[protect]]`, and the filter that the engine matches. A new key of a filter changes only this file.

use std::fmt::Display;
use std::ops::Range;

use ctwarden_model::{Family, Filter, Masked, PortRange, Prefix, PrefixSet, Protocol, SecondsRange, Status, Zone};
use serde::Deserialize;
use toml::Spanned;

use super::problem::Findings;
use super::scalar::Scalar;

/// `[[protect]]`: flows that no plugin may touch. Every part that is given must hold; in a list, one match is enough.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Protect {
    pub comment: String,
    /// Address family: `ipv4` or `ipv6`.
    pub family: Option<WrittenFamily>,
    /// Names (`tcp`, `udp`, `icmp`, …) or numbers.
    pub protocols: Vec<Spanned<Scalar>>,
    pub zones: Vec<u16>,
    /// Addresses or networks of the sender in the original direction.
    pub original_src: Vec<Spanned<String>>,
    /// Addresses or networks of the receiver in the original direction.
    pub original_dst: Vec<Spanned<String>>,
    /// Addresses or networks of the sender in the reply direction, after NAT.
    pub reply_src: Vec<Spanned<String>>,
    /// Addresses or networks of the receiver in the reply direction, after NAT.
    pub reply_dst: Vec<Spanned<String>>,
    /// Addresses or networks that any of the four addresses may match.
    pub either: Vec<Spanned<String>>,
    /// Source ports of the original direction: 80, "80" or "8000-8100".
    pub src_ports: Vec<Spanned<Scalar>>,
    /// Destination ports of the original direction.
    pub dst_ports: Vec<Spanned<Scalar>>,
    /// Protocol states: the kernel's names (`ESTABLISHED`, together with `protocols`, which gives the name its meaning)
    /// or numbers.
    pub states: Vec<Spanned<Scalar>>,
    /// Mark: a number or "number/mask", in the syntax of `conntrack -m`.
    pub mark: Option<Spanned<Scalar>>,
    /// Status bits that must all hold: names (`ASSURED`), names of bits that must not be set (`!SEEN_REPLY`), or a
    /// "number/mask".
    pub status: Vec<Spanned<Scalar>>,
    /// Remaining seconds: "30", "0-30" or "600-".
    pub timeout_seconds: Option<Spanned<Scalar>>,
    /// Label bits 0 to 127 that must all be set.
    pub labels: Vec<Spanned<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WrittenFamily {
    Ipv4,
    Ipv6,
}

/// The filter of flows to protect. A filter without a condition is a mistake: it would protect every flow.
pub(super) fn protection(name: &str, place: &Range<usize>, written: &Protect, findings: &mut Findings<'_>) -> Filter {
    if is_empty(written) {
        findings.at(
            place,
            format_args!(
                "{name}: has no condition and would protect every flow; give one (either = [\"0.0.0.0/0\", \"::/0\"] \
                 if you mean every flow)"
            ),
        );
    }
    resolve(name, written, findings)
}

/// Returns the filter, and notes every mistake in it under `name`.
pub(super) fn resolve(name: &str, written: &Protect, findings: &mut Findings<'_>) -> Filter {
    let mut reader = FilterReader { name, findings };
    let protocols = reader.each("protocols", &written.protocols, protocol);
    Filter {
        family: written.family.map(|family| match family {
            WrittenFamily::Ipv4 => Family::Ipv4,
            WrittenFamily::Ipv6 => Family::Ipv6,
        }),
        zones: written.zones.iter().copied().map(Zone).collect(),
        original_src: reader.networks("original-src", &written.original_src),
        original_dst: reader.networks("original-dst", &written.original_dst),
        reply_src: reader.networks("reply-src", &written.reply_src),
        reply_dst: reader.networks("reply-dst", &written.reply_dst),
        either: reader.networks("either", &written.either),
        src_ports: reader.each("src-ports", &written.src_ports, ports).into(),
        dst_ports: reader.each("dst-ports", &written.dst_ports, ports).into(),
        states: reader.each("states", &written.states, |state| protocol_state(state, &protocols)).into(),
        mark: reader.one("mark", written.mark.as_ref(), masked),
        status: reader.status(&written.status),
        timeout: reader.one("timeout-seconds", written.timeout_seconds.as_ref(), seconds),
        labels: reader.labels("labels", &written.labels),
        rare: None,
        protocols: protocols.into(),
    }
}

/// Whether nothing but the comment was written.
fn is_empty(written: &Protect) -> bool {
    let Protect {
        comment: _,
        family,
        protocols,
        zones,
        original_src,
        original_dst,
        reply_src,
        reply_dst,
        either,
        src_ports,
        dst_ports,
        states,
        mark,
        status,
        timeout_seconds,
        labels,
    } = written;
    let networks = [original_src, original_dst, reply_src, reply_dst, either];
    let scalars = [protocols, src_ports, dst_ports, states, status];
    family.is_none()
        && mark.is_none()
        && timeout_seconds.is_none()
        && zones.is_empty()
        && labels.is_empty()
        && networks.into_iter().all(Vec::is_empty)
        && scalars.into_iter().all(Vec::is_empty)
}

struct FilterReader<'a, 'f> {
    name: &'a str,
    findings: &'a mut Findings<'f>,
}

impl FilterReader<'_, '_> {
    fn keep<T, E: Display>(&mut self, place: &Range<usize>, key: &str, value: Result<T, E>) -> Option<T> {
        self.findings.keep(place, &format!("{}: {key}", self.name), value)
    }

    fn each<T>(
        &mut self,
        key: &str,
        written: &[Spanned<Scalar>],
        read: impl Fn(&Scalar) -> Result<T, String>,
    ) -> Vec<T> {
        written.iter().filter_map(|value| self.keep(&value.span(), key, read(value.get_ref()))).collect()
    }

    fn one<T>(
        &mut self,
        key: &str,
        written: Option<&Spanned<Scalar>>,
        read: impl Fn(&Scalar) -> Result<T, String>,
    ) -> Option<T> {
        written.and_then(|value| self.keep(&value.span(), key, read(value.get_ref())))
    }

    fn networks(&mut self, key: &str, written: &[Spanned<String>]) -> PrefixSet {
        let networks = written.iter().filter_map(|text| {
            let network: Result<Prefix, _> = text.get_ref().parse();
            self.keep(&text.span(), key, network)
        });
        networks.collect()
    }

    fn labels(&mut self, key: &str, written: &[Spanned<u8>]) -> u128 {
        written.iter().filter_map(|bit| self.keep(&bit.span(), key, label_bit(*bit.get_ref()))).fold(0, |a, b| a | b)
    }

    /// Combines status conditions that must all hold into one value under one mask.
    fn status(&mut self, written: &[Spanned<Scalar>]) -> Option<Masked> {
        let mut whole: Option<Masked> = None;
        for part in written {
            let joined = status_bits(part.get_ref()).and_then(|bits| match whole {
                Some(so_far) if (so_far.value() ^ bits.value()) & so_far.mask() & bits.mask() != 0 => {
                    Err(format!("{} contradicts an earlier value of the list; remove one of them", part.get_ref()))
                }
                Some(so_far) => Ok(so_far.then(bits)),
                None => Ok(bits),
            });
            whole = self.keep(&part.span(), "status", joined).or(whole);
        }
        whole
    }
}

/// The mask of one label bit.
pub(super) fn label_bit(bit: u8) -> Result<u128, String> {
    1u128.checked_shl(bit.into()).ok_or_else(|| format!("{bit} is not a label bit; write a number from 0 to 127"))
}

fn protocol(value: &Scalar) -> Result<Protocol, String> {
    Protocol::parse(&value.to_string()).ok_or_else(|| {
        format!("\"{value}\" is not a protocol; write a name such as tcp, udp, icmpv6, or a number from 0 to 255")
    })
}

fn ports(value: &Scalar) -> Result<PortRange, String> {
    let wrong = || {
        format!(
            "\"{value}\" is not a port or a range; write 80 or \"8000-8100\", each from 0 to 65535, the lower first"
        )
    };
    value.to_string().parse().map_err(|_| wrong())
}

fn seconds(value: &Scalar) -> Result<SecondsRange, String> {
    let wrong =
        || format!("\"{value}\" is not a range of seconds; write \"30\", \"0-30\" or \"600-\", the lower first");
    let text = value.to_string();
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let last = if last.is_empty() { Some(u32::MAX) } else { digits(last) };
    let range = SecondsRange { first: digits(first).ok_or_else(wrong)?, last: last.ok_or_else(wrong)? };
    if range.first <= range.last { Ok(range) } else { Err(wrong()) }
}

/// Parses a decimal number without sign and spaces.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn masked(value: &Scalar) -> Result<Masked, String> {
    value.to_string().parse().map_err(|error: ctwarden_model::MaskedError| error.to_string())
}

fn status_bits(value: &Scalar) -> Result<Masked, String> {
    let text = value.to_string();
    let (name, wanted) = text.strip_prefix('!').map_or((text.as_str(), true), |name| (name, false));
    match Status::NAMES.into_iter().find(|(_, known)| name.eq_ignore_ascii_case(known)) {
        Some((Status(bit), _)) => Masked::new(if wanted { bit } else { 0 }, bit).map_err(|error| error.to_string()),
        None => text.parse().map_err(|error: ctwarden_model::MaskedError| match error {
            ctwarden_model::MaskedError::Outside { .. } => error.to_string(),
            ctwarden_model::MaskedError::Text(text) => {
                let names = Status::NAMES.map(|(_, name)| name).join(", ");
                format!(
                    "\"{text}\" is not a status; write number/mask or one of {names}, with ! in front if it must be off"
                )
            }
        }),
    }
}

/// A state's number. A name means a different number in each protocol (ESTABLISHED is 3 in TCP, 4 in SCTP).
fn protocol_state(value: &Scalar, protocols: &[Protocol]) -> Result<u8, String> {
    let name = match value {
        Scalar::Number(number) => {
            return u8::try_from(*number).map_err(|_| format!("{number} is not a state; write a number from 0 to 255"));
        }
        Scalar::Word(name) => name,
    };
    let mut numbers: Vec<u8> = protocols.iter().filter_map(|protocol| protocol.state_number(name)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [number] => Ok(*number),
        [] => Err(format!(
            "\"{name}\" is not a state of these protocols; add protocols = [\"tcp\"] (or sctp, dccp), or write the \
             number"
        )),
        [..] => Err(format!("\"{name}\" is a different number in each protocol; write one [[protect]] per protocol")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::one_filter;
    use super::super::problem::Problems;
    use ctwarden_model::TcpState;

    use super::*;

    fn read(text: &str) -> Result<Filter, Problems> {
        let mut findings = Findings::new(Path::new("c.toml"), text);
        let written: Protect = toml::from_str(text).unwrap();
        let filter = protection("protect[0]", &(0..1), &written, &mut findings);
        findings.into_result(Some(filter))
    }

    fn networks(texts: &[&str]) -> PrefixSet {
        texts.iter().map(|text| text.parse::<Prefix>().unwrap()).collect()
    }

    #[test]
    fn every_part_is_read() {
        let filter = read(
            r#"
            comment = "all of it"
            family = "ipv4"
            protocols = ["tcp", 132, "udp"]
            zones = [0, 7]
            original-src = ["192.0.2.0/28"]
            original-dst = ["198.51.100.1"]
            reply-src = ["10.0.0.0/8"]
            reply-dst = ["10.1.0.0/16"]
            either = ["2001:db8::/32", "192.0.2.0/24"]
            src-ports = [80, "8000-8100"]
            dst-ports = ["443"]
            states = ["TIME_WAIT", 3]
            mark = "0x1/0xf"
            status = ["assured", "!SEEN_REPLY", "0x10/0x10"]
            timeout-seconds = "0-30"
            labels = [0, 127]
            "#,
        )
        .unwrap();
        let expected = Filter {
            family: Some(Family::Ipv4),
            protocols: [Protocol::TCP, Protocol::SCTP, Protocol::UDP].into(),
            zones: [Zone(0), Zone(7)].into(),
            original_src: networks(&["192.0.2.0/28"]),
            original_dst: networks(&["198.51.100.1"]),
            reply_src: networks(&["10.0.0.0/8"]),
            reply_dst: networks(&["10.1.0.0/16"]),
            either: networks(&["2001:db8::/32", "192.0.2.0/24"]),
            src_ports: [PortRange { first: 80, last: 80 }, PortRange { first: 8000, last: 8100 }].into(),
            dst_ports: [PortRange { first: 443, last: 443 }].into(),
            states: [TcpState::TIME_WAIT.0, 3].into(),
            mark: Some(Masked::new(1, 15).unwrap()),
            status: Some(Masked::new(0x14, 0x16).unwrap()),
            timeout: Some(SecondsRange { first: 0, last: 30 }),
            labels: 1 | 1 << 127,
            rare: None,
        };
        assert_eq!(filter, expected);
        assert_eq!(
            read("timeout-seconds = \"600-\"").unwrap().timeout,
            Some(SecondsRange { first: 600, last: u32::MAX })
        );
        assert_eq!(read("mark = 7").unwrap().mark, Some(Masked::all(7)));
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_way_out() {
        let text = "protocols = [\"tcpx\", 256]\neither = [\"10.0.0.0/33\"]\nsrc-ports = [\"90-80\"]\n\
                    dst-ports = [70000]\nstates = [\"LISTENING\", 300]\nmark = \"0x100/0xff\"\n\
                    status = [\"ASURED\", \"ASSURED\", \"!ASSURED\"]\ntimeout-seconds = \"30-0\"\nlabels = [128]\n";
        let said = read(text).unwrap_err().to_string();
        let expected = [
            "c.toml:1: protect[0]: protocols: \"tcpx\" is not a protocol; write a name such as tcp",
            "c.toml:1: protect[0]: protocols: \"256\" is not a protocol; write",
            "c.toml:2: protect[0]: either: prefix length 33 is longer than the 32 bits of 10.0.0.0",
            "c.toml:3: protect[0]: src-ports: \"90-80\" is not a port or a range; write 80 or \"8000-8100\"",
            "c.toml:4: protect[0]: dst-ports: \"70000\" is not a port or a range; write",
            "c.toml:5: protect[0]: states: \"LISTENING\" is not a state of these protocols; add protocols = [\"tcp\"]",
            "c.toml:5: protect[0]: states: 300 is not a state; write a number from 0 to 255",
            "c.toml:6: protect[0]: mark: value 0x100 has bits outside its mask 0xff; widen the mask",
            "c.toml:7: protect[0]: status: \"ASURED\" is not a status; write number/mask or one of EXPECTED,",
            "c.toml:7: protect[0]: status: !ASSURED contradicts an earlier value of the list",
            "c.toml:8: protect[0]: timeout-seconds: \"30-0\" is not a range of seconds; write \"30\", \"0-30\"",
            "c.toml:9: protect[0]: labels: 128 is not a label bit; write a number from 0 to 127",
        ];
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{said}");
        for (line, begin) in lines.iter().zip(expected) {
            assert!(line.starts_with(begin), "{line}\nis not\n{begin}");
        }
    }

    #[test]
    fn a_state_that_differs_by_protocol_must_be_split() {
        let said = read("protocols = [\"tcp\", \"sctp\"]\nstates = [\"ESTABLISHED\"]\n").unwrap_err().to_string();
        assert!(
            said.contains("\"ESTABLISHED\" is a different number in each protocol; write one [[protect]] per"),
            "{said}"
        );
        assert_eq!(read("protocols = [\"sctp\"]\nstates = [\"ESTABLISHED\"]\n").unwrap().states, [4].into());
    }

    #[test]
    fn a_filter_by_itself_is_lines_or_one_line_and_may_be_empty() {
        let expected = read("zones = [7]\nsrc-ports = [53]\n").unwrap();
        for text in
            ["zones = [7], src-ports = [53]", " {zones = [7], src-ports = [53]}\n", "zones = [7]\nsrc-ports = [53]"]
        {
            assert_eq!(one_filter(text).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(one_filter(""), Ok(Filter::default()));
        for (text, begin) in [
            (
                "zone = [7]",
                "command line:1: zone: there is no key \"zone\"; did you mean zones? the keys are comment, family",
            ),
            ("zones = [7", "command line:1: not TOML: "),
            ("zones = [7]\nlabels = [128]", "command line:2: filter: labels: 128 is not a label bit"),
            (
                "zones = [7]\n[[protect]]\nzones = [8]",
                "command line:2: protect: there is no key \"protect\"; the keys are comment",
            ),
        ] {
            let said = one_filter(text).unwrap_err().to_string();
            assert!(said.starts_with(begin), "{said}");
        }
    }

    #[test]
    fn an_empty_protection_is_a_mistake() {
        let said = read("comment = \"nothing\"\n").unwrap_err().to_string();
        assert!(said.contains("protect[0]: has no condition and would protect every flow; give one"), "{said}");
    }
}
