//! What a command line's meaning depends on beside its words.
//!
//! Names of protocols and labels are in files, and this crate reads none.

use alloc::string::String;

use ctwarden_model::Protocol;

use crate::LabelMap;

pub trait Environment {
    /// The protocol of a name or alias of `/etc/protocols`, case and all (getprotobyname(3)).
    fn protocol_named(&self, name: &str) -> Option<Protocol>;

    /// The first name of the protocol in `/etc/protocols` (getprotobynumber(3)).
    fn name_of_protocol(&self, protocol: Protocol) -> Option<String>;

    /// The label names in that file, or in `/etc/xtables/connlabel.conf`.
    ///
    /// # Errors
    /// Where it cannot be read: the system's words for why (strerror(3)).
    fn label_map(&self, path: Option<&str>) -> Result<LabelMap, String>;
}
