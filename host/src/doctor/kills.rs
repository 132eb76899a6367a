//! Whether the kernel can close the sockets of a killed connection.

use ctwarden_model::Protocol;
use serde::Serialize;

use super::finding::Finding;
use crate::netlink::ExchangeError;
use crate::netlink::sockets::Sockets;

const LOAD: &str = "modprobe -a tcp_diag udp_diag";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kills {
    Possible,
    /// The kernel does not report sockets of TCP or UDP.
    NoDiagnostics,
    /// The kernel closes no sockets (`CONFIG_INET_DIAG_DESTROY`).
    NoDestroy,
    Unknown(String),
}

impl Kills {
    /// Asks the kernel about no socket, and to close a socket that does not exist.
    pub(super) fn try_out() -> Self {
        ask().unwrap_or_else(|error| Self::Unknown(format!("{:#}", anyhow::Error::from(error))))
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "kills";
        match self {
            Self::Possible => {
                Finding::good(name, "possible", "the verdict kill closes the sockets of this network namespace")
            }
            Self::NoDiagnostics => Finding::note(
                name,
                "sockets are not found",
                "the kernel does not report the sockets of TCP and UDP, so the verdict kill only deletes the entry and is \
                 refused",
            )
            .change(LOAD),
            Self::NoDestroy => Finding::note(
                name,
                "sockets are not closed",
                "the kernel is built without CONFIG_INET_DIAG_DESTROY, so the verdict kill only deletes the entry and is \
                 refused",
            ),
            Self::Unknown(why) => Finding::note(
                name,
                "unknown",
                format!("cannot determine whether the verdict kill can close sockets: {why}"),
            ),
        }
    }
}

fn ask() -> Result<Kills, ExchangeError> {
    let mut sockets = Sockets::open()?;
    if !(sockets.knows(Protocol::TCP)? && sockets.knows(Protocol::UDP)?) {
        return Ok(Kills::NoDiagnostics);
    }
    Ok(if sockets.can_close()? { Kills::Possible } else { Kills::NoDestroy })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_a_kill_lacks_is_a_note() {
        assert_eq!(Kills::Possible.judge().verdict, Verdict::Good);
        for (kills, word) in [
            (Kills::NoDiagnostics, "does not report"),
            (Kills::NoDestroy, "CONFIG_INET_DIAG_DESTROY"),
            (Kills::Unknown("no permission".to_owned()), "no permission"),
        ] {
            let finding = kills.judge();
            assert_eq!(finding.verdict, Verdict::Note);
            assert!(finding.follows.contains(word), "{finding:?}");
        }
    }
}
