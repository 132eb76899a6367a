//! Netlink requests to the kernel, each with its acknowledgement (RFC 3549, section 2.3.2).

use ctwarden_netlink::Protocol;
use ctwarden_netlink::exchange::{Connection, ExchangeError};
use netlink_packet_core::{NetlinkDeserializable, NetlinkPayload, NetlinkSerializable};
use nix::errno::Errno;
use thiserror::Error;

pub(crate) use ctwarden_netlink::exchange::Request;

/// Why the kernel did not carry out every request.
#[derive(Debug, Error)]
pub enum RequestError {
    #[error(transparent)]
    Exchange(Box<ExchangeError>),
    #[error("the kernel refused netlink request {index}: {errno}")]
    Refused {
        /// Index from 0, in the order of the requests.
        index: usize,
        errno: Errno,
    },
}

impl From<ExchangeError> for RequestError {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(Box::new(error))
    }
}

/// Sends all requests at once, in the network namespace of the calling thread. Waits for the acknowledgement of each
/// request that asks for one (`NLM_F_ACK`), and returns the messages that arrived meanwhile.
///
/// # Errors
/// Returns the error of the exchange, or the first refusal. A request that asks for no acknowledgement can be refused
/// too.
pub(crate) fn carry_out<M, T>(protocol: Protocol, requests: Vec<Request<M>>) -> Result<Vec<T>, RequestError>
where
    M: NetlinkSerializable,
    NetlinkPayload<M>: From<M>,
    T: NetlinkDeserializable,
{
    let answers = Connection::open(protocol)?.exchange(requests)?;
    let mut messages = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        if let Some(errno) = answer.errno {
            return Err(RequestError::Refused { index, errno: Errno::from_raw(errno) });
        }
        messages.extend(answer.messages);
    }
    Ok(messages)
}
