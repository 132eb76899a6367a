//! Why a list was refused.

use std::path::PathBuf;

use ctwarden_feeds::ListError;
use thiserror::Error;

use crate::trusted_path::AccessError;

/// Why a list was refused.
#[derive(Debug, Error)]
pub(crate) enum SetFileError {
    /// The file cannot be read, or others could change it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The content is wrong.
    #[error(transparent)]
    List(#[from] ListError),
    #[error("{0} is being written; it is taken as soon as nobody has changed it for a moment")]
    Unsettled(PathBuf),
}
