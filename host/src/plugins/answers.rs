//! What plugins' threads say to the loop, and whether it wakes for that.
//!
//! The usual answer is that there is no verdict. To wake the loop for it costs more than judging the event did, and changes
//! nothing unless something waits for the plugin: so it is laid aside, and taken when the loop wakes for something else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ctwarden_engine::{Answer, CallId, Engine, PluginId};
use ctwarden_model::{Fault, Now};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the thread of a plugin says.
pub(crate) enum Said {
    /// An instance runs.
    Started(PluginId),
    /// None could be started.
    StartFailed(PluginId, Fault),
    /// A call returned.
    Answered(CallId, Answer),
}

impl Said {
    /// Tells the engine.
    pub(crate) fn tell(self, engine: &mut Engine, now: Now) {
        match self {
            Self::Answered(call, answer) => engine.handle_answer(now, call, answer),
            Self::Started(plugin) => engine.handle_started(now, plugin),
            Self::StartFailed(plugin, fault) => engine.handle_start_failed(now, plugin, fault),
        }
    }

    fn is_no_verdict(&self) -> bool {
        matches!(self, Self::Answered(_, Answer::Verdicts(verdicts)) if verdicts.is_empty())
    }
}

/// Answers that wait for the loop to wake.
struct Aside {
    said: VecDeque<Said>,
    /// Whether the loop is to be woken by every answer.
    hurry: bool,
}

/// The threads' end.
#[derive(Clone)]
pub(crate) struct Speaker {
    aloud: UnboundedSender<Said>,
    aside: Arc<Mutex<Aside>>,
}

/// The loop's end.
pub(crate) struct Listener {
    aloud: UnboundedReceiver<Said>,
    aside: Arc<Mutex<Aside>>,
}

/// Both ends; the loop is woken by every answer until it says otherwise.
pub(crate) fn answers() -> (Speaker, Listener) {
    let (speaking, aloud) = unbounded_channel();
    let aside = Arc::new(Mutex::new(Aside { said: VecDeque::new(), hurry: true }));
    (Speaker { aloud: speaking, aside: Arc::clone(&aside) }, Listener { aloud, aside })
}

impl Speaker {
    /// Says it; false where nobody listens any more.
    pub(crate) fn say(&self, said: Said) -> bool {
        if said.is_no_verdict() {
            let mut aside = lock(&self.aside);
            if !aside.hurry {
                aside.said.push_back(said);
                return !self.aloud.is_closed();
            }
        }
        self.aloud.send(said).is_ok()
    }
}

impl Listener {
    /// The next thing that was said, without waiting. What one thread says comes in its order: it says nothing after an answer
    /// before the loop has taken that.
    pub(crate) fn try_next(&mut self) -> Option<Said> {
        let aside = lock(&self.aside).said.pop_front();
        aside.or_else(|| self.aloud.try_recv().ok())
    }

    /// Waits for what is worth waking for.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.aloud.recv().await
    }

    /// Has every answer wake the loop from here on, or only those with verdicts; true where some were laid aside that would
    /// have woken it.
    pub(crate) fn hurry(&self, hurry: bool) -> bool {
        let mut aside = lock(&self.aside);
        aside.hurry = hurry;
        hurry && !aside.said.is_empty()
    }
}

/// Whoever died with it held has left it whole: each change is one step.
fn lock(aside: &Mutex<Aside>) -> MutexGuard<'_, Aside> {
    aside.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ctwarden_model::{Action, Target, Verdict};

    use super::*;

    fn verdict() -> Verdict {
        Verdict { target: Target::None, action: Action::Sweep, code: String::new(), reason: String::new() }
    }

    fn answer(call: u64, verdicts: Vec<Verdict>) -> Said {
        Said::Answered(CallId(call), Answer::Verdicts(verdicts))
    }

    fn call(said: Option<Said>) -> Option<u64> {
        match said? {
            Said::Answered(CallId(call), _) => Some(call),
            Said::Started(_) | Said::StartFailed(..) => None,
        }
    }

    #[test]
    fn only_what_changes_something_is_said_aloud() {
        let (speaker, mut listener) = answers();
        assert!(speaker.say(answer(1, Vec::new())), "at first every answer is");
        assert_eq!(listener.aloud.len(), 1);
        assert!(!listener.hurry(false));
        assert!(speaker.say(answer(2, Vec::new())));
        assert!(speaker.say(answer(3, Vec::from([verdict()]))));
        assert!(speaker.say(Said::Answered(CallId(4), Answer::MessageRefused(String::new()))));
        assert_eq!(listener.aloud.len(), 3, "one was laid aside");
        assert_eq!([2, 1, 3, 4].map(|_| call(listener.try_next())), [2, 1, 3, 4].map(Some));
        assert!(listener.try_next().is_none());
    }

    #[test]
    fn an_answer_that_somebody_comes_to_wait_for_is_not_left_lying() {
        let (speaker, mut listener) = answers();
        assert!(!listener.hurry(false));
        assert!(speaker.say(answer(1, Vec::new())));
        assert!(listener.hurry(true), "it is to be taken before anybody waits");
        assert_eq!(call(listener.try_next()), Some(1));
        assert!(!listener.hurry(true));
        assert!(speaker.say(answer(2, Vec::new())));
        assert_eq!(listener.aloud.len(), 1);
        drop(listener);
        assert!(!speaker.say(answer(3, Vec::new())));
    }
}
