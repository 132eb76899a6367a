//! Why a list was not taken.

use std::path::PathBuf;

use thiserror::Error;

use super::form::Form;
use crate::trusted_path::AccessError;

/// Why a list was not taken.
#[derive(Debug, Error)]
pub(crate) enum SetFileError {
    /// The file cannot be read or others could change it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is no text.
    #[error("{path}:{line}: not UTF-8; save the file in that encoding, with one address or network a line")]
    NotText {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It is a list of another form.
    #[error(
        "{path}:{line}: this looks like {form} (format \"{}\"), and this version reads plain lists only; write one address \
         or network a line",
        form.name()
    )]
    Form {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        form: Form,
    },
    /// Lines of it are wrong.
    #[error("{}", .0.join("\n"))]
    Lines(Vec<String>),
    #[error("{0} is being written; it is taken as soon as nobody has changed it for a moment")]
    Unsettled(PathBuf),
}
