//! Why a list was refused.

use alloc::string::String;
use alloc::vec::Vec;

use thiserror::Error;

use crate::form::Form;

/// Why a list was refused.
#[derive(Debug, Error)]
pub enum ListError {
    /// The file is not text.
    #[error("{path}:{line}: not UTF-8; save the file in that encoding, with one address or network a line")]
    NotText {
        path: String,
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
        path: String,
        /// The line, from 1.
        line: usize,
        form: Form,
    },
    /// Lines of the file are wrong.
    #[error("{}", .0.join("\n"))]
    Lines(Vec<String>),
}
