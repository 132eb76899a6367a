//! Services: which flows belong to a service, and what these flows get.

use std::net::IpAddr;

use ctwarden_sdk::prelude::*;

use crate::config::{Change, Rule};

/// A rule that passed its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    rule: Rule,
    change: Change,
}

impl Service {
    /// Checks the rule and makes a service of it.
    pub(crate) fn new(mut rule: Rule) -> Result<Self, Refusal> {
        let letters = rule.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !letters || rule.name.is_empty() || rule.name.len() > 64 {
            return Err("a name is 1 to 64 letters, digits or -".into());
        }
        if !rule.ports.is_empty() && rule.protocols.iter().any(|protocol| !protocol.has_ports()) {
            return Err("one of its protocols has no ports; split it into two rules".into());
        }
        let change = Change { mark: rule.mark.take(), labels: std::mem::take(&mut rule.labels) };
        check(&change)?;
        Ok(Self { rule, change })
    }

    pub(crate) fn name(&self) -> &str {
        &self.rule.name
    }

    /// Returns the mark and labels that the flows get.
    pub(crate) const fn change(&self) -> &Change {
        &self.change
    }

    /// Whether a flow belongs to the service.
    pub(crate) fn holds(&self, flow: &Asked<'_>) -> bool {
        self.holds_directly(flow) || self.rule.related && self.holds_master(flow)
    }

    fn holds_directly(&self, asked: &Asked<'_>) -> bool {
        let flow = asked.flow;
        any(&self.rule.protocols, |protocol| *protocol == flow.protocol())
            && any(&self.rule.ports, |ports| flow.dst_port().is_some_and(|port| ports.contains(port)))
            && self.holds_addresses(flow.src(), flow.dst())
            && self.rule.helper.as_deref().is_none_or(|helper| asked.helper() == Some(helper))
    }

    fn holds_master(&self, asked: &Asked<'_>) -> bool {
        let Some(FlowTuple { protocol, endpoints }) = asked.master() else { return false };
        any(&self.rule.protocols, |wanted| *wanted == protocol)
            && any(&self.rule.ports, |ports| protocol.has_ports() && ports.contains(endpoints.dst_port))
            && self.holds_addresses(endpoints.src, endpoints.dst)
    }

    fn holds_addresses(&self, src: IpAddr, dst: IpAddr) -> bool {
        any(&self.rule.from, |network| network.contains(src)) && any(&self.rule.to, |network| network.contains(dst))
    }

    /// Returns the filters of the subscription that match every flow of the service.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let rule = &self.rule;
        let filter = rule.protocols.iter().fold(Filter::new(), |filter, protocol| filter.protocol(*protocol));
        let filter = rule.ports.iter().fold(filter, |filter, ports| filter.dst_port(*ports));
        let filter = rule.from.iter().fold(filter, |filter, network| filter.from(*network));
        let filter = rule.to.iter().fold(filter, |filter, network| filter.to(*network));
        let related = rule.related.then(|| Filter::new().status(Status::EXPECTED));
        [Some(filter), related].into_iter().flatten().collect()
    }
}

/// Checks that a change changes something and that its label bits exist.
pub(crate) fn check(change: &Change) -> Result<(), Refusal> {
    if change.mark.is_none() && change.labels.is_empty() {
        return Err("neither a mark nor labels are given; write one of them".into());
    }
    match change.labels.iter().find(|bit| **bit > 127) {
        Some(bit) => Err(format!("label {bit}: the bits are numbered 0 to 127").into()),
        None => Ok(()),
    }
}

fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

/// A flow, with what the host reported about it. The host is asked only once, and only if a rule needs the attribute.
pub(crate) struct Asked<'a> {
    pub(crate) flow: &'a Flow<'a>,
    helper: std::cell::OnceCell<Option<String>>,
    master: std::cell::OnceCell<Option<FlowTuple>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(flow: &'a Flow<'a>) -> Self {
        Self { flow, helper: Default::default(), master: Default::default() }
    }

    fn helper(&self) -> Option<&str> {
        self.helper.get_or_init(|| self.flow.helper()).as_deref()
    }

    fn master(&self) -> Option<FlowTuple> {
        *self.master.get_or_init(|| self.flow.master())
    }
}
