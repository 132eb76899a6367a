//! Runs work on several items at once, on as many threads as there are processors.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Applies `work` to each item and returns the results in order. Loading and describing a plugin takes milliseconds of
/// one processor, or seconds if it is compiled, and does not depend on other plugins.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let waiting = Mutex::new(items.iter().enumerate());
    let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work_off = || {
        let mut done = Vec::new();
        while let Some((index, item)) = take() {
            done.push((index, work(item)));
        }
        done
    };
    let others = thread::available_parallelism().map_or(1, NonZero::get).min(items.len()).saturating_sub(1);
    let mut done = thread::scope(|scope| {
        let start = |_| thread::Builder::new().name("prepare".to_owned()).spawn_scoped(scope, work_off);
        // If a thread cannot be started, the others do its work, and so does this one.
        let threads: Vec<_> = (0..others).filter_map(|number| start(number).ok()).collect();
        let mut done = work_off();
        for thread in threads {
            match thread.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_done_in_parallel_comes_back_in_order() {
        // With more than one thread, the first item ends after another one.
        let several = thread::available_parallelism().map_or(1, NonZero::get) > 1;
        let (end, ended) = channel();
        let ended = Mutex::new(ended);
        let items: Vec<u64> = (0..40).collect();
        let outcome = in_parallel(&items, |item| {
            if *item > 0 {
                end.send(()).unwrap();
            } else if several {
                ended.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
            }
            item * 2
        });
        assert_eq!(outcome, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[] as &[u8], |item| *item), [] as [u8; 0]);
    }
}
