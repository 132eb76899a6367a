//! The numbers of protocol states. A name means a different number in each protocol.

use ctwarden_net::{DccpState, Protocol, SctpState, TcpState};

/// Returns the number of a state in these protocols.
pub(crate) fn number(name: &str, protocols: &[Protocol]) -> Result<u8, String> {
    let mut numbers: Vec<u8> = protocols.iter().filter_map(|protocol| number_in(*protocol, name)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [number] => Ok(*number),
        [] => Err(format!(
            "\"{name}\" is not a state of these protocols; add protocols = [\"tcp\"] (or sctp, dccp) to match, or write \
             the number"
        )),
        [..] => Err(format!("\"{name}\" is a different number in each protocol; write one rule per protocol")),
    }
}

fn number_in(protocol: Protocol, name: &str) -> Option<u8> {
    let known = |number: &u8| match protocol {
        Protocol::TCP => TcpState(*number).name(),
        Protocol::SCTP => SctpState(*number).name(),
        Protocol::DCCP => DccpState(*number).name(),
        _ => None,
    };
    (0..=u8::MAX).find(|number| known(number).is_some_and(|known| known.eq_ignore_ascii_case(name)))
}
