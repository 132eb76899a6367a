//! Measures a million flows in the replica: heap by a counting allocator, and time by operation.
//!
//! `cargo run --release -p ctwarden-replica --example memory [flows]`. The heap is the sum of requested bytes, without
//! the allocator's own overhead. Times are of single calls, including some 40 ns for reading the clock.
#![expect(unsafe_code, reason = "an allocator that counts can only be a global one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ctwarden_model::{
    Event, EventKind, Filter, Flow, FlowId, Layer4, PerDirection, PortRange, Prefix, PrefixSet, Protocol, Status,
    Steady, Tuple,
};
use ctwarden_replica::{Replica, Seed, Slice, SweepEnd};

/// The system's allocator, with the sum of the bytes that are allocated.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Steady = Steady(0);

/// Pseudo-random numbers, the same in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// The kind of flows to measure.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    ipv6: bool,
    /// Number of different client addresses.
    clients: u64,
    servers: u64,
    /// Whether the source is translated, so that the reply goes to another address.
    translated: bool,
}

impl Shape {
    fn address(self, number: u64, server: bool) -> IpAddr {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match self.ipv6 {
            false if server => Ipv4Addr::from_bits(0x0a00_0000 | number as u32).into(),
            false => Ipv4Addr::from_bits((spread >> 32) as u32).into(),
            true if server => Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(number)).into(),
            true => Ipv6Addr::from_bits(0x2001 << 112 | u128::from(spread) << 48 | u128::from(number)).into(),
        }
    }

    fn flow(self, numbers: &mut Numbers) -> Flow {
        let random = numbers.next();
        let original = Tuple {
            src: self.address(numbers.next() % self.clients, false),
            dst: self.address(numbers.next() % self.servers, true),
            protocol: Protocol::TCP,
            layer4: Layer4::Ports { src: random as u16, dst: 443 },
        };
        let mut reply = original.reversed();
        if self.translated {
            reply.dst = self.address(1_000_000 + random % 4, true);
        }
        let mut flow = Flow::new(PerDirection { original, reply });
        flow.id = Some(FlowId((random >> 32) as u32));
        flow.status = Some(Status::CONFIRMED | Status::ASSURED);
        flow
    }
}

/// Prints the smallest time, the median and the 99th percentile.
fn show(what: &str, mut times: Vec<u32>) {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() - 1) * part / 100).copied().unwrap_or_default();
    println!("  {what:<44} least {:>6} ns   median {:>6} ns   p99 {:>7} ns", at(0), at(50), at(99));
}

fn timed<T>(times: &mut Vec<u32>, call: impl FnOnce() -> T) -> T {
    let before = Instant::now();
    let value = black_box(call());
    times.push(before.elapsed().as_nanos() as u32);
    value
}

/// Processor time of this thread in nanoseconds. Time of other threads and processes does not count.
fn of_this_thread() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn took(what: &str, call: impl FnOnce() -> usize) {
    let before = Instant::now();
    let count = call();
    let took: Duration = before.elapsed();
    println!("  {what:<44} {count} flows in {took:?}");
}

fn main() {
    let flows: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let plain = Shape { name: "", ipv6: false, clients: 100_000, servers: 50, translated: false };
    for shape in [
        Shape { name: "IPv4, 100,000 clients, 50 servers", ..plain },
        Shape { name: "IPv4, every client and server another", clients: u64::MAX, servers: 1 << 24, ..plain },
        Shape { name: "IPv4, source translated", translated: true, ..plain },
        Shape { name: "IPv6, 100,000 clients, 50 servers", ipv6: true, ..plain },
        Shape {
            name: "IPv6, every client and server another",
            ipv6: true,
            clients: u64::MAX,
            servers: 1 << 24,
            ..plain
        },
        Shape { name: "IPv6, source translated", ipv6: true, translated: true, ..plain },
    ] {
        measure(shape, flows);
    }
}

