//! `ctwarden-agent`: metrics for the real Prometheus, records for the real rsyslog, alerts for a webhook.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ctwarden_tests::{Daemon, Policy, Said, Scene, Udp, agent, copy_of, eventually};
use serde_json::{Value, json};

/// A program in the background. Dropping this value kills it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_agent(scene: &Scene, words: &str) -> Running {
    let mut command = agent();
    command.arg("--socket").arg(scene.path("control.sock")).args(words.split_whitespace());
    command.stderr(fs::File::create(scene.path("agent.err")).unwrap());
    Running::start(&mut command)
}

/// The body of an answer over HTTP, or `None` if nobody answers yet.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

fn marks() -> Policy {
    Policy::scripted(&["new udp 5001: mark 1/0xf", "new udp 5002: alert key a scan"])
}

fn flow(port: u16) {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/packaging/prometheus")
}

/// What Prometheus knows under a query: labels and value of each sample.
fn query(what: &str) -> Vec<(Value, String)> {
    // The answer may be in chunks, so take the JSON out of it.
    let Some(body) = get("127.0.0.1:9090", &format!("/api/v1/query?query={what}")) else { return Vec::new() };
    let json = body.find('{').zip(body.rfind('}')).map(|(from, to)| &body[from..=to]).unwrap_or_default();
    let Ok(answer) = serde_json::from_str::<Value>(json) else { return Vec::new() };
    let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    samples
        .into_iter()
        .map(|sample| (sample["metric"].clone(), sample["value"][1].as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn prometheus_scrapes_the_metrics() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks());
    flow(5001);
    daemon.wait_for("the mark", |record| record.came("mark", "applied"));
    let _agent = start_agent(&scene, "--metrics 127.0.0.1:9469");
    let page = eventually("the agent serves", || get("127.0.0.1:9469", "/metrics"));
    assert!(page.contains("ctwarden_up 1\n") && page.contains("# EOF"), "{page}");
    let is_address = |word: &str| word.parse::<std::net::IpAddr>().is_ok();
    assert!(!page.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':')).any(is_address), "{page}");

    let rules = packaging().join("ctwarden.rules.yml");
    let configuration = scene.write(
        "prometheus.yml",
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ \"{}\" ]\n\
             scrape_configs:\n- job_name: ctwarden\n  static_configs: [ {{ targets: [ \"127.0.0.1:9469\" ] }} ]\n",
            rules.canonicalize().unwrap().display()
        ),
    );
    let mut prometheus = Command::new("prometheus");
    prometheus
        .arg("--config.file")
        .arg(scene.path("prometheus.yml"))
        .arg("--storage.tsdb.path")
        .arg(scene.path("tsdb"));
    prometheus.args(["--web.listen-address", "127.0.0.1:9090", "--log.level", "warn"]);
    prometheus.stdout(Stdio::null()).stderr(fs::File::create(scene.path("prometheus.err")).unwrap());
    let _prometheus = Running::start(&mut prometheus);
    let marks = "ctwarden_verdicts_total%7Bplugin=%22scripted%22,kind=%22mark%22,outcome=%22applied%22%7D";
    let found = eventually("Prometheus has the verdict", || Some(query(marks)).filter(|found| !found.is_empty()));
    assert_eq!(found[0].1, "1");
    assert_eq!(found[0].0["job"], "ctwarden");
    assert_eq!(query("ctwarden_up")[0].1, "1");
    assert_eq!(query("ctwarden_plugin_state")[0].0["state"], "running");
    assert!(query("ctwarden_plugin_cpu_seconds_total")[0].1.parse::<f64>().unwrap() > 0.0);
    // The rules are loaded, and one of them sees the end of the daemon.
    let _ = daemon.stop();
    eventually("an alert", || {
        query("ALERTS%7Balertname=%22CtwardenDown%22%7D").first().map(|(labels, _)| labels["alertstate"].clone())
    });
    drop(configuration);
}

#[test]
fn metrics_are_served_on_a_unix_socket_and_outlive_the_daemon() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(marks());
    let socket = scene.path("metrics.sock");
    let _agent = start_agent(&scene, &format!("--metrics unix:{}", socket.display()));
    let page = |path: &str| {
        let mut stream = UnixStream::connect(&socket).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    let answer = eventually("the agent serves", || page("/metrics"));
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.contains("\nctwarden_up 1\n"), "{answer}");
    assert!(page("/else").unwrap().starts_with("HTTP/1.1 404 "));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let _ = daemon.stop();
    assert!(page("/metrics").unwrap().contains("\nctwarden_up 0\n"), "the agent stays");
    let again = scene.start_again();
    assert!(page("/metrics").unwrap().contains("\nctwarden_up 1\n"), "and finds the next daemon");
    let _ = again.stop();
}

#[test]
fn promtool_takes_the_alert_rules() {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "rules"]).arg(packaging().join("ctwarden.rules.yml"));
    let said = Said::of(promtool, "").good();
    assert!(said.contains("SUCCESS: 10 rules found"), "{said}");
}

