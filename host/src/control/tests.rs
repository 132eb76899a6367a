//! Both ends of the socket together, and each end against a peer that behaves badly.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use ctwarden_control::LINE_MAX;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::*;
use crate::config::ControlGroup;
use crate::following::Followers;
use crate::witness::skip;

/// A daemon that echoes the text of each `send` to the plugin `echo`. Dropping the value ends the daemon.
struct Daemon {
    path: PathBuf,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Daemon {
    fn start(server: ControlServer, path: &Path) -> Self {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (requests, mut asked) = mpsc::channel::<ControlRequest>(4);
                let followers = Followers::start().unwrap();
                let serving = tokio::spawn(server.serve(requests, followers));
                let answering = async {
                    while let Some(ControlRequest { request, answer }) = asked.recv().await {
                        let response = match request {
                            Request::Status => Response::Status(Box::new(report())),
                            Request::Send(Send { plugin, text, .. }) if plugin == "echo" => {
                                Response::Sent(Sent { text, ..Sent::default() })
                            }
                            Request::Send(Send { plugin, .. }) if plugin == "dies" => continue,
                            Request::Add(_)
                            | Request::Remove(_)
                            | Request::Claims(_)
                            | Request::Follow(_)
                            | Request::Pause(_)
                            | Request::Resume(_)
                            | Request::Mode(_)
                            | Request::Reload => Response::Changed(Vec::new()),
                            Request::Send(Send { plugin, .. }) => {
                                Response::Error(format!("there is no plugin {plugin}; `ctwarden status` lists them"))
                            }
                        };
                        drop(answer.send(response));
                    }
                };
                tokio::select! { () = answering => {}, _ = ended => {} }
                drop(asked);
                serving.await.unwrap().unwrap();
            });
        });
        Self { path: path.to_path_buf(), end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn scene() -> (tempfile::TempDir, Daemon) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/control.sock");
    let server = ControlServer::bind(&path, None).unwrap();
    let daemon = Daemon::start(server, &path);
    (dir, daemon)
}

fn send(plugin: &str, text: &str) -> Request {
    Request::Send(Send { plugin: plugin.into(), text: text.into(), no_wait: false })
}

fn sent(text: &str) -> Response {
    Response::Sent(Sent { text: text.into(), ..Sent::default() })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn requests_are_answered_in_order_on_one_connection() {
    let (_dir, daemon) = scene();
    let mut client = Client::connect(&daemon.path).unwrap();
    for text in ["ban 192.0.2.1", "", "two\nlines \u{1f980}"] {
        assert_eq!(client.ask(&send("echo", text)).unwrap(), sent(text));
    }
    assert_eq!(client.ask(&Request::Status).unwrap(), Response::Status(Box::new(report())));
    let refused = Response::Error("there is no plugin x; `ctwarden status` lists them".into());
    assert_eq!(client.ask(&send("x", "y")).unwrap(), refused);
    assert_eq!(client.ask(&send("dies", "")).unwrap(), Response::Error("the daemon is stopping".into()));
    assert_eq!(client.ask(&send("echo", "still there")).unwrap(), sent("still there"));
}

#[test]
fn the_wire_is_what_is_documented() {
    let (_dir, daemon) = scene();
    let stream = UnixStream::connect(&daemon.path).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |line: &str| {
        (&stream).write_all(line.as_bytes()).unwrap();
        lines.next().unwrap().unwrap()
    };
    assert_eq!(ask("{\"send\":{\"plugin\":\"echo\",\"text\":\"a\"}}\n"), "{\"sent\":{\"text\":\"a\"}}");
    let quick = "{\"send\":{\"plugin\":\"echo\",\"text\":\"a\",\"no-wait\":true}}\n";
    assert_eq!(ask(quick), "{\"sent\":{\"text\":\"a\"}}");
    let networks = "\"set\":\"banned\",\"source\":\"alice\",\"networks\":[\"192.0.2.1\"]";
    assert_eq!(
        ask(&format!("{{\"add\":{{{networks},\"seconds\":60,\"value\":\"v\",\"reason\":\"r\"}}}}\n")),
        "{\"changed\":[]}"
    );
    assert_eq!(ask(&format!("{{\"remove\":{{{networks},\"all\":true}}}}\n")), "{\"changed\":[]}");
    assert_eq!(ask("{\"claims\":{\"set\":\"banned\"}}\n"), "{\"changed\":[]}");
    assert!(ask("\"status\"\n").starts_with("{\"status\":{\"version\":\"1.2.3\",\"pid\":42,"));
    for wrong in ["\n", "{}\n", "\"stop\"\n", "{\"send\":{\"plugin\":\"echo\",\"text\":\"a\",\"x\":1}}\n", "\u{0}\n"] {
        let said = ask(wrong);
        assert!(said.starts_with("{\"error\":\"not a request: "), "{wrong:?}: {said}");
        assert!(said.contains("; write for example \\\"status\\\" or {\\\"send\\\""), "{said}");
    }
    assert_eq!(ask("{\"send\":{\"plugin\":\"echo\",\"text\":\"b\"}}\n"), "{\"sent\":{\"text\":\"b\"}}");
}

#[test]
fn the_socket_is_for_root_and_its_group() {
    let (_dir, daemon) = scene();
    assert_eq!(mode(&daemon.path), 0o660);
    assert_eq!(mode(daemon.path.parent().unwrap()), 0o750);
    assert!(fs::metadata(&daemon.path).unwrap().file_type().is_socket());
}

#[test]
fn the_group_gets_directory_and_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/control.sock");
    let group = ControlGroup { name: "wheel".into(), gid: 4711 };
    match ControlServer::bind(&path, Some(&group)) {
        Ok(_server) => {
            assert_eq!(fs::metadata(&path).unwrap().gid(), 4711);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().gid(), 4711);
        }
        Err(error) => {
            let said = error.to_string();
            let directory = path.parent().unwrap().display();
            assert!(said.starts_with(&format!("cannot give {directory} to the group wheel: ")), "{said}");
            assert!(said.ends_with("name a group of the daemon's user in [daemon] control-group"), "{said}");
        }
    }
}

