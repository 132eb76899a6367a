//! Readers of untrusted bytes inside the daemon, for the fuzzer's checks only.
//!
//! Each function panics if the bytes reveal a fault. The functions are public because the checks are a separate crate.

use std::path::Path;

use ctwarden_model::text;

use crate::set_file::Shortest;
use crate::{config, control, set_file};

/// Longest finding that a person still reads as one line.
const FINDING_BYTES_MAX: usize = 16 << 10;

pub fn configuration(bytes: &[u8]) {
    if let Err(problems) = config::load_bytes(Path::new("/nonexistent/ctwarden.toml"), bytes) {
        let findings = problems.to_string();
        assert!(!findings.is_empty());
        for line in findings.lines() {
            assert!(line.len() <= FINDING_BYTES_MAX, "a finding of {} bytes", line.len());
            assert!(!line.chars().any(|c| text::is_obeyed(c) && c != '\t'), "{line:?}");
        }
    }
}

/// Reads a filter as the command line writes it.
pub fn filter(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(config::one_filter(text));
    }
}

/// Reads a line of an address list.
pub fn list_line(bytes: &[u8]) {
    let shortest = Shortest { ipv4: 8, ipv6: 19 };
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(Some(line)) = set_file::parse_line(text, shortest)
    {
        for network in line.networks {
            let least = if network.address().is_ipv4() { shortest.ipv4 } else { shortest.ipv6 };
            assert!(network.length() >= least, "{network} is wider than the set takes");
        }
    }
}

/// Reads a line that a client writes to the control socket.
pub fn control_request(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<control::Request>(bytes) {
        let written = serde_json::to_vec(&request).unwrap_or_default();
        let read = serde_json::from_slice::<control::Request>(&written).ok();
        assert_eq!(read.as_ref(), Some(&request));
    }
}
