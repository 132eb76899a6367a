//! The form of a line, by its first characters.

use super::summary::before_summary;

/// The form of a line, by its first characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// Nothing, or a comment that starts with `#`.
    Blank,
    /// The command's summary after a list: the number of entries shown.
    Summary,
    /// An object of [`crate::json`].
    Json,
    /// A command line of [`crate::save`]; [`crate::command`] reads it.
    Save,
    /// XML, which is not read.
    Xml,
    /// Text of `conntrack` or of `/proc`.
    Text,
}

impl LineForm {
    #[must_use]
    pub fn of(line: &str) -> Self {
        match line.trim_ascii_start().as_bytes().first() {
            None | Some(b'#') => Self::Blank,
            Some(b'{') => Self::Json,
            Some(b'-') => Self::Save,
            Some(b'<') => Self::Xml,
            Some(b'c') if before_summary(line).is_some_and(|before| before.trim_ascii().is_empty()) => Self::Summary,
            Some(_) => Self::Text,
        }
    }
}
