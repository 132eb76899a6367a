//! `match`: the words of `[[protect]]`, and sets.

use ctwarden_net::{Masked, PortRange, Prefix, PrefixSet, Protocol};
use serde_json::{Map, Value};

use crate::field::{Address, Field};
use crate::lookups::Lookups;
use crate::predicate::Predicate;
use crate::problem::Step;
use crate::reader::{Reader, scalar, shown};
use crate::states;

const KEYS: [&str; 16] = [
    "family",
    "protocols",
    "zones",
    "original-src",
    "original-dst",
    "reply-src",
    "reply-dst",
    "either",
    "src-ports",
    "dst-ports",
    "states",
    "mark",
    "status",
    "timeout-seconds",
    "labels",
    "sets",
];

/// Names of the status bits, lowest first: the kernel's names without `IPS_`.
const STATUS: [&str; 16] = [
    "EXPECTED",
    "SEEN_REPLY",
    "ASSURED",
    "CONFIRMED",
    "SRC_NAT",
    "DST_NAT",
    "SEQ_ADJUST",
    "SRC_NAT_DONE",
    "DST_NAT_DONE",
    "DYING",
    "FIXED_TIMEOUT",
    "TEMPLATE",
    "NAT_CLASH",
    "HELPER",
    "OFFLOAD",
    "HW_OFFLOAD",
];

/// A `match` as conditions, each with its key.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    pub(crate) parts: Vec<(&'static str, Predicate)>,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) either: PrefixSet,
    pub(crate) labels: u128,
    pub(crate) sets: Vec<String>,
}

impl Matching {
    fn add(&mut self, key: &'static str, predicate: Option<Predicate>) {
        self.parts.extend(predicate.map(|predicate| (key, predicate)));
    }
}

/// Reads a `match`.
pub(crate) fn read(reader: &mut Reader, value: &Value, lookups: &mut Lookups) -> Option<Matching> {
    let table = reader.table(value)?;
    reader.only(table, &KEYS);
    if table.is_empty() {
        reader.note("the table is empty; write a condition, or remove match if every flow is meant");
    }
    let mut matching = Matching::default();
    let family = reader.key(table, "family", family);
    matching.add("family", family);
    if let Some(protocols) = reader.key(table, "protocols", |reader, value| reader.list(value, protocol)) {
        let numbers = protocols.iter().map(|protocol| (protocol.0.into(), protocol.0.into()));
        matching.add("protocols", Some(Predicate::among(Field::Protocol, numbers)));
        matching.protocols = protocols;
    }
    let zones = reader.key(table, "zones", |reader, value| {
        reader.list(value, |reader, zone| reader.number(zone, 0, u16::MAX.into()))
    });
    matching.add("zones", zones.map(|zones| among(Field::Zone, zones)));
    for (key, address) in [
        ("original-src", Address::OriginalSrc),
        ("original-dst", Address::OriginalDst),
        ("reply-src", Address::ReplySrc),
        ("reply-dst", Address::ReplyDst),
    ] {
        let networks = networks(reader, table, key);
        matching.add(key, networks.map(|networks| Predicate::in_networks(address, networks)));
    }
    if let Some(networks) = networks(reader, table, "either") {
        let each = Address::ALL.map(|address| Predicate::in_networks(address, networks.iter().copied()));
        matching.add("either", Some(Predicate::any(each.into())));
        matching.either = networks.into_iter().collect();
    }
    for (key, field) in [("src-ports", Field::OriginalSrcPort), ("dst-ports", Field::OriginalDstPort)] {
        let ranges = reader.key(table, key, |reader, value| reader.list(value, ports));
        let ranges = ranges.map(|ranges| ranges.into_iter().map(|range| (range.first.into(), range.last.into())));
        // Also all ports together are a condition: only flows with ports fulfil it.
        matching.add(
            key,
            ranges.map(|ranges| match crate::ranges::within(ranges, field.bounds()).as_slice() {
                [(first, last)] => Predicate::Within(field, *first, *last),
                several => Predicate::Among(field, several.into()),
            }),
        );
    }
    let protocols = matching.protocols.clone();
    let states = reader.key(table, "states", |reader, value| {
        reader.list(value, |reader, state| self::state(reader, state, &protocols))
    });
    matching.add("states", states.map(|states| among(Field::State, states)));
    let mark = reader.key(table, "mark", masked);
    matching.add("mark", mark.map(|mark| bits(Field::Mark, mark)));
    let status = reader.key(table, "status", status);
    matching.add("status", status.map(|status| bits(Field::Status, status)));
    let timeout = reader.key(table, "timeout-seconds", seconds);
    matching.add("timeout-seconds", timeout);
    let labels = reader.key(table, "labels", label_bits);
    matching.add("labels", labels.map(Predicate::Labels));
    matching.labels = labels.unwrap_or(0);
    if let Some(sets) =
        reader.key(table, "sets", |reader, value| reader.list(value, |reader, set| reader.text(set).map(str::to_owned)))
    {
        let each = sets.iter().flat_map(|set| Address::ALL.map(|address| (set, address)));
        let each = each.map(|(set, address)| Predicate::Listed(lookups.add(set.clone(), address))).collect();
        matching.add("sets", Some(Predicate::any(each)));
        matching.sets = sets;
    }
    Some(matching)
}

