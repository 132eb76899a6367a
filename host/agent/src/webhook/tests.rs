//! Receivers that fail, refuse, and use TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

fn alert(title: &str, outcome: &str) -> String {
    format!(
        r#"{{"time":"2026-11-30T12:00:00.000000000Z","record":"verdict","plugin":"a","action":"alert","outcome":"{outcome}","alert":{{"severity":2,"title":"{title}","key":"k","fields":{{}}}}}}"#
    )
}

/// Takes one request, answers with the status, and returns the body.
fn take(listener: &TcpListener, status: &str) -> Value {
    serve(listener.accept().unwrap().0, status)
}

fn serve(stream: impl Read + Write, status: &str) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
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

#[test]
fn an_alert_is_tried_again_until_it_is_taken_and_held_back_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let tally = Arc::new(Tally::default());
    let spool = Spool::open(folder.path(), 10).unwrap();
    let mut webhook = start(&url, Path::new("/nowhere"), spool, Arc::clone(&tally)).unwrap();
    let mut put = |line: &str| webhook.put(&RecordLine::read(line).unwrap(), line);
    put(&alert("one", "applied"));
    put(&alert("one", "superseded"));
    put(r#"{"time":"2026-11-30T12:00:00.000000000Z","record":"notice","notice":"started"}"#);
    put(&alert("two", "observed"));
    for (status, title, held_back) in [("500 Oops", "one", 0), ("200 OK", "one", 0), ("404 Gone", "two", 1)] {
        let body = take(&listener, status);
        assert_eq!((&body["alert"]["alert"]["title"], &body["held_back"]), (&json!(title), &json!(held_back)));
    }
    put(&alert("three", "applied"));
    assert_eq!(take(&listener, "204 No Content")["alert"]["alert"]["title"], "three");
    // The next alert is taken only after the tally of the one before.
    put(&alert("four", "applied"));
    take(&listener, "200 OK");
    assert_eq!((tally.webhook_sent.get(), tally.webhook_lost.get()), (2, 1));
}

#[test]
fn a_wrong_url_or_certificate_is_refused_at_the_start() {
    let refused = |url: &str| agent(url, Path::new("/nowhere")).unwrap_err().to_string();
    assert!(refused("ftp://x").contains("write one that begins with https:// or http://"));
    assert!(refused("https://x").contains("cannot read the certificates /nowhere"));
}

#[test]
fn a_receiver_is_reached_over_tls_only_with_a_certificate_of_the_authority() {
    let certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/src/webhook/certificates");
    let server = CertificateDer::from_pem_file(format!("{certificates}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{certificates}/server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![server], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let taking = thread::spawn(move || {
        let accept =
            || StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), listener.accept().unwrap().0);
        let body = serve(accept(), "200 OK");
        // The second client does not trust the certificate, and sends nothing.
        assert!(accept().read(&mut [0]).is_err());
        body
    });
    let post = |authority: &str| {
        let agent = agent(&url, Path::new(authority)).unwrap();
        agent
            .post(&url)
            .header("content-type", "application/json")
            .send("{\"a\":1}")
            .map(|answer| answer.status().as_u16())
    };
    assert_eq!(post(&format!("{certificates}/authority.pem")).unwrap(), 200);
    // A certificate is no authority for itself.
    let said = post(&format!("{certificates}/server.pem")).unwrap_err().to_string();
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(taking.join().unwrap(), json!({ "a": 1 }));
}
