//! Entries in the form that journald accepts. A socket of the test stands in for journald.

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read, Seek};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use ctwarden_model::{Alert, FaultRecord, Mode, PluginName, Target, Timestamp, Verdict, VerdictRecord};
use nix::sys::socket::{ControlMessageOwned, recvmsg};

use super::*;

/// Parses an entry by the description of the protocol: NAME=value, or NAME, a length of eight bytes and the value.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|b| *b == b'\n').unwrap();
        let line = std::str::from_utf8(&entry[..end]).unwrap();
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => {
                entry = &entry[end + 1..];
                (name.to_owned(), value.to_owned())
            }
            None => {
                let length = u64::from_le_bytes(entry[end + 1..end + 9].try_into().unwrap()) as usize;
                let value = entry[end + 9..end + 9 + length].to_vec();
                assert_eq!(entry[end + 9 + length], b'\n');
                entry = &entry[end + 10 + length..];
                (line.to_owned(), String::from_utf8(value).unwrap())
            }
        };
        assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
        assert!(fields.insert(name, value).is_none());
    }
    fields
}

fn verdict(action: Action, outcome: Outcome, reason: &str) -> Record {
    Record::Verdict(Box::new(VerdictRecord {
        at: Timestamp(0),
        plugin: PluginName::new("cap").unwrap(),
        mode: Mode::Observe,
        verdict: Verdict { target: Target::None, action, code: "over-cap".into(), reason: reason.into() },
        flow: None,
        outcome,
        tally: None,
        took: Duration::ZERO,
    }))
}

fn scene() -> (tempfile::TempDir, UnixDatagram, JournalSink) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let journald = UnixDatagram::bind(&path).unwrap();
    let sink = JournalSink::open(&path, Patience::default()).unwrap();
    (dir, journald, sink)
}

fn received(journald: &UnixDatagram) -> BTreeMap<String, String> {
    let mut bytes = vec![0; 1 << 20];
    let length = journald.recv(&mut bytes).unwrap();
    fields(&bytes[..length])
}

#[test]
fn an_entry_has_a_sentence_a_severity_and_fields_to_filter_by() {
    let (_dir, journald, mut sink) = scene();
    let alert = Alert { severity: 2, title: "too many".into(), key: "k".into(), fields: Vec::new() };
    sink.put(&verdict(Action::Alert(alert), Outcome::Applied, "first\nsecond"), "{\"a\":1}").unwrap();
    let fields = received(&journald);
    let expected = [
        ("CTWARDEN_ACTION", "alert"),
        ("CTWARDEN_CODE", "over-cap"),
        ("CTWARDEN_OUTCOME", "applied"),
        ("CTWARDEN_PLUGIN", "cap"),
        ("CTWARDEN_RECORD", "{\"a\":1}"),
        ("MESSAGE", "cap: alert \"too many\": applied [over-cap] first; second"),
        ("PRIORITY", "2"),
        ("SYSLOG_IDENTIFIER", "ctwarden"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn no_text_of_a_plugin_can_forge_a_field() {
    let (_dir, journald, mut sink) = scene();
    sink.put(&verdict(Action::Delete, Outcome::Gone, "x\nPRIORITY=0\nMESSAGE=forged"), "{}").unwrap();
    let fields = received(&journald);
    assert_eq!(fields["PRIORITY"], "6");
    assert!(fields["MESSAGE"].starts_with("cap: delete: gone") && fields["MESSAGE"].ends_with("MESSAGE=forged"));
}

#[test]
fn faults_are_errors_and_losses_warnings() {
    let (_dir, journald, mut sink) = scene();
    let fault = FaultRecord {
        at: Timestamp(0),
        plugin: PluginName::new("cap").unwrap(),
        fault: Fault::Trap("unreachable".into()),
        entries: 1,
        restart_in: Duration::from_secs(1),
        quarantined: true,
    };
    sink.put(&Record::Fault(Box::new(fault)), "{}").unwrap();
    let fields = received(&journald);
    assert_eq!((fields["PRIORITY"].as_str(), fields["CTWARDEN_FAULT"].as_str()), ("3", "trap"));
    assert_eq!(fields["MESSAGE"], "cap: trapped: unreachable; quarantined for 1s");
    sink.put(&Record::Notice(Timestamp(0), Box::new(Notice::Overrun)), "{}").unwrap();
    let fields = received(&journald);
    assert_eq!((fields["PRIORITY"].as_str(), fields["CTWARDEN_NOTICE"].as_str()), ("4", "overrun"));
    sink.put_lost(3, "{}").unwrap();
    let fields = received(&journald);
    assert_eq!(fields["PRIORITY"], "4");
    assert!(fields["MESSAGE"].starts_with("3 records"));
}

#[test]
fn an_entry_too_large_for_a_datagram_goes_as_a_sealed_file() {
    let (_dir, journald, mut sink) = scene();
    let long = "x".repeat(8 << 20);
    sink.put(&verdict(Action::Delete, Outcome::Gone, &long), "{}").unwrap();

    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let message =
        recvmsg::<UnixAddr>(journald.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).unwrap();
    assert_eq!(message.bytes, 0, "journald wants the entry in the file alone");
    let rights = message.cmsgs().unwrap().find_map(|cmsg| {
        let ControlMessageOwned::ScmRights(rights) = cmsg else { return None };
        rights.first().copied()
    });
    let mut file = File::from(owned(rights.unwrap()));
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).unwrap();
    assert!(SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK));
    let mut entry = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut entry).unwrap();
    assert!(fields(&entry)["MESSAGE"].ends_with(&long));
}

