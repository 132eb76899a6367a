//! Resources that plugins cannot reach.

use crate::setup::{PROVOCATION, configured, flows, limits};

#[test]
pub(crate) fn everything_is_there_and_says_no() {
    let (mut instance, _) = configured("guest-escape", "{}", limits());
    let verdicts = instance.judge(&flows([PROVOCATION])).unwrap();
    let tried: Vec<&str> = verdicts.iter().map(|verdict| verdict.reason.as_str()).collect();
    assert_eq!(
        tried,
        [
            "read denied",
            "write denied",
            "list denied",
            "relative denied",
            "environment denied",
            "arguments denied",
            "input denied",
            "connect denied",
            "listen denied",
            "udp denied",
            "resolve denied",
            "spawn denied",
            "thread denied",
        ]
    );
    // The plugin continues to work.
    assert_eq!(instance.judge(&flows([80])).unwrap().len(), 1);
}

#[test]
fn saying_no_starts_no_threads() {
    // The process has only the threads of the tests, of the epoch and of the compiler. An executor would have added one
    // thread for each processor, named after the executor.
    everything_is_there_and_says_no();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let name = std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default();
        assert!(!name.starts_with("tokio"), "{name}");
    }
}
