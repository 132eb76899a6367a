//! A printed entry is read as the same entry, as far as the form carries it. No line makes a reader panic.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[allow(dead_code, reason = "shared with another test")]
mod flows;

use ctwarden_format::read::Legend;
use ctwarden_format::{CivilTime, EventContext, PrintOptions, Userspace, json, proc, read, text};
use ctwarden_model::{EventKind, Flow, Protocol, Rare, Status, Timestamp};
use proptest::option::of;
use proptest::prelude::*;

use flows::{every_label, full_expectation, full_flow, kind, printed, text_expectation, text_flow};

/// The part of an entry that `/proc` shows.
fn proc_flow(mut flow: Flow) -> Flow {
    flow.id = None;
    flow.labels = None;
    if flow.status.unwrap().contains(Status::OFFLOAD) {
        flow.timeout = None;
        if flow.protocol() == Protocol::TCP {
            flow.info = None;
        }
    }
    flow.rare = flow.rare.and_then(|mut rare| {
        rare.helper = None;
        rare.secmark = None;
        (*rare != Rare::default()).then_some(rare)
    });
    flow
}

fn json_line(flow: &Flow) -> String {
    printed(|out| json::flow(out, flow, &EventContext::ROW, None))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn json_carries_everything(flow in full_flow(), kind in kind(), portid: Option<u32>, program: Option<String>) {
        let userspace = portid.map(|portid| Userspace { portid, program: program.as_deref() });
        let context = EventContext { kind, userspace };
        let line = printed(|out| json::flow(out, &flow, &context, Some(&every_label())));
        let entry = read::line(&line, &Legend::PLAIN);
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        let entry = entry.unwrap();
        prop_assert_eq!(entry.event_context(), context);
        prop_assert_eq!(entry.flow, flow, "{}", line);
    }

    #[test]
    fn text_carries_what_it_shows(
        flow in text_flow(), kind in kind(), now: u64, shown: [bool; 2],
        portid: Option<u32>, program in of("[!-~]([ -~]{0,13}[!-~])?"),
    ) {
        let map = every_label();
        let options = PrintOptions {
            layer3: shown[0], id: true, timestamp: shown[1], labels: Some(&map), ..PrintOptions::plain(Timestamp(now))
        };
        let userspace = portid.map(|portid| Userspace { portid, program: program.as_deref() });
        let context = EventContext { kind, userspace };
        let line = printed(|out| text::flow(out, &flow, &context, &options));
        let entry = read::line(&line, &Legend { labels: Some(&map), ..Legend::PLAIN });
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        let entry = entry.unwrap();
        let told = shown[1] && kind != EventKind::Row;
        prop_assert_eq!(entry.time, told.then_some(Timestamp(now / 1_000 * 1_000)));
        prop_assert_eq!(entry.event_context(), context);
        prop_assert_eq!(entry.flow, flow, "{}", line);
    }

    #[test]
    fn proc_carries_what_it_shows(flow in text_flow()) {
        let line = printed(|out| proc::flow(out, &flow, Timestamp(0)));
        let entry = read::line(&line, &Legend::PLAIN);
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        prop_assert_eq!(entry.unwrap().flow, proc_flow(flow), "{}", line);
    }

    #[test]
    fn of_the_times_of_a_flow_whole_seconds_are_read(
        flow in text_flow(), started: u64, stopped: Option<u64>, now: u64, east in -50_000..50_000_i64,
    ) {
        let mut timed = flow;
        timed.started = Some(Timestamp(started));
        timed.stopped = stopped.map(Timestamp);
        let map = every_label();
        let local_time = |seconds: i64| CivilTime::utc(seconds + east);
        let unix_seconds = |time: &CivilTime| Some(time.utc_seconds()? - east);
        let plain = PrintOptions::plain(Timestamp(now));
        let options = PrintOptions { id: true, kernel_timestamps: true, labels: Some(&map), local_time: &local_time, ..plain };
        let line = printed(|out| text::flow(out, &timed, &EventContext::ROW, &options));
        let entry = read::line(&line, &Legend { labels: Some(&map), unix_seconds: &unix_seconds });
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        let entry = entry.unwrap();
        let whole = |time: u64| Timestamp(time / 1_000_000_000 * 1_000_000_000);
        let end = stopped.filter(|stopped| *stopped != 0).unwrap_or(now);
        prop_assert_eq!(entry.lasted, Some((end / 1_000_000_000).wrapping_sub(started / 1_000_000_000)));
        timed.started = Some(whole(started));
        timed.stopped = stopped.map(whole);
        prop_assert_eq!(entry.flow, timed, "{}", line);
    }

    #[test]
    fn json_carries_an_expectation(
        expectation in full_expectation(), kind in kind(), portid: Option<u32>, program: Option<String>,
    ) {
        let userspace = portid.map(|portid| Userspace { portid, program: program.as_deref() });
        let context = EventContext { kind, userspace };
        let line = printed(|out| json::expectation(out, &expectation, &context));
        let entry = read::expectation(&line);
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        let entry = entry.unwrap();
        prop_assert_eq!(entry.event_context(), context);
        prop_assert_eq!(entry.expectation, expectation, "{}", line);
    }

    #[test]
    fn text_carries_what_it_shows_of_an_expectation(
        expectation in text_expectation(), kind in kind(), now: u64, timestamp: bool,
    ) {
        let options = PrintOptions { timestamp, ..PrintOptions::plain(Timestamp(now)) };
        let line = printed(|out| text::expectation(out, &expectation, &EventContext::of(kind), &options));
        let entry = read::expectation(&line);
        prop_assert!(entry.is_ok(), "{entry:?}: {line}");
        let entry = entry.unwrap();
        prop_assert_eq!(entry.time, timestamp.then_some(Timestamp(now / 1_000 * 1_000)));
        prop_assert_eq!(entry.kind, kind);
        prop_assert_eq!(entry.expectation, expectation, "{}", line);
    }

    #[test]
    fn a_cut_object_is_an_error(flow in full_flow(), cut: prop::sample::Index) {
        let line = json_line(&flow);
        let end = cut.index(line.len());
        if let Some(line) = line.get(..end).filter(|line| !line.is_empty()) {
            prop_assert!(read::line(line, &Legend::PLAIN).is_err(), "{}", line);
        }
    }

    #[test]
    fn a_text_that_is_cut_in_its_tuples_is_an_error(flow in text_flow(), cut: prop::sample::Index) {
        let line = printed(|out| text::flow(out, &flow, &EventContext::ROW, &PrintOptions::plain(Timestamp(0))));
        let tuples = line.rfind("src=").unwrap();
        let line = &line[..cut.index(tuples + 4)];
        prop_assert!(read::line(line, &Legend::PLAIN).is_err(), "{}", line);
    }

    #[test]
    fn any_line_is_survived(line: String) {
        for line in [&line, &format!("{{{line}"), &format!("{{\"original\":{{{line}"), &format!("udp 17 30 {line}")] {
            let _ = read::line(line, &Legend::PLAIN);
            let _ = read::expectation(line);
        }
    }

    #[test]
    fn a_line_with_an_odd_part_is_survived(
        flow in full_flow(), json: bool, at: prop::sample::Index, odd in "[\\[\\]{}\",:=0-9a-z \\\\-]{0,6}|\\PC{1,4}", length in 0..12_usize,
    ) {
        let line = match json {
            true => json_line(&flow),
            false => printed(|out| text::flow(out, &flow, &EventContext::of(EventKind::New), &PrintOptions::plain(Timestamp(0)))),
        };
        let places: Vec<usize> = line.char_indices().map(|(place, _)| place).collect();
        let begin = at.index(places.len());
        let (from, to) = (places[begin], places.get(begin + length).copied().unwrap_or(line.len()));
        let line = format!("{}{odd}{}", &line[..from], &line[to..]);
        if let Err(error) = read::line(&line, &Legend { labels: Some(&every_label()), ..Legend::PLAIN }) {
            prop_assert!(error.column >= 1 && error.column <= line.chars().count() + 1, "{}: {}", error, line);
        }
    }
}
