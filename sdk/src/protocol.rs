//! Tests of the protocol names and numbers that a configuration may contain.

use crate::Protocol;

#[test]
fn a_protocol_is_written_as_name_or_number() {
    assert_eq!(serde_json::from_str::<Vec<Protocol>>("[\"icmpv6\", 6]").unwrap(), [Protocol::ICMPV6, Protocol::TCP]);
    assert_eq!((Protocol::SCTP.to_string(), Protocol(50).to_string()), ("sctp".into(), "50".into()));
    let refused = serde_json::from_str::<Protocol>("\"tpc\"").unwrap_err().to_string();
    assert!(refused.starts_with("\"tpc\" is not a protocol; write tcp, udp"), "{refused}");
    assert!(serde_json::from_str::<Protocol>("256").is_err() && serde_json::from_str::<Protocol>("-1").is_err());
}
