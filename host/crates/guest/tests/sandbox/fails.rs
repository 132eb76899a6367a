//! Faults of plugins. Each becomes a value and has no other effect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ctwarden_guest::{ConfigureError, Instance, LOG_LINE_BYTES, Limits, LogStream};
use ctwarden_model::{Fault, Timestamp};

use crate::setup::{NOW, PROVOCATION, configured, flows, limits, start};

/// The guest works, is provoked, and fails for good. Another instance of the same component then works.
fn provoked(guest: &str, limits: Limits) -> Fault {
    let (mut instance, _) = configured(guest, "{}", limits);
    assert_eq!(instance.judge(&flows([80, 443])).unwrap().len(), 2, "{guest}");
    let fault = instance.judge(&flows([80, PROVOCATION])).unwrap_err();
    ended(&mut instance, &fault);
    let (mut next, _) = configured(guest, "{}", limits);
    assert_eq!(next.judge(&flows([80])).unwrap().len(), 1, "{guest}");
    assert_eq!(next.message(Timestamp(1), "hello").unwrap().unwrap().text, "hello");
    // A message provokes the same kind of fault.
    assert_eq!(next.message(Timestamp(1), "provoke").unwrap_err().name(), fault.name());
    fault
}

/// Checks that every later call of a failed instance returns the fault without calling the plugin.
fn ended(instance: &mut Instance, fault: &Fault) {
    assert_eq!(instance.judge(&flows([80])).unwrap_err(), *fault);
    assert_eq!(instance.tick(Timestamp(1)).unwrap_err(), *fault);
    assert_eq!(instance.fault(), Some(fault));
}

