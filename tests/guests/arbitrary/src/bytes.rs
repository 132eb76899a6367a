//! Makes values from bytes: numbers in order, and zeros after the end.

/// The bytes that are left.
pub(crate) struct Bytes(std::vec::IntoIter<u8>);

impl Bytes {
    /// Each character stands for the byte with its number. Characters above 255 lose their upper bits.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.chars().map(|char| (u32::from(char) & 0xff) as u8).collect::<Vec<u8>>().into_iter())
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or_default()
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub(crate) fn port(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A list whose length a byte gives. The list ends early when the bytes run out.
    pub(crate) fn list<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut values = Vec::new();
        for _ in 0..self.byte() {
            if self.0.as_slice().is_empty() {
                break;
            }
            values.push(value(self));
        }
        values
    }

    pub(crate) fn option<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Option<T> {
        if self.byte() & 1 == 0 { None } else { Some(value(self)) }
    }

    /// A text that may contain control and direction characters. A byte can make it long.
    pub(crate) fn text(&mut self) -> String {
        let text: String = self.list(|bytes| char::from_u32(bytes.port().into()).unwrap_or('?')).into_iter().collect();
        match self.byte() {
            0xff => text.repeat(4096),
            _ => text,
        }
    }
}
