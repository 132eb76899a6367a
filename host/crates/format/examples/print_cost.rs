//! Measures the cost of printing and reading a line of each form: `cargo run --release -p ctwarden-format --example
//! print_cost`.
//!
//! A table has a million entries. The kernel takes about three microseconds for each entry of a dump, and a writer must
//! take far less.

use std::hint::black_box;
use std::time::Instant;

use ctwarden_format::read::Legend;
use ctwarden_format::{EventContext, PrintOptions, json, proc, read, save, text, xml};
use ctwarden_model::{Flow, Timestamp};

/// Entries of a round, which takes a few milliseconds. The program prints the best round, so a busy machine does not
/// change the result.
const ENTRIES: u32 = 20_000;
const ROUNDS: u32 = 50;
/// Bytes that a writer collects before a write.
const BUFFER: usize = 64 * 1024;

const LINES: [&str; 4] = [
    "tcp      6 431999 ESTABLISHED src=192.168.100.101 dst=203.0.113.77 sport=49152 dport=443 packets=1234 bytes=567890 \
     src=203.0.113.77 dst=192.168.100.101 sport=443 dport=49152 packets=2345 bytes=6789012 [ASSURED] mark=17 use=1 id=3456789012",
    "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=53124 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 \
     dport=53124 mark=0 use=1 id=123456789",
    "tcp      6 86399 ESTABLISHED src=2001:db8:1:2::1001 dst=2001:db8:ffff::443 sport=50123 dport=443 \
     src=2001:db8:ffff::443 dst=2001:db8:1:2::1001 sport=443 dport=50123 [ASSURED] mark=0 use=1 id=987654321",
    "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77 mark=0 use=1",
];

fn main() -> Result<(), read::LineError> {
    let flows = LINES
        .iter()
        .map(|line| read::line(line, &Legend::PLAIN).map(|entry| entry.flow))
        .collect::<Result<Vec<_>, _>>()?;
    let options = PrintOptions::plain(Timestamp(0));
    let extended = PrintOptions { layer3: true, id: true, ..options };
    print("text", &flows, |out, flow| text::flow(out, flow, &EventContext::ROW, &options));
    print("text, extended and id", &flows, |out, flow| text::flow(out, flow, &EventContext::ROW, &extended));
    print("xml", &flows, |out, flow| xml::flow(out, flow, &EventContext::ROW, &options));
    print("save", &flows, |out, flow| save::flow(out, flow, &EventContext::ROW, None));
    print("json", &flows, |out, flow| json::flow(out, flow, &EventContext::ROW, None));
    print("proc", &flows, |out, flow| proc::flow(out, flow, Timestamp(0)));
    read("text", &lines(&flows, |out, flow| text::flow(out, flow, &EventContext::ROW, &extended)));
    read("proc", &lines(&flows, |out, flow| proc::flow(out, flow, Timestamp(0))));
    read("json", &lines(&flows, |out, flow| json::flow(out, flow, &EventContext::ROW, None)));
    Ok(())
}

fn print(form: &str, flows: &[Flow], write: impl Fn(&mut Vec<u8>, &Flow)) {
    let mut out = Vec::with_capacity(2 * BUFFER);
    report("print", form, || {
        let mut bytes = 0;
        for flow in flows.iter().cycle().take(ENTRIES as usize) {
            write(&mut out, black_box(flow));
            out.push(b'\n');
            if out.len() > BUFFER {
                bytes += black_box(&out).len();
                out.clear();
            }
        }
        bytes
    });
}

fn lines(flows: &[Flow], write: impl Fn(&mut Vec<u8>, &Flow)) -> Vec<String> {
    let line = |flow| {
        let mut out = Vec::new();
        write(&mut out, flow);
        String::from_utf8_lossy(&out).into_owned()
    };
    flows.iter().map(line).collect()
}

fn read(form: &str, lines: &[String]) {
    report("read", form, || {
        let entries = lines.iter().cycle().take(ENTRIES as usize);
        entries.filter_map(|line| black_box(read::line(black_box(line), &Legend::PLAIN)).ok().map(|_| line.len())).sum()
    });
}

fn report(verb: &str, form: &str, mut round: impl FnMut() -> usize) {
    let timed = |_| {
        let begin = Instant::now();
        let bytes = round();
        (begin.elapsed() / ENTRIES, bytes / ENTRIES as usize)
    };
    if let Some((each, bytes)) = (0..ROUNDS).map(timed).min() {
        println!("{verb:5} {form:22} {each:>8.1?} an entry, {bytes} bytes");
    }
}