#[test]
fn rsyslog_collects_the_records() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(marks());
    let folder = scene.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    scene.write(
        "rsyslog.conf",
        format!(
            r#"global(workDirectory="{folder}")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
template(name="parts" type="string" string="%inputname% %protocol-version% %syslogseverity-text% %app-name% %msgid% %timereported:::date-rfc3339% %structured-data%%msg%\n")
ruleset(name="all") {{ action(type="omfile" file="{folder}/collected" template="parts") }}
input(type="imuxsock" Socket="{folder}/log" UseSpecialParser="off" ParseHostname="on" IgnoreTimestamp="off" RuleSet="all")
input(type="imudp" address="127.0.0.1" port="10514" RuleSet="all")
input(type="imtcp" address="127.0.0.1" port="10514" RuleSet="all")
"#
        ),
    );
    let mut rsyslog = Command::new("rsyslogd");
    rsyslog.args(["-n", "-f", &format!("{folder}/rsyslog.conf"), "-i", &format!("{folder}/rsyslog.pid")]);
    rsyslog.stderr(fs::File::create(scene.path("rsyslog.err")).unwrap());
    let _rsyslog = Running::start(&mut rsyslog);
    eventually("rsyslog listens", || {
        (scene.path("log").exists() && TcpStream::connect("127.0.0.1:10514").is_ok()).then_some(())
    });
    let agents: Vec<Running> =
        [format!("unix:{folder}/log"), "udp:127.0.0.1:10514".into(), "tcp:127.0.0.1:10514".into()]
            .iter()
            .map(|address| start_agent(&scene, &format!("--syslog {address}")))
            .collect();
    eventually("all agents follow", || (daemon.status()["followers"] == 3).then_some(()));
    flow(5001);
    flow(5002);
    let collected = eventually("all records", || {
        let text = fs::read_to_string(scene.path("collected")).unwrap_or_default();
        let whole = |input: &str, kind: &str| {
            text.lines().any(|line| line.starts_with(input) && line.contains(&format!(" ctwarden {kind} ")))
        };
        ["imuxsock", "imudp", "imtcp"].iter().all(|input| whole(input, "mark") && whole(input, "alert")).then_some(text)
    });
    for input in ["imuxsock", "imudp", "imtcp"] {
        let line = collected.lines().find(|line| line.starts_with(input) && line.contains(" mark ")).unwrap();
        let head = format!("{input} 1 info ctwarden mark ");
        assert!(line.starts_with(&head), "{line}");
        let data = "[ctwarden@32473 plugin=\"scripted\" outcome=\"applied\" code=\"mark\"]";
        let (front, content) = line.split_once(data).unwrap_or_else(|| panic!("no data: {line}"));
        // The record is whole, and its time is that of the message.
        let record: Value = serde_json::from_str(content.trim()).unwrap();
        let time = record["time"].as_str().unwrap();
        assert!(front.contains(&time[..26]), "{line}");
    }
    drop(agents);
    let _ = daemon.stop();
}

/// Takes one request and answers with the status.
fn take(listener: &TcpListener, status: &str) -> Value {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn alert(daemon: &mut Daemon, port: u16) {
    flow(port);
    daemon.wait_for("the alert", |record| record.came("alert", "applied") && record.has_port(port));
}

#[test]
fn an_alert_waits_for_the_webhook_even_while_the_agent_is_gone() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks());
    let listener = TcpListener::bind("127.0.0.1:8099").unwrap();
    let words = format!("--webhook http://127.0.0.1:8099/hook --spool {}", scene.path("spool").display());
    let running = start_agent(&scene, &words);
    eventually("the agent follows", || (daemon.status()["followers"] == 1).then_some(()));
    alert(&mut daemon, 5002);
    let first = take(&listener, "503 Busy");
    assert_eq!((&first["alert"]["action"], &first["held_back"]), (&json!("alert"), &json!(0)));
    drop(running);
    assert_eq!(fs::read_dir(scene.path("spool")).unwrap().count(), 1, "it waits on the disk");
    let running = start_agent(&scene, &words);
    assert_eq!(take(&listener, "200 OK"), first);
    eventually("nothing waits", || (fs::read_dir(scene.path("spool")).unwrap().count() == 0).then_some(()));
    drop(running);
    let _ = daemon.stop();
}

#[test]
fn the_agent_needs_no_privileges() {
    let Some(scene) = Scene::new() else { return };
    scene.configure_daemon("control-group = \"nogroup\"\n", marks());
    let daemon = scene.start_again();
    // Others may pass through the folder, and read nothing in it.
    fs::set_permissions(scene.folder(), fs::Permissions::from_mode(0o711)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]);
    command.arg(copy_of(&agent(), scene.folder())).arg("--socket").arg(scene.path("control.sock"));
    command.args(["--metrics", "127.0.0.1:9469"]);
    let running = Running::start(&mut command);
    let page = eventually("the agent serves", || get("127.0.0.1:9469", "/metrics"));
    assert!(page.contains("ctwarden_up 1\n"), "{page}");
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    assert!(
        status.contains("\nCapEff:\t0000000000000000\n") && status.contains("\nUid:\t65534\t65534\t65534\t65534\n"),
        "{status}"
    );
    drop(running);
    let _ = daemon.stop();
}
