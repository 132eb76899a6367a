//! Why a list was refused.

use std::path::PathBuf;

use thiserror::Error;

use super::form::Form;
use crate::trusted_path::AccessError;

/// Why a list was refused.
#[derive(Debug, Error)]
pub(crate) enum SetFileError {
    /// The file cannot be read, or others could change it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The file is not text.
    #[error("{path}:{line}: the file is not UTF-8; save it as UTF-8, with one address or network a line")]
    NotText {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The list has another format.
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
    /// Lines of the file are wrong.
    #[error("{}", .0.join("\n"))]
    Lines(Vec<String>),
    #[error("{0} is being written; ctwarden reads it once it stops changing")]
    Unsettled(PathBuf),
}
