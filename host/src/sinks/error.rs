//! Why the sinks do not start.

use thiserror::Error;

use crate::config::Destination;

#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// The file or socket would not open.
    #[error("cannot open {destination} for {what}: {error}; correct {what} in [daemon] or mend the destination")]
    Open {
        /// `records` or `alerts`.
        what: &'static str,
        /// Where they were to go.
        destination: Destination,
        /// What the system said.
        error: std::io::Error,
    },
    #[error("cannot start the thread that writes records: {0}; raise the limit of threads of the daemon's user")]
    Thread(std::io::Error),
}