#[test]
fn the_socket_goes_with_the_daemon() {
    let (_dir, daemon) = scene();
    let path = daemon.path.clone();
    drop(daemon);
    assert!(!path.exists());
    let said = Client::connect(&path).unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "no ctwarden runs at {}; start it with `ctwarden run --config FILE`, or name its socket with --socket",
            path.display()
        )
    );
}

#[test]
fn the_socket_of_a_daemon_that_died_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "nobody cleaned up");
    assert!(Client::connect(&path).unwrap_err().to_string().starts_with("no ctwarden runs at "));
    let daemon = Daemon::start(ControlServer::bind(&path, None).unwrap(), &path);
    let mut client = Client::connect(&daemon.path).unwrap();
    assert_eq!(client.ask(&send("echo", "a")).unwrap(), sent("a"));
}

#[test]
fn a_second_daemon_is_told_who_is_there_and_harms_nobody() {
    let (_dir, daemon) = scene();
    let said = ControlServer::bind(&daemon.path, None).unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "{} belongs to a running ctwarden (process {}); stop that process or set another [daemon] control",
            daemon.path.display(),
            std::process::id()
        )
    );
    let mut client = Client::connect(&daemon.path).unwrap();
    assert_eq!(client.ask(&send("echo", "a")).unwrap(), sent("a"));
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    fs::write(&path, "a letter").unwrap();
    let said = ControlServer::bind(&path, None).unwrap_err().to_string();
    assert_eq!(
        said,
        format!("{} exists and is not a socket; move it away or name another path in [daemon] control", path.display())
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let said = ControlServer::bind(&open.join("control.sock"), None).unwrap_err().to_string();
    assert!(said.starts_with("control socket: ") && said.contains(" can be changed by "), "{said}");
    let nowhere = dir.path().join("file");
    fs::write(&nowhere, "").unwrap();
    let said = ControlServer::bind(&nowhere.join("run/control.sock"), None).unwrap_err().to_string();
    let begin = format!("control socket: {} is not a directory", nowhere.display());
    assert!(said.starts_with(&begin) && said.ends_with("name another path in [daemon] control"), "{said}");
}

#[test]
fn a_lock_that_somebody_has_planted_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("control.sock.lock")).unwrap();
    let said = ControlServer::bind(&path, None).unwrap_err().to_string();
    assert!(said.contains("control.sock.lock is not a regular file"), "{said}");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
    assert!(!path.exists());
}

#[test]
fn a_line_that_is_too_long_is_refused() {
    let (_dir, daemon) = scene();
    let mut client = Client::connect(&daemon.path).unwrap();
    let said = client.ask(&send("echo", &"x".repeat(LINE_MAX))).unwrap_err().to_string();
    assert_eq!(said, format!("the message is longer than the allowed {LINE_MAX} bytes; send it in parts"));
    let longest = "x".repeat(LINE_MAX - 100);
    assert_eq!(client.ask(&send("echo", &longest)).unwrap(), sent(&longest));

    let mut stream = UnixStream::connect(&daemon.path).unwrap();
    let line = "x".repeat(LINE_MAX);
    // The daemon closes the connection during or after this write.
    drop(stream.write_all(line.as_bytes()));
    let mut said = String::new();
    drop(stream.read_to_string(&mut said));
    assert_eq!(said, format!("{{\"error\":\"the line is longer than {LINE_MAX} bytes; send less at once\"}}\n"));
}

