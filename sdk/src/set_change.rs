//! What changed in an address set.

use crate::bindings::ctwarden::conntrack::types;
use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::member::{Member, Service};
use crate::{Filter, Prefix};

/// A change of an operator-named address set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetChange {
    set: String,
    added: Option<Vec<Member>>,
}

impl SetChange {
    /// Returns the name of the set.
    #[must_use]
    pub fn set(&self) -> &str {
        &self.set
    }

    /// Returns the members that are new in the set or have a new value. `None` if they are not listed, because they are too
    /// many: then every member of the set may be new.
    #[must_use]
    pub fn added(&self) -> Option<&[Member]> {
        self.added.as_deref()
    }

    /// Returns filters that together match the flows in `scope` with an address that a change added. There is none if
    /// networks were only removed.
    ///
    /// A filter names the added members where the host lists them, and otherwise the set. So a policy that acts on the
    /// addresses of its sets, such as a list of bans, looks for few flows after a small change.
    ///
    /// ```
    /// # use ctwarden_sdk::prelude::*;
    /// fn sets_changed(changes: &[SetChange]) -> Verdicts {
    ///     let added = SetChange::filters(changes, &Filter::new());
    ///     added.into_iter().map(|flows| sweep().on(flows).because("set-changed", SetChange::names(changes))).collect()
    /// }
    /// ```
    #[must_use]
    pub fn filters(changes: &[Self], scope: &Filter) -> Vec<Filter> {
        let unlisted: Vec<&Self> = changes.iter().filter(|change| change.added.is_none()).collect();
        let added = || changes.iter().filter_map(Self::added).flatten().copied();
        let added_networks: Vec<Prefix> =
            added().filter(|member| member.service().is_none()).map(Member::network).collect();
        let of_services = added().filter(|member| member.service().is_some()).map(|member| member.flows(scope));
        let of_sets = unlisted.iter().fold(scope.clone(), |filter, change| filter.in_set(change.set()));
        let of_networks = added_networks.iter().fold(scope.clone(), |filter, network| filter.either(*network));
        let of_sets = (!unlisted.is_empty()).then_some(of_sets);
        let of_networks = (!added_networks.is_empty()).then_some(of_networks);
        of_sets.into_iter().chain(of_networks).chain(of_services).collect()
    }

    /// Returns the names of the changed sets, for people.
    #[must_use]
    pub fn names(changes: &[Self]) -> String {
        changes.iter().map(Self::set).collect::<Vec<_>>().join(", ")
    }
}

impl From<wit::SetChange> for SetChange {
    fn from(change: wit::SetChange) -> Self {
        let member = |given: types::Member| {
            let network = Prefix::new(given.network.address.into(), given.network.length).ok()?;
            Some(Member::new(network, given.service.map(Service::read)))
        };
        // A network that the host cannot have is not listed, so the whole set may have changed.
        let added = change.added.and_then(|added| added.into_iter().map(member).collect());
        Self { set: change.set, added }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flow;
    use crate::{Entry, Flow, Protocol, Timestamp};

    fn change(set: &str, added: Option<&[&str]>) -> SetChange {
        let member = |text: &&str| Member::new(text.parse().unwrap(), None);
        SetChange { set: set.to_owned(), added: added.map(|texts| texts.iter().map(member).collect()) }
    }

    fn matches(filter: &Filter, src: &str) -> bool {
        let entry = Entry::from_wit(flow().from(src).record());
        filter.matches(&Flow::new(&entry, 0, Timestamp(0)))
    }

    #[test]
    fn what_is_listed_is_looked_for_and_else_the_whole_set() {
        let changes = [
            change("a", Some(&["192.0.2.0/24"])),
            change("b", Some(&["203.0.113.7"])),
            change("quiet", Some(&[])),
            change("long", None),
        ];
        let filters = SetChange::filters(&changes, &Filter::new().tcp());
        let [of_sets, of_networks] = filters.as_slice() else { panic!("{filters:?}") };
        assert_eq!((of_sets.sets(), of_networks.sets()), (&["long".to_owned()][..], &[][..]));
        assert!(matches(of_networks, "192.0.2.200") && matches(of_networks, "203.0.113.7"));
        assert!(!matches(of_networks, "203.0.113.8"));
        assert_eq!(SetChange::filters(&changes[2..3], &Filter::new()), [], "nothing was added");
        assert_eq!(SetChange::names(&changes), "a, b, quiet, long");
    }

    #[test]
    fn of_a_service_only_its_flows_are_looked_for() {
        let ssh = Service::new(Protocol::TCP, 22);
        let member = Member::new("192.0.2.7".parse().unwrap(), Some(ssh));
        let change = SetChange { set: "a".to_owned(), added: Some(vec![member]) };
        let filters = SetChange::filters(&[change], &Filter::new());
        assert_eq!(filters, [Filter::new().either("192.0.2.7".parse::<Prefix>().unwrap()).tcp().dst_port(22)]);
    }
}
