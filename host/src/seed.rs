//! Random keys of hashes.

use std::io;

use ctwarden_replica::Seed;
use rustix::rand::{GetRandomFlags, getrandom};

/// Returns a random seed. Senders of packets choose addresses and ports, and must not be able to predict the slots of
/// flows and keys in indexes.
pub(crate) fn random() -> io::Result<Seed> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    let (low, high) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Ok(Seed([word(low), word(high)]))
}
