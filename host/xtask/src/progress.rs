//! Progress output of a task: a line at the start of each step with the elapsed time, and a table of durations at the
//! end.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of one task, in the order in which they ran.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    steps: Vec<(String, Duration, bool)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), steps: Vec::new() }
    }

    /// Announces the step, runs it and records its duration.
    pub(crate) fn step<T>(&mut self, title: &str, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.say(title);
        let begin = Instant::now();
        let result = work(self);
        self.steps.push((title.to_owned(), begin.elapsed(), result.is_ok()));
        result
    }

    /// Prints one line on standard error, so that it never mixes with the output of tests and of the demo.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("[{:4} s] {text}", self.start.elapsed().as_secs());
    }

    /// Prints the steps with their durations and the sum.
    pub(crate) fn print_table(&self) {
        eprint!("\n{}", table(&self.steps, self.start.elapsed()));
    }
}

fn table(steps: &[(String, Duration, bool)], total: Duration) -> String {
    let width = steps.iter().map(|(title, ..)| title.chars().count()).max().unwrap_or(0).max("total".len());
    let mut text = String::new();
    for (title, duration, held) in steps {
        let outcome = if *held { "" } else { "   FAILED" };
        text.push_str(&format!("  {title:width$} {:8.1} s{outcome}\n", duration.as_secs_f64()));
    }
    text.push_str(&format!("  {:width$} {:8.1} s\n", "total", total.as_secs_f64()));
    text
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn the_table_lines_up_and_names_what_failed() {
        let steps = [
            ("build".to_owned(), Duration::from_millis(61_250), true),
            ("all tests".to_owned(), Duration::ZERO, false),
        ];
        assert_eq!(
            table(&steps, Duration::from_secs(62)),
            "  build         61.2 s\n  all tests      0.0 s   FAILED\n  total         62.0 s\n"
        );
    }

    #[test]
    fn a_step_is_kept_whether_it_holds_or_not() {
        let mut progress = Progress::new();
        assert_eq!(progress.step("one", |_| Ok(1)).unwrap(), 1);
        assert!(progress.step::<()>("two", |_| bail!("no")).is_err());
        let kept: Vec<(&str, bool)> = progress.steps.iter().map(|(title, _, held)| (title.as_str(), *held)).collect();
        assert_eq!(kept, [("one", true), ("two", false)]);
    }
}
