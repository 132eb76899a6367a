//! Conversion of a port or a range of ports to the WIT.

use crate::Ports;
use crate::bindings::ctwarden::conntrack::types as wit;

impl From<Ports> for wit::PortRange {
    fn from(ports: Ports) -> Self {
        Self { first: ports.first, last: ports.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_number_or_range() {
        let read: Vec<Ports> = serde_json::from_str("[22, \"80\", \"8000-8999\"]").unwrap();
        assert_eq!(read, [22.into(), 80.into(), (8000..=8999).into()]);
        assert_eq!(read.iter().map(Ports::to_string).collect::<Vec<_>>(), ["22", "80", "8000-8999"]);
        assert!(read[2].contains(8000) && read[2].contains(8999) && !read[2].contains(9000));
        assert!(serde_json::from_str::<Ports>("65536").is_err() && serde_json::from_str::<Ports>("22.5").is_err());
    }
}
