//! What the meaning of a command line depends on besides its words.
//!
//! Names of protocols and labels are in files, and this crate reads no files.

use alloc::string::String;

use ctwarden_model::Protocol;

use crate::LabelMap;

pub trait Environment {
    /// The protocol with that name or alias in `/etc/protocols`, case-sensitive (getprotobyname(3)).
    fn protocol_named(&self, name: &str) -> Option<Protocol>;

    /// The first name of the protocol in `/etc/protocols` (getprotobynumber(3)).
    fn name_of_protocol(&self, protocol: Protocol) -> Option<String>;

    /// The label names in that file, or in `/etc/xtables/connlabel.conf`.
    ///
    /// # Errors
    /// If the file cannot be read: the system's error text (strerror(3)).
    fn label_map(&self, path: Option<&str>) -> Result<LabelMap, String>;
}
