//! Measures how long a database takes to read, and the memory of its networks: `cargo run --release -p ctwarden-feeds
//! --example database_cost`.
//!
//! The databases are as large as those that are published: a million networks of countries, 700,000 of autonomous systems,
//! five million of cities.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ctwarden_feeds::{FieldPath, ListError, Reading, parse};
use ctwarden_mmdb_writer::{Value, Writer, map, text};

/// Addresses that are looked up.
const LOOKUPS: u32 = 1_000_000;

fn main() -> Result<(), ListError> {
    let countries = of_networks("GeoLite2-Country", 500_000, 500_000, 250, country);
    measure("countries", &countries, &Reading::default())?;
    measure("two countries", &countries, &Reading::default().only(vec!["C7".to_owned(), "C8".to_owned()]))?;
    drop(countries);
    let systems = of_networks("GeoLite2-ASN", 560_000, 140_000, 80_000, |n| {
        let name = text(&format!("Organisation number {n}"));
        map([("autonomous_system_number", Value::U32(n)), ("autonomous_system_organization", name)])
    });
    measure("autonomous systems", &systems, &Reading::default())?;
    drop(systems);
    let cities = of_networks("GeoLite2-City", 4_000_000, 1_000_000, 100_000, |n| {
        let city = map([("names", map([("en", text(&format!("City {n}")))]))]);
        map([("city", city), ("location", map([("latitude", Value::Double(n.into()))])), ("of", country(n % 250))])
    });
    for field in ["of.country.iso_code", "city.names.en"] {
        if let Some(field) = FieldPath::dotted(field) {
            measure(&format!("cities, {field}"), &cities, &Reading::default().field(field))?;
        }
    }
    Ok(())
}

fn country(n: u32) -> Value {
    let names = map([("en", text(&format!("Country {n}"))), ("de", text(&format!("Land {n}")))]);
    map([("country", map([("geoname_id", Value::U32(n)), ("iso_code", text(&format!("C{n}"))), ("names", names)]))])
}

/// A database with networks of /24 and /48, whose records follow no pattern. Few of them can be joined, so it is a bad case.
fn of_networks(kind: &str, ipv4: u32, ipv6: u32, records: u32, record: impl Fn(u32) -> Value) -> Vec<u8> {
    let records: Vec<Value> = (0..records).map(record).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut writer = Writer::new(kind, true, 28);
    let mut insert = |address: IpAddr, length| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random).unwrap_or_default() % records.len().max(1);
        if let Some(value) = records.get(at) {
            writer.insert_bits(address, length, value);
        }
    };
    (0..ipv4).for_each(|n| insert(Ipv4Addr::from_bits((1 << 24) + (n << 8)).into(), 24));
    (0..ipv6).for_each(|n| insert(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 80).into(), 48));
    writer.finish()
}

fn measure(name: &str, bytes: &[u8], reading: &Reading) -> Result<(), ListError> {
    let before = resident();
    let begin = Instant::now();
    let list = parse(bytes, reading)?;
    let took = begin.elapsed().as_millis();
    let memory = resident().saturating_sub(before) >> 10;
    let begin = Instant::now();
    for n in 0..LOOKUPS {
        let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761) >> 2);
        black_box(list.networks().longest(address.into()));
    }
    let lookup = begin.elapsed() / LOOKUPS;
    let (networks, entries, size) = (list.networks().len(), list.counts().entries, bytes.len() >> 20);
    println!("{name}: {entries} networks in a file of {size} MiB, read in {took} ms");
    println!("    {networks} networks in {memory} MiB, a lookup takes {lookup:?}");
    Ok(())
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