#[test]
pub(crate) fn a_trap_is_a_value() {
    let Fault::Trap(text) = provoked("guest-trap", limits()) else { panic!("no trap") };
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
pub(crate) fn a_panic_says_what_and_where() {
    let Fault::Panic(text) = provoked("guest-panic", limits()) else { panic!("no panic") };
    assert!(text.starts_with("no flow like this was ever planned for ("), "{text}");
    assert!(text.contains("panic/src/lib.rs:"), "{text}");
}

#[test]
pub(crate) fn an_endless_loop_is_ended() {
    let limits = Limits { call_cpu: Duration::from_millis(50), ..limits() };
    let begun = Instant::now();
    assert_eq!(provoked("guest-spin", limits), Fault::OutOfTime { limit: Duration::from_millis(50) });
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
pub(crate) fn a_sleep_without_end_is_ended() {
    let limits = Limits { call_wall: Duration::from_millis(300), ..limits() };
    assert_eq!(provoked("guest-sleeper", limits), Fault::Stuck { limit: Duration::from_millis(300) });
}

#[test]
fn a_short_sleep_is_no_fault() {
    let limits = Limits { call_cpu: Duration::from_millis(20), ..limits() };
    let (mut instance, _) = start("guest-sleeper", limits);
    let begun = Instant::now();
    instance.configure(NOW, "80").unwrap();
    let slept = begun.elapsed();
    assert!(slept >= Duration::from_millis(80) && slept < Duration::from_secs(10), "{slept:?}");
    instance.judge(&flows([80])).unwrap();
}

#[test]
pub(crate) fn memory_is_limited() {
    let limits = Limits { memory_bytes: 8 << 20, ..limits() };
    assert_eq!(provoked("guest-hungry", limits), Fault::OutOfMemory { limit: 8 << 20 });
}

#[test]
fn too_little_memory_to_start_is_said() {
    let limits = Limits { memory_bytes: 64 << 10, ..limits() };
    let (host, _) = crate::host::Recorder::new();
    let name = ctwarden_model::PluginName::new("small").unwrap();
    let fault = crate::setup::load("guest-good").instantiate(name, limits, Box::new(host)).err().unwrap();
    assert_eq!(fault, Fault::OutOfMemory { limit: 64 << 10 });
}

#[test]
pub(crate) fn an_answer_is_measured_before_it_is_taken() {
    // With the default limits, a million verdicts do not even fit into the plugin's own memory.
    assert_eq!(provoked("guest-storm", limits()).name(), "out-of-memory");
    // With enough memory, the verdicts exceed what the host accepts.
    let wide = Limits { memory_bytes: 1 << 30, call_cpu: Duration::from_secs(20), ..limits() };
    let fault = provoked("guest-storm", wide);
    let Fault::TooMuch { what: "bytes or more", returned, limit } = fault else { panic!("{fault:?}") };
    assert!(returned > limit && limit < 16 << 20, "{returned} {limit}");
    // A few verdicts too many are counted.
    let (mut instance, _) = configured("guest-storm", "10001", limits());
    let fault = instance.judge(&flows([PROVOCATION])).unwrap_err();
    assert_eq!(fault, Fault::TooMuch { what: "verdicts", returned: 10_001, limit: 10_000 });
    // Exactly as many verdicts as allowed are accepted.
    let (mut instance, _) = configured("guest-storm", "10000", limits());
    assert_eq!(instance.judge(&flows([PROVOCATION])).unwrap().len(), 10_000);
    // Bytes of text are limited as well.
    let brief = Limits { output_bytes_per_call: 1000, ..limits() };
    let (mut instance, _) = configured("guest-storm", "251", brief);
    let fault = instance.judge(&flows([PROVOCATION])).unwrap_err();
    assert_eq!(fault, Fault::TooMuch { what: "bytes of text and lists", returned: 1004, limit: 1000 });
}

#[test]
pub(crate) fn a_log_is_bounded() {
    let limits = limits();
    let (mut instance, recorded) = start("guest-chatty", limits);
    instance.configure(NOW, "1000").unwrap();
    let lines = recorded.lines();
    assert_eq!(lines.len(), limits.log_lines_per_call + 1);
    assert_eq!(lines[..2], ["line 0", "line 1"]);
    // 1000 lines, a line in red and 5000 bytes in pieces, minus the logged lines.
    let pieces = 5000_usize.div_ceil(LOG_LINE_BYTES);
    let left_out = 1000 + 1 + pieces - limits.log_lines_per_call;
    assert_eq!(*lines.last().unwrap(), format!("({left_out} more lines in one call were left out)"));
    // The next call may write again.
    instance.message(Timestamp(1), "hello").unwrap().unwrap();

    let (mut instance, recorded) = start("guest-chatty", limits);
    instance.configure(NOW, "0").unwrap();
    let lines = recorded.with(|seen| std::mem::take(&mut seen.lines));
    // No line moves the cursor of a terminal, and none is longer than allowed.
    assert_eq!(lines[0], (LogStream::Error, "\u{fffd}[2Jred\u{fffd}".to_owned()));
    assert_eq!(lines.len(), 1 + pieces);
    assert!(lines.iter().all(|(_, line)| line.len() <= LOG_LINE_BYTES));

    let fault = instance.judge(&flows([PROVOCATION])).unwrap_err();
    assert_eq!(fault, Fault::OutOfTime { limit: limits.call_cpu });
    let lines = recorded.lines();
    assert_eq!(lines.len(), limits.log_lines_per_call + 1);
    assert!(lines.last().unwrap().ends_with("more lines in one call were left out)"));
}

#[test]
pub(crate) fn a_stack_that_overflows_is_the_plugins() {
    let fault = provoked("guest-recursive", limits());
    assert_eq!(fault, Fault::Trap("call stack exhausted".to_owned()));
}

#[test]
pub(crate) fn an_exit_ends_the_plugin_only() {
    // WASI 0.2 knows only success and failure: any status but 0 becomes 1 (wasi:cli/exit).
    assert_eq!(provoked("guest-exits", limits()), Fault::Exited(1));
}

#[test]
pub(crate) fn a_plugin_may_fail_before_its_first_entry() {
    let (mut instance, _) = start("guest-configure-traps", limits());
    let Err(ConfigureError::Fault(fault)) = instance.configure(NOW, "{}") else { panic!("no fault") };
    assert!(matches!(&fault, Fault::Panic(text) if text.starts_with("this configuration was too much (")), "{fault}");
    ended(&mut instance, &fault);
}

#[test]
fn what_is_passed_to_the_host_is_limited() {
    let (mut instance, recorded) = configured("guest-good", "{}", limits());
    let fault = instance.message(Timestamp(1), "fill").unwrap_err();
    let limit = limits().host_call_bytes_per_call as u64;
    let Fault::TooMuch { what: "bytes to functions of the host", returned, limit: told } = fault else {
        panic!("{fault:?}")
    };
    assert!(returned > limit && told == limit);
    assert_eq!(recorded.with(|seen| seen.memory["big"].len()), 1 << 20);
}

#[test]
fn one_plugins_fault_is_nothing_to_another() {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let good = scope.spawn(|| {
            let (mut instance, _) = configured("guest-good", "{}", limits());
            let mut judged = 0;
            while !over.load(Ordering::Relaxed) || judged == 0 {
                judged += instance.judge(&flows([80, PROVOCATION])).unwrap().len();
            }
            judged
        });
        let all = ["guest-trap", "guest-panic", "guest-spin", "guest-hungry", "guest-recursive", "guest-exits"];
        for guest in all {
            let (mut instance, _) = configured(guest, "{}", limits());
            instance.judge(&flows([PROVOCATION])).unwrap_err();
        }
        over.store(true, Ordering::Relaxed);
        assert!(good.join().unwrap() > 0);
    });
}
