//! Every captured message, cut and with changed bits. Decoding never panics and never reads beyond the bytes.

use crate::entry_file;
use crate::messages::check as fuzz_one;

#[test]
fn cut_at_each_shorter_length() {
    for file in entry_file::all() {
        let bytes = file.bytes();
        for length in 0..bytes.len() {
            fuzz_one(&bytes[..length]);
        }
    }
}

#[test]
fn cut_with_a_header_that_agrees() {
    // The framing refuses a message that is cut. Here the header claims the shorter length, so the attributes are cut.
    for file in entry_file::all() {
        for message in &file.messages {
            for length in 16..message.len() {
                let mut cut = message[..length].to_vec();
                cut[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
                fuzz_one(&cut);
            }
        }
    }
}

#[test]
fn each_byte_bent() {
    for file in entry_file::all() {
        for message in &file.messages {
            let mut bent = message.clone();
            for at in 0..message.len() {
                for bits in [0x01, 0x80, 0xff] {
                    bent[at] ^= bits;
                    fuzz_one(&bent);
                    bent[at] ^= bits;
                }
            }
        }
    }
}

#[test]
fn seeds_of_the_fuzzer_are_the_corpus() {
    // cargo-fuzz needs plain files. They are made from the captures, and this test checks that they are equal. To write
    // them again: `CTWARDEN_WRITE_SEEDS=1 cargo test -p ctwarden-wire --test captured seeds`.
    let seeds = entry_file::folder().join("../../fuzz/corpus/messages");
    for file in entry_file::all() {
        let seed = seeds.join(file.name());
        if std::env::var_os("CTWARDEN_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(&seeds).unwrap();
            std::fs::write(&seed, file.bytes()).unwrap();
        }
        let seed = std::fs::read(&seed).unwrap_or_else(|error| panic!("{}: {error}", seed.display()));
        assert!(seed == file.bytes(), "the fuzzer's seed {} is not the capture; write the seeds again", file.name());
    }
}
