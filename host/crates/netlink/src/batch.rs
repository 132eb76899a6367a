//! A batch of requests for one send.

/// Requests in one buffer, with consecutive sequence numbers.
///
/// A batch belongs to no socket, so one thread can write requests while another thread sends.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Sequence number of the first request of all sends.
    begin: u32,
    /// Sequence number of the first request.
    first: u32,
    count: u32,
}

/// Number of sequence numbers that a batch uses before the numbers start again.
const NUMBERS: u32 = 1 << 30;

/// The sequence numbers of requests that were sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    first: u32,
    count: u32,
}

impl Sent {
    /// Returns the place of the request with this sequence number, counted from 0.
    pub(crate) fn place(self, sequence: u32) -> Option<usize> {
        let place = sequence.wrapping_sub(self.first);
        (place < self.count).then(|| usize::try_from(place).unwrap_or(usize::MAX))
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    #[must_use]
    pub const fn new() -> Self {
        // Events have the sequence number 0.
        Self::numbered_from(1)
    }

    /// Creates a batch for requests that are sent alone. No other batch has these numbers, so a late answer to a single
    /// request is never taken for the answer to a request of a batch.
    pub(crate) const fn of_single_requests() -> Self {
        Self::numbered_from(1 << 31)
    }

    const fn numbered_from(begin: u32) -> Self {
        Self { bytes: Vec::new(), begin, first: begin, count: 0 }
    }

    /// Number of requests in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a request. `write` appends it with the sequence number that it receives. The place of the request is the
    /// number of requests before it.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) {
        let sequence = self.next_sequence();
        write(&mut self.bytes, sequence);
        self.count = self.count.saturating_add(1);
    }

    /// Sequence number of the next request that is pushed.
    #[must_use]
    pub const fn next_sequence(&self) -> u32 {
        self.first.wrapping_add(self.count)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes the requests, which were sent, and keeps the buffer's capacity.
    pub(crate) fn begin_anew(&mut self) -> Sent {
        let sent = Sent { first: self.first, count: self.count };
        let next = self.next_sequence();
        self.first = if next.wrapping_sub(self.begin) > NUMBERS { self.begin } else { next };
        self.count = 0;
        self.bytes.clear();
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_found_at_its_place_by_its_number() {
        let mut batch = Batch::new();
        for _ in 0..3 {
            let mut numbers = Vec::new();
            (0..3).for_each(|_| batch.push(|_, sequence| numbers.push(sequence)));
            assert_eq!((batch.len(), batch.is_empty()), (3, false));
            let sent = batch.begin_anew();
            assert_eq!(
                numbers.iter().map(|number| sent.place(*number)).collect::<Vec<_>>(),
                [Some(0), Some(1), Some(2)]
            );
            assert_eq!([0, batch.next_sequence()].map(|number| sent.place(number)), [None; 2]);
        }
    }

    #[test]
    fn numbers_begin_anew_before_they_are_those_of_events_or_of_another_batch() {
        for new in [Batch::new, Batch::of_single_requests] {
            let begin = new().next_sequence();
            let mut batch = Batch { first: begin + NUMBERS - 1, ..new() };
            let mut numbers = Vec::new();
            for _ in 0..3 {
                (0..2).for_each(|_| batch.push(|_, sequence| numbers.push(sequence)));
                batch.begin_anew();
            }
            let last = begin + NUMBERS;
            assert_eq!(numbers, [last - 1, last, begin, begin + 1, begin + 2, begin + 3]);
        }
    }
}
