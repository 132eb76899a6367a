//! The frames of the stream between the daemon and the process that loads a component: a value and bytes, each after
//! its length.
//!
//! One side handles untrusted bytes. Every length is checked before its content is read.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of a value, and most bytes of the payload.
#[derive(Clone, Copy)]
pub(super) struct FrameLimits {
    value: u32,
    payload: u32,
}

impl FrameLimits {
    /// Limits for the process's messages: a lookup of 4 MiB of addresses, which are text here; a value of the plugin's
    /// memory.
    pub(super) const OF_LOADER: Self = Self { value: 16 << 20, payload: 8 << 20 };
    /// Limits for the daemon's messages: values for as many addresses; a component or a configuration.
    pub(super) const OF_DAEMON: Self = Self { value: 64 << 20, payload: 128 << 20 };
}

/// Writes a value and bytes.
pub(super) fn write(stream: &mut impl Write, value: &impl Serialize, payload: &[u8]) -> io::Result<()> {
    let value = serde_json::to_vec(value)?;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    let mut head = length(&value)?.to_le_bytes().to_vec();
    head.extend(length(payload)?.to_le_bytes());
    head.extend(value);
    stream.write_all(&head)?;
    stream.write_all(payload)
}

/// Reads a value and bytes.
pub(super) fn read<T: DeserializeOwned>(stream: &mut impl Read, bounds: FrameLimits) -> io::Result<(T, Vec<u8>)> {
    let (value, payload) = (length(stream)?, length(stream)?);
    if value > bounds.value || payload > bounds.payload {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let value = bytes(stream, value)?;
    Ok((serde_json::from_slice(&value)?, bytes(stream, payload)?))
}

fn length(stream: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Reads bytes into a buffer that grows with the received data, so a length alone costs nothing.
fn bytes(stream: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = stream.take(u64::from(length)).read_to_end(&mut bytes)?;
    if u32::try_from(read).is_ok_and(|read| read == length) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: FrameLimits = FrameLimits { value: 100, payload: 100 };

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Vec::new();
        write(&mut stream, &("a", 1), b"payload").unwrap();
        write(&mut stream, &(), b"").unwrap();
        let mut stream = &stream[..];
        assert_eq!(read::<(String, u8)>(&mut stream, SMALL).unwrap(), (("a".to_owned(), 1), b"payload".to_vec()));
        assert_eq!(read::<()>(&mut stream, SMALL).unwrap(), ((), Vec::new()));
        assert_eq!(read::<()>(&mut stream, SMALL).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        for lengths in [[101, 0], [0, 101], [u32::MAX, u32::MAX]] {
            let stream: Vec<u8> = lengths.into_iter().flat_map(u32::to_le_bytes).collect();
            let error = read::<()>(&mut &stream[..], SMALL).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{lengths:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read::<Vec<String>>(&mut &bytes[..], SMALL);
        }
    }
}
