//! Huffman codes of coefficients: a run of zeros, and the number after it.

#![expect(clippy::inline_always, reason = "calls cost more than what is called")]

use super::stream::Stream;

/// Bits that are looked up at once. Nearly all codes of photographs, with the bits of their number, are shorter.
const LOOK: u32 = 10;

/// A run that leads beyond the end of every block.
const END_OF_BLOCK: u8 = 64;

/// What a code says of the coefficients of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bits that this took; none if the table does not know.
    bits: u8,
    /// Coefficients that are zero before the number; so many that the block ends, if there is no number.
    pub(super) run: u8,
    /// The number.
    pub(super) value: i16,
}

/// A Huffman table, by the next bits.
#[derive(Debug)]
pub(super) struct Table {
    steps: Box<[Step; 1 << LOOK]>,
    /// For each length of codes: the first 16-bit word that is beyond all codes of the length, and what is added to a code to have
    /// the place of its symbol.
    lengths: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length, 1 to 16, and their symbols; `None` if there are more codes than fit.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut steps = Box::new([Step::default(); 1 << LOOK]);
        let mut lengths = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16 {
            lengths[length as usize].1 = place as i32 - code as i32;
            for _ in 0..counts[length as usize - 1] {
                let symbol = *symbols.get(place)?;
                if code >> length != 0 {
                    return None;
                }
                if length <= LOOK {
                    let free = LOOK - length;
                    let all = &mut steps[(code << free) as usize..][..1 << free];
                    for (rest, step) in all.iter_mut().enumerate() {
                        *step = Step::known(symbol, length, free, rest as u32);
                    }
                }
                code += 1;
                place += 1;
            }
            lengths[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        Some(Self { steps, lengths, symbols: symbols[..place].to_vec() })
    }

    /// The next step; `None` if no code begins like this.
    #[inline(always)]
    pub(super) fn next(&self, stream: &mut Stream<'_>) -> Option<Step> {
        stream.refill();
        let step = self.steps[stream.peek(LOOK)];
        if step.bits == 0 {
            let mut copy = stream.clone();
            let step = self.next_slowly(&mut copy);
            *stream = copy;
            return step;
        }
        stream.skip(u32::from(step.bits));
        Some(step)
    }

    #[inline(never)]
    fn next_slowly(&self, stream: &mut Stream<'_>) -> Option<Step> {
        let word = stream.peek(16) as u32;
        let length = (1..=16).find(|&length: &u32| word < self.lengths[length as usize].0)?;
        let place = (word >> (16 - length)) as i32 + self.lengths[length as usize].1;
        let symbol = *self.symbols.get(usize::try_from(place).ok()?)?;
        stream.skip(length);
        let size = u32::from(symbol & 15);
        if size == 0 {
            return Some(Step::without_number(symbol, 0));
        }
        let number = stream.peek(size) as i32;
        stream.skip(size);
        Some(Step { bits: 0, run: symbol >> 4, value: signed(number, size) })
    }
}

impl Step {
    /// The step of a code of `length` bits that is followed by the `free` bits `rest`; unknown if its number needs more of them.
    fn known(symbol: u8, length: u32, free: u32, rest: u32) -> Self {
        let size = u32::from(symbol & 15);
        if size == 0 {
            return Self::without_number(symbol, length as u8);
        }
        if size > free {
            return Self::default();
        }
        let value = signed((rest >> (free - size)) as i32, size);
        Self { bits: (length + size) as u8, run: symbol >> 4, value }
    }

    /// Sixteen zeros, or the end of the block.
    fn without_number(symbol: u8, bits: u8) -> Self {
        Self { bits, run: if symbol == 0xf0 { 15 } else { END_OF_BLOCK }, value: 0 }
    }
}

/// Numbers of `size` bits that begin with 0 are the negative ones.
fn signed(number: i32, size: u32) -> i16 {
    if number >> (size - 1) == 0 { (number + 1 - (1 << size)) as i16 } else { number as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Annex K of the JPEG standard, table K.5 as far as codes of eleven bits: all kinds of steps.
    #[test]
    fn codes_are_read_with_their_numbers() {
        let counts = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 0, 0, 0, 0, 0];
        let symbols = [
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
            0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
        ];
        let table = Table::new(&counts, &symbols).unwrap();
        // 01|10: 2 | 100|001: -6 | 1111111000|0000000: -127 would need symbol 0x07's eight bits: 11111000|0000000 | 11111111001|:
        // sixteen zeros | 1100|0: run 1, -1 | 1010: end.
        let bits = "0110".to_owned() + "100001" + "111110000000000" + "11111111001" + "11000" + "1010";
        let bytes: Vec<u8> = format!("{bits:0<64}")
            .as_bytes()
            .chunks(8)
            .map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap())
            .collect();
        let mut stream = Stream::new(&bytes);
        let steps: Vec<(u8, i16)> =
            (0..6).map(|_| table.next(&mut stream).unwrap()).map(|step| (step.run, step.value)).collect();
        assert_eq!(steps, [(0, 2), (0, -6), (0, -127), (15, 0), (1, -1), (64, 0)]);
        assert!(table.next(&mut Stream::new(&[0xff, 0, 0xff, 0])).is_none(), "no code is all ones");
        assert!(Table::new(&[3; 16], &symbols).is_none());
    }
}
