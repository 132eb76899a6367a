//! The numbers of protocol states. A name means a different number in each protocol.

use ctwarden_net::Protocol;

/// Returns the number of a state in these protocols.
pub(crate) fn number(name: &str, protocols: &[Protocol]) -> Result<u8, String> {
    let mut numbers: Vec<u8> = protocols.iter().filter_map(|protocol| protocol.state_number(name)).collect();
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