#[test]
fn clients_that_wait_keep_nobody_out() {
    let (_dir, daemon) = scene();
    let mut waiting: Vec<_> = (0..40).map(|_| UnixStream::connect(&daemon.path).unwrap()).collect();
    let mut half = UnixStream::connect(&daemon.path).unwrap();
    half.write_all(b"{\"send\":").unwrap();
    let mut client = Client::connect(&daemon.path).unwrap();
    assert_eq!(client.ask(&send("echo", "a")).unwrap(), sent("a"));
    let mut said = String::new();
    waiting.remove(0).read_to_string(&mut said).unwrap();
    let told = "this waiting connection was closed to make room for another; nothing was done, connect again";
    assert_eq!(said, format!("{{\"error\":\"{told}\"}}\n"));
}

#[test]
fn a_client_that_stops_in_the_middle_holds_nobody() {
    let (_dir, daemon) = scene();
    let mut half = UnixStream::connect(&daemon.path).unwrap();
    half.write_all(b"{\"send\":").unwrap();
    let mut client = Client::connect(&daemon.path).unwrap();
    assert_eq!(client.ask(&send("echo", "a")).unwrap(), sent("a"));
    drop(half);
    assert_eq!(client.ask(&send("echo", "b")).unwrap(), sent("b"));
}

#[test]
fn a_daemon_that_hangs_up_or_speaks_otherwise_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"later\":{}}\n").unwrap();
        drop(BufReader::new(stream).lines().next());
    });
    let said = Client::connect(&path).unwrap().ask(&Request::Status).unwrap_err().to_string();
    assert_eq!(said, format!("the daemon at {} closed the connection; look at its log", path.display()));
    let said = Client::connect(&path).unwrap().ask(&Request::Status).unwrap_err().to_string();
    assert!(
        said.starts_with(&format!("this version does not understand the answer of the daemon at {}", path.display())),
        "{said}"
    );
    assert!(said.ends_with("use the daemon's own version"), "{said}");
    daemon.join().unwrap();
}

#[test]
fn somebody_else_is_kept_out() {
    if !nix::unistd::Uid::effective().is_root() {
        return skip("only root can become somebody else");
    }
    let (dir, daemon) = scene();
    // Another user has loosened the file's mode. The daemon's own check still holds.
    let group = fs::metadata(&daemon.path).unwrap().gid();
    for path in [dir.path(), daemon.path.parent().unwrap(), &daemon.path] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        chown(path, None, Some(group)).unwrap();
    }
    // Perl is on every Debian. The first number of `$)` is the effective group, the others are the supplementary
    // groups. The daemon may have answered and closed the connection before the line is written.
    let script = "use Socket; use POSIX; $SIG{PIPE} = 'IGNORE'; my ($path, $gid, $groups) = @ARGV;\n\
                  $) = \"$gid $gid $groups\"; POSIX::setgid($gid); POSIX::setuid(4711) or die;\n\
                  socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack_sockaddr_un($path)) or die;\n\
                  my $line = '{\"send\":{\"plugin\":\"echo\",\"text\":\"a\"}}'; syswrite($s, \"$line\\n\"); print scalar <$s>;\n";
    let ask = |gid: u32, groups: &str| {
        let gid = gid.to_string();
        let arguments = ["-e", script, daemon.path.to_str().unwrap(), &gid, groups];
        let output = std::process::Command::new("perl").args(arguments).output();
        match output {
            Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
            other => {
                skip(&format!("cannot become somebody else: {other:?}"));
                None
            }
        }
    };
    let refused = "{\"error\":\"user 4711 may not use this socket; run as root or join its group\"}\n";
    if let Some(said) = ask(4711, "4712") {
        assert_eq!(said, refused);
        assert_eq!(ask(group, "").unwrap(), "{\"sent\":{\"text\":\"a\"}}\n");
        assert_eq!(ask(4711, &format!("4712 {group}")).unwrap(), "{\"sent\":{\"text\":\"a\"}}\n");
    }
}

fn report() -> StatusReport {
    StatusReport { version: "1.2.3".into(), pid: 42, ..StatusReport::default() }
}
