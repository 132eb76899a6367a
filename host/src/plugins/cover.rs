//! Gaps of `[[protect]]` sections that their wording may hide.

use ctwarden_model::Filter;

/// Returns what a `[[protect]]` without an address leaves unprotected if a policy may block.
pub(super) fn without_address(protected: &[Filter]) -> Option<String> {
    let named = |filter: &Filter| filter.listed_networks().next().is_some();
    let index = protected.iter().position(|filter| !named(filter))?;
    Some(format!(
        "protect[{index}] names no address: no plugin ends or changes its flows, but a block of a peer drops their \
         packets; name the hosts that must stay reachable (either = [\"192.0.2.1\"])"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::one_filter;

    #[test]
    fn a_protection_without_an_address_is_named() {
        let addressed = || one_filter("reply-src = [\"192.0.2.1\"], dst-ports = [22]").unwrap();
        assert_eq!(without_address(&[addressed()]), None);
        assert_eq!(without_address(&[]), None);
        let said = without_address(&[addressed(), one_filter("dst-ports = [22]").unwrap()]).unwrap();
        assert!(said.starts_with("protect[1] names no address: no plugin ends or changes its flows"), "{said}");
    }
}
