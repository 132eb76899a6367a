//! Where address sets are mirrored in the packet filter: `firewall`, `table`, `ipv4` and `ipv6` of `[sets.NAME]`, and the
//! `[block.NAME]` sections.

use std::collections::BTreeMap;
use std::ops::Range;

use ctwarden_model::SetName;
use toml::Spanned;

use super::resolve::Resolver;
use super::resolved::{Mirror, OperatorsTable};
use super::word::set_name;
use super::written::{Block, Set, WrittenFirewall, WrittenKernelSet};
use crate::address_sets::AddressSet;
use crate::netlink::nftables::managed::FilterVerdict;
use crate::set_file::{Networks, Shortest};
use crate::table_name::identifier;

/// The keys that name sets of the operator.
struct Named<'w> {
    table: &'w Spanned<String>,
    ipv4: Option<&'w Spanned<WrittenKernelSet>>,
    ipv6: Option<&'w Spanned<WrittenKernelSet>>,
}

impl Resolver<'_, '_> {
    /// Where a `[sets.NAME]` section is mirrored, if anywhere.
    pub(super) fn mirror(&mut self, key: &str, set: &Set) -> Option<Mirror> {
        let firewall = set.firewall.as_ref().and_then(|written| match written.get_ref() {
            WrittenFirewall::Whether(false) => None,
            WrittenFirewall::Whether(true) => Some((written.span(), FilterVerdict::Drop)),
            WrittenFirewall::Verdict(word) => {
                let verdict = match word.as_str() {
                    "drop" => Ok(FilterVerdict::Drop),
                    "reject" => Ok(FilterVerdict::Reject),
                    other => Err(format!("\"{other}\" is no verdict; write true, \"drop\" or \"reject\"")),
                };
                let verdict = self.keep(&written.span(), &format!("{key}.firewall"), verdict)?;
                Some((written.span(), verdict))
            }
        });
        match (firewall, &set.table) {
            (Some((place, _)), Some(_)) => {
                let what = "the table inet ctwarden or one of yours: remove firewall or table";
                self.findings.at(&place, format_args!("{key}: {what}"));
                None
            }
            (Some((_, verdict)), None) => {
                self.refuse_kernel_sets(key, [("ipv4", set.ipv4.as_ref()), ("ipv6", set.ipv6.as_ref())]);
                Some(Mirror::Managed(verdict))
            }
            (None, Some(table)) => {
                let named = Named { table, ipv4: set.ipv4.as_ref(), ipv6: set.ipv6.as_ref() };
                self.operators_table(key, &table.span(), named).map(Mirror::Operators)
            }
            (None, None) => {
                self.refuse_kernel_sets(key, [("ipv4", set.ipv4.as_ref()), ("ipv6", set.ipv6.as_ref())]);
                None
            }
        }
    }

    fn refuse_kernel_sets(&mut self, key: &str, written: [(&str, Option<&Spanned<WrittenKernelSet>>); 2]) {
        for (name, written) in written {
            if let Some(written) = written {
                let what = "names a set of your own table; add table, or remove the key";
                self.findings.at(&written.span(), format_args!("{key}.{name}: {what}"));
            }
        }
    }

    /// The `[block.NAME]` sections: sets without a list that are mirrored in sets of the operator.
    pub(super) fn block_sets(
        &mut self,
        written: &BTreeMap<Spanned<String>, Option<Block>>,
        sets: &mut BTreeMap<SetName, AddressSet>,
    ) -> BTreeMap<SetName, Mirror> {
        let mut mirrors = BTreeMap::new();
        for (name, block) in written {
            let Some(block) = block else { continue };
            let key = format!("block.{}", name.get_ref());
            let set_name = self.keep(&name.span(), &key, set_name(name.get_ref()));
            let named = Named { table: &block.table, ipv4: block.ipv4.as_ref(), ipv6: block.ipv6.as_ref() };
            let table = self.operators_table(&key, &name.span(), named);
            let (Some(set_name), Some(table)) = (set_name, table) else { continue };
            if sets.contains_key(&set_name) {
                let what = format_args!("{key}: there is [sets.{set_name}] too; write table, ipv4 and ipv6 there");
                self.findings.at(&name.span(), what);
                continue;
            }
            // What policies block is limited by their budgets.
            let shortest = Shortest { ipv4: 0, ipv6: 0 };
            sets.insert(set_name.clone(), AddressSet::of_networks(Networks::default()).with_shortest(shortest));
            mirrors.insert(set_name, Mirror::Operators(table));
        }
        mirrors
    }

    fn operators_table(&mut self, key: &str, place: &Range<usize>, named: Named<'_>) -> Option<OperatorsTable> {
        let table = self.keep(&named.table.span(), &format!("{key}.table"), named.table.get_ref().parse());
        let ipv4 = self.kernel_set(key, "ipv4", place, named.ipv4);
        let ipv6 = self.kernel_set(key, "ipv6", place, named.ipv6);
        if (&ipv4, &ipv6) == (&Some(None), &Some(None)) {
            self.findings.at(place, format_args!("{key}: names no set; write ipv4 = \"SET\", ipv6 = \"SET\" or both"));
        }
        Some(OperatorsTable { table: table?, ipv4: ipv4?, ipv6: ipv6? })
    }

    /// The name of a kernel set; the inner `None` means that there is none on purpose.
    fn kernel_set(
        &mut self,
        key: &str,
        name: &str,
        place: &Range<usize>,
        written: Option<&Spanned<WrittenKernelSet>>,
    ) -> Option<Option<String>> {
        let full = format!("{key}.{name}");
        let Some(written) = written else {
            let what = format!(
                "{full}: no set is named, so addresses of this family would not be blocked; write {name} = \"SET\", or \
                 {name} = false if that is meant"
            );
            self.findings.at(place, what);
            return None;
        };
        match written.get_ref() {
            WrittenKernelSet::Whether(false) => Some(None),
            WrittenKernelSet::Whether(true) => {
                self.findings.at(&written.span(), format_args!("{full}: write the name of the set, or false"));
                None
            }
            WrittenKernelSet::Name(text) => {
                self.keep(&written.span(), &full, identifier(text).map(|text| Some(text.to_owned())))
            }
        }
    }
}
