//! The bits of entropy-coded data.

#![expect(clippy::inline_always, reason = "calls cost more than what is called")]

/// Reads bits, the most significant first. Ends at the first marker; after that, there are zeros, which are counted.
///
/// The hot loop works on a copy, and what is seldom needed on a copy of that, so that its fields stay in registers.
#[derive(Clone, Debug)]
pub(super) struct Stream<'a> {
    bytes: &'a [u8],
    /// Place of the next byte.
    at: usize,
    /// No byte before this place, from `at` on, is 0xff, the first byte of all markers and stuffing.
    plain: usize,
    /// The next bits, at the upper end. Below `count` of them, there may be more that are read again.
    buffer: u64,
    count: u32,
    /// Bytes that were made up.
    missing: u32,
}

impl<'a> Stream<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, plain: 0, buffer: 0, count: 0, missing: 0 }
    }

    /// Makes at least 32 bits available: the longest code, and the longest number that can follow it.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.at + 8 <= self.plain
            && let Some(word) = self.bytes[self.at..].first_chunk()
        {
            // As many whole bytes as have room are counted in. The rest of the word is read again, onto the same bits.
            self.buffer |= u64::from_be_bytes(*word) >> self.count;
            self.at += (63 - self.count as usize) / 8;
            self.count |= 0x38;
        } else if self.count < 32 {
            let mut copy = self.clone();
            copy.refill_bytewise();
            *self = copy;
        }
    }

    #[cold]
    #[inline(never)]
    fn refill_bytewise(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes[self.at..] {
                [0xff, 0, ..] => {
                    self.at += 2;
                    0xff
                }
                [] | [0xff, ..] => {
                    self.missing += 1;
                    0
                }
                [byte, ..] => {
                    self.at += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        if self.at >= self.plain {
            let rest = &self.bytes[self.at..];
            self.plain = self.at + rest.iter().position(|&byte| byte == 0xff).unwrap_or(rest.len());
        }
    }

    /// The next `n` bits, at least one and at most 32, as a number.
    #[inline(always)]
    pub(super) fn peek(&self, n: u32) -> usize {
        (self.buffer >> (64 - n)) as usize
    }

    /// Steps over `n` bits, at most as many as are available.
    #[inline(always)]
    pub(super) fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n;
    }

    /// Whether bits were used that the data do not have.
    pub(super) fn is_exhausted(&self) -> bool {
        8 * self.missing > self.count
    }

    /// Steps over a restart marker, which must be next; `None` if it is not.
    pub(super) fn restart(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        if fill == 0 || !matches!(rest.get(fill), Some(0xd0..=0xd7)) || self.is_exhausted() {
            return None;
        }
        *self = Self { at: self.at + fill + 1, ..Self::new(self.bytes) };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_around_stuffing_and_end_at_a_marker() {
        let mut data: Vec<u8> = (0..40).collect();
        data[13] = 0xff;
        data.insert(14, 0);
        let plain: Vec<u8> = data.iter().enumerate().filter(|&(i, _)| i != 14).map(|(_, &b)| b).collect();
        data.extend([0xff, 0xd3, 0xab]);
        for step in 1..=16 {
            let mut stream = Stream::new(&data);
            for bit in (0..plain.len() * 8 - step).step_by(step) {
                stream.refill();
                let expected =
                    (bit..bit + step).fold(0, |n, i| 2 * n + (plain[i / 8] >> (7 - i % 8) & 1) as usize);
                assert_eq!(stream.peek(step as u32), expected, "{step} bits from {bit}");
                stream.skip(step as u32);
            }
            assert!(!stream.is_exhausted());
        }
        let mut stream = Stream::new(&data);
        assert!(stream.restart().is_none(), "no marker there");
        for _ in 0..plain.len() {
            stream.refill();
            stream.skip(8);
        }
        stream.refill();
        stream.restart().unwrap();
        stream.refill();
        assert_eq!(stream.peek(8), 0xab);
        stream.skip(8);
        assert!(!stream.is_exhausted());
        stream.refill();
        stream.skip(1);
        assert!(stream.is_exhausted());
    }
}
