//! Requests of the operator that hold plugins back, let them go on, or reload the configuration.

use std::time::Duration;

use ctwarden_engine::{PluginId, PluginStatus};
use ctwarden_model::{Mode, Timestamp, VerdictKind};
use tokio::sync::oneshot;

use super::EventLoop;
use crate::clock;
use crate::control::{ChangeMode, Pause, ReloadReport, Response, Resume, SwitchedPlugin};
use crate::sinks::Rfc3339;

/// The longest pause: a longer one is a change of the configuration.
const PAUSE_MAX: u64 = 366 * 24 * 60 * 60;

/// Clients that wait for a reload.
#[derive(Default)]
pub(super) struct ReloadWaiters {
    /// Those that wait for the reading that runs.
    now: Vec<oneshot::Sender<Response>>,
    /// Those that asked while a reading was running. They wait for the next one, which sees what they have changed.
    next: Vec<oneshot::Sender<Response>>,
}

impl ReloadWaiters {
    pub(super) fn add(&mut self, waiter: oneshot::Sender<Response>, is_running: bool) {
        if is_running { self.next.push(waiter) } else { self.now.push(waiter) }
    }

    pub(super) fn settle(&mut self, result: &Result<ReloadReport, String>) {
        let waiters = std::mem::replace(&mut self.now, std::mem::take(&mut self.next));
        for waiter in waiters {
            // An error means that the client has disconnected.
            let _ = waiter.send(match result {
                Ok(report) => Response::Reloaded(report.clone()),
                Err(why) => {
                    Response::Error(format!("the configuration was not reloaded, the old one stays in force: {why}"))
                }
            });
        }
    }
}

impl EventLoop {
    pub(super) fn pause(&mut self, pause: &Pause) -> Response {
        if pause.seconds.is_some_and(|seconds| seconds == 0 || seconds > PAUSE_MAX) {
            return Response::Error("a pause takes between one second and 366 days".to_owned());
        }
        let plugins = match self.steered(pause.plugin.as_deref()) {
            Ok(plugins) => plugins,
            Err(why) => return Response::Error(why),
        };
        let now = clock::now();
        let switched = plugins.into_iter().map(|(plugin, id)| {
            let length = pause.seconds.map(Duration::from_secs);
            self.engine.handle_pause(now, id, length);
            let text = match pause.seconds {
                Some(seconds) => {
                    let until = Timestamp(now.wall.0.saturating_add(seconds.saturating_mul(1_000_000_000)));
                    format!("paused until {:#}", Rfc3339(until))
                }
                None => "paused until it is resumed or ctwarden starts again".to_owned(),
            };
            SwitchedPlugin { plugin, text, done: true }
        });
        Response::Switched(switched.collect())
    }

    pub(super) fn resume(&mut self, resume: &Resume) -> Response {
        let plugins = match self.steered(resume.plugin.as_deref()) {
            Ok(plugins) => plugins,
            Err(why) => return Response::Error(why),
        };
        let now = clock::now();
        let switched = plugins.into_iter().map(|(plugin, id)| {
            let was_paused = self.engine.handle_resume(now, id);
            let text = if was_paused { "resumed" } else { "was not paused" };
            SwitchedPlugin { plugin, text: text.to_owned(), done: true }
        });
        Response::Switched(switched.collect())
    }

    pub(super) fn change_mode(&mut self, change: &ChangeMode) -> Response {
        let mode = match change.mode.as_str() {
            "observe" => Mode::Observe,
            "enforce" => Mode::Enforce,
            other => return Response::Error(format!("\"{other}\" is no mode; write observe or enforce")),
        };
        let now = clock::now();
        let status = self.engine.status(now);
        let Some(plugin) = status.plugins.iter().find(|plugin| plugin.name.as_str() == change.plugin) else {
            return Response::Error(unknown(&change.plugin));
        };
        if mode == Mode::Enforce
            && let Err(why) = self.may_enforce(plugin)
        {
            return Response::Error(why);
        }
        self.engine.handle_mode(now, plugin.id, mode);
        let text = match (plugin.mode == mode, plugin.configured_mode == mode) {
            (true, _) => format!("is in mode {} already", mode.name()),
            (false, true) => format!("mode {}, as in the configuration", mode.name()),
            (false, false) => {
                let configured = plugin.configured_mode.name();
                format!("mode {} until the next reload or start; the configuration says {configured}", mode.name())
            }
        };
        Response::Switched(vec![SwitchedPlugin { plugin: change.plugin.clone(), text, done: true }])
    }

    /// Makes the checks that a plugin in enforce mode passes at the start.
    fn may_enforce(&mut self, plugin: &PluginStatus) -> Result<(), String> {
        let missing = self.granting.of(&plugin.name).map(|about| about.missing().join("; ")).unwrap_or_default();
        if !missing.is_empty() {
            return Err(format!(
                "plugin {} cannot enforce: {missing}; correct its [[plugin]], then run `ctwarden reload`",
                plugin.name
            ));
        }
        if self.killers.contains(&plugin.id) {
            self.firewall.prepare_kills().map_err(|error| {
                format!("plugin {} cannot enforce, kill needs the packet filter: {error:#}", plugin.name)
            })?;
        }
        Ok(())
    }

    /// The plugins that a request names, or all.
    fn steered(&self, plugin: Option<&str>) -> Result<Vec<(String, PluginId)>, String> {
        let all = self.plugins.iter().map(|(id, thread)| (thread.name().to_string(), *id));
        let Some(plugin) = plugin else {
            let all: Vec<_> = all.collect();
            return if all.is_empty() { Err("no plugin is configured".to_owned()) } else { Ok(all) };
        };
        let found: Vec<_> = all.filter(|(name, _)| name == plugin).collect();
        if found.is_empty() { Err(unknown(plugin)) } else { Ok(found) }
    }

    pub(super) fn ask_to_reload(&mut self, answer: oneshot::Sender<Response>) {
        self.reopen();
        self.reload_waiters.add(answer, self.reloader.is_running());
        self.reloader.begin(clock::now().steady);
    }
}

fn unknown(plugin: &str) -> String {
    format!("no plugin is named \"{plugin}\"; `ctwarden status` lists the plugins")
}

/// Whether a plugin may kill flows when it enforces.
pub(super) fn may_kill(spec: &ctwarden_engine::PluginSpec) -> bool {
    spec.grants.kinds.contains(VerdictKind::Kill)
}