fn measure(shape: Shape, flows: usize) {
    println!("{} ({flows} flows)", shape.name);
    let before = HELD.load(Ordering::Relaxed);
    let mut replica = Replica::new(Seed([0x0123_4567, 0x89ab_cdef]), usize::MAX / 2);
    let mut worst = 0;
    let mut peak = 0.0_f64;
    // This loop keeps no list of times, so that the measured heap is that of the replica alone.
    for (number, flow) in list(shape).take(flows).enumerate() {
        let event = Event { kind: EventKind::New, by_us: false, flow };
        let start = of_this_thread();
        replica.handle_event(&event, NOW);
        worst = worst.max(of_this_thread() - start);
        if number > flows / 2 {
            peak = peak.max((HELD.load(Ordering::Relaxed) - before) as f64 / (number + 1) as f64);
        }
    }
    let held = HELD.load(Ordering::Relaxed) - before;
    let of = |bytes: usize| bytes as f64 / replica.len() as f64;
    println!(
        "  heap: {:.1} bytes a flow (most on the way from half: {peak:.1}); bytes() says {:.1}; slowest insertion {worst} ns",
        of(held),
        of(replica.bytes())
    );

    // Times at this size: for each flow that ends, a new one begins.
    let mut numbers = Numbers(1);
    let (mut inserts, mut removes, mut finds, mut updates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for flow in list(shape).take(100_000.min(flows)) {
        let key = flow.key();
        timed(&mut finds, || replica.get(&key));
        let event = Event { kind: EventKind::Update, by_us: false, flow };
        timed(&mut updates, || replica.handle_event(&event, NOW));
        let event = Event { kind: EventKind::Destroy, ..event };
        timed(&mut removes, || replica.handle_event(&event, NOW));
        let mut flow = shape.flow(&mut numbers);
        flow.zone = ctwarden_model::Zone(1);
        let event = Event { kind: EventKind::New, by_us: false, flow };
        timed(&mut inserts, || replica.handle_event(&event, NOW));
    }
    show("NEW", inserts);
    show("UPDATE", updates);
    show("DESTROY", removes);
    show("get", finds);
    questions(shape, &replica);

    // A sweep that confirms half of the flows and so proves the other half absent.
    let token = replica.begin_sweep(Slice::ALL);
    let mut rows = Vec::new();
    for flow in list(shape).skip(flows / 2).take(flows / 2) {
        timed(&mut rows, || replica.handle_row(token, &flow, NOW));
    }
    show("row of a sweep", rows);
    replica.end_sweep(token, SweepEnd::Complete, NOW);
    let mut steps = Vec::new();
    while !timed(&mut steps, || replica.remove_absent(1_000)) {}
    show("remove_absent(1000) after it", steps);
    println!("  left: {} flows, {:.1} bytes each\n", replica.len(), replica.bytes() as f64 / replica.len() as f64);
}

fn list(shape: Shape) -> impl Iterator<Item = Flow> {
    let mut numbers = Numbers(42);
    std::iter::repeat_with(move || shape.flow(&mut numbers))
}

fn questions(shape: Shape, replica: &Replica) {
    let of = |prefix: Prefix| Filter { either: PrefixSet::from_iter([prefix]), ..Filter::default() };
    let (mut one, mut count) = (Vec::new(), 0);
    for flow in list(shape).skip(200_000).take(10_000) {
        let filter = of(Prefix::host(flow.tuples.original.src));
        count += timed(&mut one, || replica.select(&filter).count());
    }
    show(&format!("all of one address ({:.1} flows on average)", count as f64 / one.len() as f64), one);
    let mut networks = Vec::new();
    for flow in list(shape).skip(200_000).take(1_000) {
        let length = if shape.ipv6 { 36 } else { 24 };
        let filter =
            of(Prefix::new(flow.tuples.original.src, length).unwrap_or(Prefix::host(flow.tuples.original.src)));
        timed(&mut networks, || replica.select(&filter).count());
    }
    show(if shape.ipv6 { "all of one /36" } else { "all of one /24" }, networks);
    let bans: PrefixSet =
        list(shape).step_by(7).take(100_000).map(|flow| Prefix::host(flow.tuples.original.src)).collect();
    let filter = Filter { either: bans, ..Filter::default() };
    took("100,000 banned addresses, all of them there", || replica.select(&filter).count());
    let mut others = Numbers(99);
    let stranger = Shape { clients: u64::MAX, ..shape };
    let bans: PrefixSet = (0..100_000).map(|_| Prefix::host(stranger.address(others.next(), false))).collect();
    let filter = Filter { original_src: bans, ..Filter::default() };
    took("100,000 banned addresses, hardly one there", || replica.select(&filter).count());
    let filter = Filter { src_ports: [PortRange { first: 5, last: 5 }].into(), ..Filter::default() };
    took("all of one port (no index)", || replica.select(&filter).count());
}
