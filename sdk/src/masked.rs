//! Conversion of a value under a mask to the WIT.

use crate::Masked;
use crate::bindings::ctwarden::conntrack::types as wit;

impl From<Masked> for wit::Masked {
    fn from(masked: Masked) -> Self {
        Self { value: masked.value(), mask: masked.mask() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_may_write_a_number_or_text() {
        assert_eq!(serde_json::from_str::<Masked>("7").unwrap(), 7.into());
        assert_eq!(serde_json::from_str::<Masked>("\"0x10/0xff\"").unwrap(), Masked::new(0x10, 0xff).unwrap());
        assert!(serde_json::from_str::<Masked>("-1").is_err() && serde_json::from_str::<Masked>("4294967296").is_err());
    }
}