/// Reads a list of label bits.
pub(crate) fn label_bits(reader: &mut Reader, value: &Value) -> Option<u128> {
    let numbers = reader.list(value, |reader, bit| reader.number(bit, 0, 127))?;
    let bits = numbers.into_iter().filter_map(|bit| 1_u128.checked_shl(u32::try_from(bit).ok()?));
    Some(bits.fold(0, |all, bit| all | bit))
}

/// Reads a value under a mask.
pub(crate) fn masked(reader: &mut Reader, value: &Value) -> Option<Masked> {
    let Some(text) = scalar(value) else {
        reader.note(format!("{} is not a number or number/mask; write for example \"0x10/0xff\"", shown(value)));
        return None;
    };
    reader.keep(text.parse::<Masked>())
}

/// Returns the condition that bits have a value. A whole field is a number like any other.
fn bits(field: Field, masked: Masked) -> Predicate {
    Predicate::Bits { field, mask: masked.mask().into(), value: masked.value().into() }
}

fn among(field: Field, numbers: Vec<u64>) -> Predicate {
    let numbers = numbers.into_iter().filter_map(|number| i64::try_from(number).ok());
    Predicate::among(field, numbers.map(|number| (number, number)))
}

fn family(reader: &mut Reader, value: &Value) -> Option<Predicate> {
    match value.as_str() {
        Some("ipv4") => Some(Predicate::Within(Field::Family, 4, 4)),
        Some("ipv6") => Some(Predicate::Within(Field::Family, 6, 6)),
        Some(_) | None => {
            reader.note(format!("{} is not a family; write \"ipv4\" or \"ipv6\"", shown(value)));
            None
        }
    }
}

fn protocol(reader: &mut Reader, value: &Value) -> Option<Protocol> {
    let protocol = scalar(value).and_then(|text| Protocol::parse(&text));
    if protocol.is_none() {
        reader.note(format!(
            "{} is not a protocol; write a name such as \"tcp\", \"udp\", \"icmpv6\", or a number from 0 to 255",
            shown(value)
        ));
    }
    protocol
}

fn ports(reader: &mut Reader, value: &Value) -> Option<PortRange> {
    let ports = scalar(value).and_then(|text| text.parse().ok());
    if ports.is_none() {
        reader.note(format!(
            "{} is not a port or a range; write 80 or \"8000-8100\", each from 0 to 65535, the lower first",
            shown(value)
        ));
    }
    ports
}

fn networks(reader: &mut Reader, table: &Map<String, Value>, key: &'static str) -> Option<Vec<Prefix>> {
    reader.key(table, key, |reader, value| {
        reader.list(value, |reader, network| {
            let text = reader.text(network)?;
            reader.keep(text.parse::<Prefix>())
        })
    })
}

fn state(reader: &mut Reader, value: &Value, protocols: &[Protocol]) -> Option<u64> {
    match value {
        Value::String(name) => reader.keep(states::number(name, protocols)).map(u64::from),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            reader.number(value, 0, u8::MAX.into())
        }
    }
}

fn status(reader: &mut Reader, value: &Value) -> Option<Masked> {
    let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut whole: Option<Masked> = None;
    for (index, item) in items.iter().enumerate() {
        let read = reader.at(Step::Index(index), |reader| {
            let bits = status_bits(reader, item)?;
            if let Some(so_far) = whole
                && (so_far.value() ^ bits.value()) & so_far.mask() & bits.mask() != 0
            {
                reader.note(format!("{} contradicts an earlier value of the list; remove one of them", shown(item)));
                return None;
            }
            Some(bits)
        })?;
        whole = Some(whole.map_or(read, |so_far| so_far.then(read)));
    }
    if whole.is_none() {
        reader.note("the list is empty; write a value, or remove the key");
    }
    whole
}

fn status_bits(reader: &mut Reader, value: &Value) -> Option<Masked> {
    let text = scalar(value).unwrap_or_default();
    let (name, wanted) = text.strip_prefix('!').map_or((text.as_str(), true), |name| (name, false));
    let place = STATUS.iter().position(|known| known.eq_ignore_ascii_case(name));
    match place.and_then(|place| 1_u32.checked_shl(u32::try_from(place).ok()?)) {
        Some(bit) => reader.keep(Masked::new(if wanted { bit } else { 0 }, bit)),
        None => {
            let parsed = text.parse::<Masked>().ok();
            if parsed.is_none() {
                let names = STATUS.join(", ");
                reader.note(format!(
                    "{} is not a status; write number/mask or one of {names}, with ! in front if it must be off",
                    shown(value)
                ));
            }
            parsed
        }
    }
}

fn seconds(reader: &mut Reader, value: &Value) -> Option<Predicate> {
    let range = || {
        let text = scalar(value)?;
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let first: u32 = first.parse().ok()?;
        let last: u32 = if last.is_empty() { u32::MAX } else { last.parse().ok()? };
        (first <= last).then_some((i64::from(first), i64::from(last)))
    };
    let Some((first, last)) = range() else {
        reader.note(format!(
            "{} is not a range of seconds; write \"30\", \"0-30\" or \"600-\", the lower first",
            shown(value)
        ));
        return None;
    };
    const SECOND: i64 = 1_000_000_000;
    Some(Predicate::Within(Field::Timeout, first.saturating_mul(SECOND), last.saturating_mul(SECOND)))
}
