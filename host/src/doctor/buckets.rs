//! Buckets of the hash table, which all network namespaces share.

use serde::Serialize;

use super::finding::Finding;
use super::setting;

const NAME: &str = "net.netfilter.nf_conntrack_buckets";

/// Average number of entries in a bucket of a full table up to which a lookup is quick. The kernel's own ratio is 1,
/// and was 4 or 8 in older kernels; every entry is in the table twice, once for each direction.
const ENTRIES_IN_BUCKET: u64 = 8;

/// Nanoseconds of a dump for each bucket, empty or not; measured on Linux 6.18.
const DUMP_NANOSECONDS: u64 = 40;

/// Number of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Buckets {
    pub(super) buckets: Option<u64>,
}

impl Buckets {
    pub(super) fn read() -> Self {
        Self { buckets: setting::read(NAME) }
    }

    /// `maximum` is `nf_conntrack_max`.
    pub(super) fn judge(self, maximum: Option<u64>) -> Finding {
        let name = "buckets";
        let Some(buckets @ 1..) = self.buckets else {
            return Finding::note(name, "unknown", "the kernel does not show how many buckets its hash table has");
        };
        let milliseconds = buckets.saturating_mul(DUMP_NANOSECONDS) / 1_000_000;
        let shared = format!(
            "all network namespaces share them, and each sweep of the table walks over all of them: about \
             {milliseconds} ms even if the table is empty"
        );
        let value = format!("{buckets} buckets");
        match maximum {
            Some(maximum) if maximum / buckets > ENTRIES_IN_BUCKET => Finding::note(
                name,
                value,
                format!(
                    "a full table has {} entries in each, so the lookup of every packet is slow; {shared}",
                    maximum / buckets
                ),
            )
            .change(setting::command(NAME, maximum)),
            Some(_) | None => Finding::good(name, value, shared),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn too_few_buckets_for_the_maximum_are_told() {
        let judge = |buckets, maximum| Buckets { buckets }.judge(maximum);
        assert_eq!(judge(Some(65_536), Some(65_536)).verdict, Verdict::Good);
        assert_eq!(judge(Some(65_536), Some(8 * 65_536)).verdict, Verdict::Good);
        assert!(judge(Some(262_144), None).follows.contains("about 10 ms"));
        let few = judge(Some(1024), Some(1_000_000));
        assert!(few.verdict == Verdict::Note && few.follows.contains("976 entries in each"), "{few:?}");
        assert!(few.change.unwrap().ends_with("sysctl -w net.netfilter.nf_conntrack_buckets=1000000"));
        assert_eq!(judge(None, Some(1)).verdict, Verdict::Note);
        assert_eq!(judge(Some(0), Some(1)).verdict, Verdict::Note);
    }
}
