//! A keyed hash for tables whose keys come from packets: SipHash-1-3 over whole words.
//!
//! The sender of a packet chooses addresses and ports. Without a secret key, a sender could put all of them into one
//! slot of a table. (`core` has SipHash only in a deprecated form.)

/// The key of a hash. It is random, new at each start, and secret.
#[derive(Clone, Copy)]
pub struct Seed(pub [u64; 2]);

impl core::fmt::Debug for Seed {
    /// Omits the key, which must not appear in a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed")
    }
}

/// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") of words instead of bytes. The number of
/// words replaces the length.
#[must_use]
#[inline]
pub fn keyed_hash<const N: usize>(Seed([k0, k1]): Seed, words: [u64; N]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    for word in words {
        v = absorb(v, word);
    }
    v = absorb(v, (N as u64) << 59);
    let [a, b, c, d] = v;
    let [a, b, c, d] = round(round(round([a, b, c ^ 0xff, d])));
    a ^ b ^ c ^ d
}

/// The upper half of a hash, for tables that store 32 bits of it.
#[must_use]
#[inline]
pub const fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const fn absorb([a, b, c, d]: [u64; 4], word: u64) -> [u64; 4] {
    let [a, b, c, d] = round([a, b, c, d ^ word]);
    [a ^ word, b, c, d]
}

const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32);
    c = c.wrapping_add(b);
    a = a.wrapping_add(d);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    [a, b, c.rotate_left(32), d]
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn equals_the_siphash_of_the_same_bytes() {
        // SipHash-1-3 of 8 bytes ends in a word with the length 8 in its top byte. One word does the same here.
        #[expect(deprecated, reason = "the only SipHash in reach; it is 2-4, so that only our rounds are compared")]
        fn reference(k0: u64, k1: u64) -> core::hash::SipHasher {
            core::hash::SipHasher::new_with_keys(k0, k1)
        }
        // The same construction with 2 and 4 rounds must equal the result of `core`. `round` is shared with
        // SipHash-1-3.
        let (k0, k1, word) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1234_5678_9abc_def0_u64);
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        for word in [word, 8 << 56] {
            v[3] ^= word;
            v = round(round(v));
            v[0] ^= word;
        }
        v[2] ^= 0xff;
        let v = round(round(round(round(v))));
        let mut hasher = reference(k0, k1);
        core::hash::Hasher::write(&mut hasher, &word.to_le_bytes());
        assert_eq!(v[0] ^ v[1] ^ v[2] ^ v[3], core::hash::Hasher::finish(&hasher));
    }

    #[test]
    fn depends_on_the_key_and_on_every_word() {
        let all: BTreeSet<u64> = [
            keyed_hash(Seed([1, 2]), [0, 0]),
            keyed_hash(Seed([2, 1]), [0, 0]),
            keyed_hash(Seed([1, 2]), [1, 0]),
            keyed_hash(Seed([1, 2]), [0, 1]),
            keyed_hash(Seed([1, 2]), [0]),
        ]
        .into();
        assert_eq!(all.len(), 5);
    }
}
