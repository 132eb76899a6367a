//! Alerts as JSON to a URL: one POST each, tried again until the receiver has taken it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ctwarden_control::{RecordLine, plain_json};
use serde_json::{Value, json};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::daemon::Outlet;
use crate::log;
use crate::spool::Spool;
use crate::tally::Tally;

/// Time for one request.
const REQUEST_TIME: Duration = Duration::from_secs(15);
/// The first and the longest wait before the next attempt.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The thread's queue on the disk.
struct Shared {
    spool: Mutex<Spool>,
    filled: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Webhook {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    host: String,
    /// Whether the last alert was lost for a reason that was reported.
    is_told: bool,
}

impl Outlet for Webhook {
    fn put(&mut self, record: &RecordLine, line: &str) {
        let Ok(alert) = serde_json::from_str::<Value>(line) else { return };
        if !record.is_alert() {
            if record.alert.is_some() {
                // The daemon shows a repetition once, and counts it from then on.
                self.tally.held_back.add(1);
            }
            return;
        }
        let content = json!({ "host": self.host, "held_back": self.tally.held_back.take(), "alert": alert });
        let Ok(content) = plain_json::to_string(&content) else { return };
        let mut spool = self.shared.lock();
        let pushed = spool.push(&content);
        self.tally.webhook_waiting.set(u64::try_from(spool.len()).unwrap_or(u64::MAX));
        drop(spool);
        self.shared.filled.notify_one();
        let why = match pushed {
            Ok(true) => {
                self.is_told = false;
                return;
            }
            Ok(false) => "too many alerts wait for it".to_owned(),
            Err(error) => format!("the spool cannot be written: {error}"),
        };
        self.tally.webhook_lost.add(1);
        self.tally.held_back.add(1);
        if !std::mem::replace(&mut self.is_told, true) {
            log::say(&format!("webhook: alerts are lost and counted: {why}"));
        }
    }
}

/// Starts the thread.
pub(crate) fn start(url: &str, certificates: &Path, spool: Spool, tally: Arc<Tally>) -> Result<Webhook> {
    let agent = agent(url, certificates)?;
    tally.webhook_waiting.set(u64::try_from(spool.len()).unwrap_or(u64::MAX));
    let shared = Arc::new(Shared { spool: Mutex::new(spool), filled: Condvar::new() });
    let poster =
        Poster { agent, url: url.to_owned(), shared: Arc::clone(&shared), tally: Arc::clone(&tally), is_told: false };
    let run = move || poster.run();
    thread::Builder::new().name("webhook".to_owned()).spawn(run).context("cannot start a thread")?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    Ok(Webhook { shared, tally, host, is_told: false })
}

fn agent(url: &str, certificates: &Path) -> Result<ureq::Agent> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST_TIME))
        .http_status_as_error(false)
        // Another address would get alerts that were not meant for it.
        .max_redirects(0);
    let config = if url.starts_with("https://") {
        let shown = certificates.display();
        let pem = fs::read(certificates)
            .with_context(|| format!("cannot read the certificates {shown}; name a file with --webhook-ca"))?;
        let roots: Vec<_> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                Ok(_) | Err(_) => None,
            })
            .collect();
        if roots.is_empty() {
            bail!("{shown} holds no certificate; name a file with --webhook-ca");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        config.tls_config(tls)
    } else if url.starts_with("http://") {
        config
    } else {
        bail!("\"{url}\" is no URL of a webhook; write one that begins with https:// or http://");
    };
    Ok(config.build().new_agent())
}

struct Poster {
    agent: ureq::Agent,
    url: String,
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    is_told: bool,
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// The receiver will never take it.
    Refused(String),
    Failed(String),
}

impl Poster {
    fn run(mut self) {
        let mut wait = RETRY;
        loop {
            let Some(content) = self.next() else {
                thread::sleep(RETRY_MAX);
                continue;
            };
            match self.post(&content) {
                Attempt::Taken => {
                    self.tally.webhook_sent.add(1);
                    if std::mem::take(&mut self.is_told) {
                        log::say("webhook: the receiver takes alerts again");
                    }
                    wait = RETRY;
                }
                Attempt::Refused(why) => {
                    self.tally.webhook_lost.add(1);
                    self.tally.held_back.add(1);
                    log::say(&format!("webhook: the receiver has refused an alert, which is dropped: {why}"));
                    wait = RETRY;
                }
                Attempt::Failed(why) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        log::say(&format!("webhook: {why}; alerts wait, trying again"));
                    }
                    thread::sleep(wait);
                    wait = (wait * 2).min(RETRY_MAX);
                    continue;
                }
            }
            let mut spool = self.shared.lock();
            if let Err(error) = spool.pop() {
                log::say(&format!("webhook: cannot remove a sent alert from the spool: {error}"));
            }
            self.tally.webhook_waiting.set(u64::try_from(spool.len()).unwrap_or(u64::MAX));
        }
    }

    /// Waits for the oldest alert. `None` if the spool cannot be read.
    fn next(&self) -> Option<String> {
        let mut spool = self.shared.lock();
        loop {
            match spool.first() {
                Ok(Some(content)) => return Some(content),
                Ok(None) => spool = self.shared.filled.wait(spool).unwrap_or_else(PoisonError::into_inner),
                Err(error) => {
                    log::say(&format!("webhook: cannot read the spool: {error}"));
                    return None;
                }
            }
        }
    }

    fn post(&self, content: &str) -> Attempt {
        match self.agent.post(&self.url).header("content-type", "application/json").send(content) {
            Ok(response) => match response.status().as_u16() {
                200..=299 => Attempt::Taken,
                // Too early, too many, or too slow: the same request may succeed later.
                408 | 425 | 429 => Attempt::Failed(format!("the receiver answers {}", response.status())),
                300..=499 => Attempt::Refused(format!("it answers {}", response.status())),
                _ => Attempt::Failed(format!("the receiver answers {}", response.status())),
            },
            Err(error) => Attempt::Failed(format!("cannot post to the receiver: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
