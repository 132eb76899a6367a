//! The thread that gathers the facts repeatedly. The loop must not do that: rule sets may have tens of thousands of rules.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Senses;
use crate::niceness::Niceness;

/// How often the thread looks without a request. Some changes cause no notification, such as those of iptables-legacy.
const LOOK: Duration = Duration::from_secs(2);
/// After a look, the thread rests this many times as long as the look took, so that frequent changes of rules cost little.
const REST: u32 = 4;

/// Number of a requested look: its result is no older than the request.
pub(crate) type LookNumber = u64;

/// The loop's handle of the thread.
pub(crate) struct SenseWatch {
    questions: Sender<LookNumber>,
    seen: UnboundedReceiver<(LookNumber, Senses)>,
}

impl SenseWatch {
    /// Starts the thread, which ends when the handle is dropped.
    pub(crate) fn start(mut last: Senses) -> io::Result<Self> {
        let (questions, asked) = channel();
        let (tell, seen) = unbounded_channel();
        thread::Builder::new().name("ctwarden-senses".to_owned()).spawn(move || {
            Niceness::lower_priority();
            watch(&asked, &tell, &mut last);
        })?;
        Ok(Self { questions, seen })
    }

    /// Requests a look. If several requests wait, only the last one is answered.
    pub(crate) fn ask(&self, number: LookNumber) {
        // If the thread has ended, `seen` reports it.
        let _ = self.questions.send(number);
    }

    /// The next result, with the number of the last request before it. `None` if the thread has ended by itself, which
    /// happens only when it panics.
    pub(crate) async fn seen(&mut self) -> Option<(LookNumber, Senses)> {
        self.seen.recv().await
    }
}

fn watch(asked: &Receiver<LookNumber>, tell: &UnboundedSender<(LookNumber, Senses)>, last: &mut Senses) {
    let mut number = 0;
    loop {
        let is_asked = match asked.recv_timeout(LOOK) {
            Ok(first) => {
                number = asked.try_iter().last().unwrap_or(first);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let began = Instant::now();
        let senses = Senses::look(Some(last));
        let took = began.elapsed();
        if is_asked || senses != *last {
            last.clone_from(&senses);
            if tell.send((number, senses)).is_err() {
                return;
            }
        }
        thread::sleep(took.saturating_mul(REST).min(LOOK));
    }
}
