//! Errors that prevent the sinks from starting.

use thiserror::Error;

use crate::config::Destination;

#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// The file or socket cannot be opened.
    #[error("cannot open {destination} for {what}: {error}; correct {what} in [daemon] or repair the destination")]
    Open {
        /// The key of the configuration: `records` or `alerts`.
        what: &'static str,
        destination: Destination,
        error: std::io::Error,
    },
    #[error("cannot start the thread that writes records: {0}; raise the limit of threads of the daemon's user")]
    Thread(std::io::Error),
}