#[expect(unsafe_code, reason = "a handle that came with a message has no other owner")]
fn owned(handle: i32) -> OwnedFd {
    // SAFETY: the kernel made the handle for this process when the message was received, and nothing else uses it.
    unsafe { OwnedFd::from_raw_fd(handle) }
}

#[test]
fn a_journal_that_is_not_there_is_an_error_and_one_that_comes_back_is_found() {
    let (dir, journald, mut sink) = scene();
    let path = dir.path().join("socket");
    assert!(JournalSink::open(&dir.path().join("none"), Patience::default()).is_err());
    drop(journald);
    std::fs::remove_file(&path).unwrap();
    let notice = Record::Notice(Timestamp(0), Box::new(Notice::Started));
    assert_eq!(sink.put(&notice, "{}").unwrap_err().lines, 1);
    let journald = UnixDatagram::bind(&path).unwrap();
    sink.put(&notice, "{}").unwrap();
    assert_eq!(received(&journald)["MESSAGE"], "started");
}

#[test]
fn a_journal_that_does_not_read_is_given_up_when_patience_ends() {
    let (dir, journald, _) = scene();
    let patience = Patience::default();
    let mut sink = JournalSink::open(&dir.path().join("socket"), patience.clone()).unwrap();
    patience.ends(std::time::Instant::now());
    let notice = Record::Notice(Timestamp(0), Box::new(Notice::Overrun));
    // The socket's queue accepts some entries (net.unix.max_dgram_qlen) and then no more.
    let lost = (0..100_000).find_map(|_| sink.put(&notice, "{}").err()).unwrap();
    assert_eq!((lost.lines, lost.error.kind()), (1, io::ErrorKind::WouldBlock));
    assert_eq!(received(&journald)["CTWARDEN_NOTICE"], "overrun");
}

#[test]
fn a_message_is_one_line_that_no_terminal_obeys() {
    let (_dir, journald, mut sink) = scene();
    let why = "first: \u{1b}[2J\nsecond: \u{202e}gpj\u{9b}";
    sink.put(&Record::Notice(Timestamp(0), Box::new(Notice::ReloadFailed(why.into()))), "{}").unwrap();
    let message = received(&journald)["MESSAGE"].clone();
    assert!(message.ends_with("first: \u{fffd}[2J; second: \u{fffd}gpj\u{fffd}"), "{message:?}");
}
