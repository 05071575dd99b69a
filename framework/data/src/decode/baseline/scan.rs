//! What the segments of a file say of its only scan.

use super::huffman::Table;

/// Places of the coefficients of a block in the order of their coding, rows of eight.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A channel of the image.
#[derive(Debug)]
pub(super) struct Component {
    /// Blocks beside each other in a unit (1 or 2).
    pub(super) across: usize,
    /// Blocks above each other in a unit (1 or 2).
    pub(super) down: usize,
    /// Factors of the coefficients, rows of eight.
    pub(super) quantisation: [u16; 64],
    /// Code of the first coefficient.
    pub(super) dc: Table,
    /// Code of the other coefficients.
    pub(super) ac: Table,
}

/// The only scan of a file.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Grey; or luminance and two of colour, of which the luminance has at least as many pixels.
    pub(super) components: Vec<Component>,
    /// Units between restart markers; 0 if there are none.
    pub(super) restart: usize,
    /// The entropy-coded data, and what follows them.
    pub(super) data: &'a [u8],
}

/// How many codes of each length, 1 to 16, a Huffman table has, and their symbols.
type Code<'a> = (&'a [u8; 16], &'a [u8]);

/// What the segments before a scan say.
#[derive(Default)]
struct Segments<'a> {
    height: usize,
    width: usize,
    /// Three bytes for each component: identifier, sampling factors, quantisation table.
    frame: &'a [[u8; 3]],
    quantisation: [Option<[u16; 64]>; 4],
    /// Of the first coefficients, and of the others.
    codes: [[Option<Code<'a>>; 4]; 2],
    restart: usize,
    jfif: bool,
    /// How a program by Adobe says that the colours are transformed.
    adobe: Option<u8>,
}

impl<'a> Scan<'a> {
    /// Reads the segments; `None` if the file is not of the ordinary kind, or contradicts itself.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut segments = Segments::default();
        let mut at = 2;
        loop {
            while bytes.get(at..at + 2)? == [0xff, 0xff] {
                at += 1;
            }
            let &[0xff, marker, high, low] = bytes.get(at..)?.first_chunk()? else { return None };
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            let segment = bytes.get(at + 4..end)?;
            match marker {
                0xc0 | 0xc1 => segments.frame(segment)?,
                0xc4 => segments.huffman(segment)?,
                // Other frames: progressive, lossless, arithmetic codes; and a height that comes later.
                0xc2..=0xcf | 0xdc => return None,
                0xdb => segments.quantisation(segment)?,
                0xdd => segments.restart = usize::from(u16::from_be_bytes(*segment.first_chunk()?)),
                0xe0 if segment.starts_with(b"JFIF\0") => segments.jfif = true,
                0xee if segment.starts_with(b"Adobe") => segments.adobe = segment.get(11).copied(),
                0xda => return segments.scan(segment, &bytes[end..]),
                _ => {}
            }
            at = end;
        }
    }
}

impl<'a> Segments<'a> {
    fn frame(&mut self, segment: &'a [u8]) -> Option<()> {
        let &[8, h1, h0, w1, w0, count, ref each @ ..] = segment else { return None };
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        let (frame, rest) = each.as_chunks();
        self.frame = frame;
        (self.height > 0 && self.width > 0 && frame.len() == usize::from(count) && rest.is_empty())
            .then_some(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let table = self.quantisation.get_mut(usize::from(kind & 15))?.insert([0; 64]);
            let size = 1 + usize::from(kind >> 4);
            for (&place, factor) in ZIGZAG.iter().zip(rest.get(..64 * size)?.chunks_exact(size)) {
                table[usize::from(place)] = factor.iter().fold(0, |n, &byte| n << 8 | u16::from(byte));
            }
            segment = &rest[64 * size..];
        }
        Some(())
    }

    fn huffman(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk()?;
            let (symbols, rest) = rest.split_at_checked(counts.iter().map(|&n| usize::from(n)).sum())?;
            *self.codes.get_mut(usize::from(kind >> 4))?.get_mut(usize::from(kind & 15))? =
                Some((counts, symbols));
            segment = rest;
        }
        Some(())
    }

    fn scan(&self, segment: &[u8], data: &'a [u8]) -> Option<Scan<'a>> {
        let (&count, each) = segment.split_first()?;
        let (each, last) = each.as_chunks::<2>();
        if usize::from(count) != self.frame.len() || each.len() != self.frame.len() + 1 || last.len() != 1 {
            return None;
        }
        let mut components = Vec::new();
        for (&[identifier, sampling, quantisation], &[named, codes]) in self.frame.iter().zip(each) {
            let table = |kind: usize, number: u8| {
                let (counts, symbols) = (*self.codes[kind].get(usize::from(number))?)?;
                Table::new(counts, symbols)
            };
            components.push(Component {
                // Alone, a component is coded block by block, whatever its factors.
                across: if count == 1 { 1 } else { usize::from(sampling >> 4) },
                down: if count == 1 { 1 } else { usize::from(sampling & 15) },
                quantisation: (*self.quantisation.get(usize::from(quantisation))?)?,
                dc: table(0, codes >> 4)?,
                ac: table(1, codes & 15)?,
            });
            if named != identifier {
                return None;
            }
        }
        let ordinary = match &components[..] {
            [_] => true,
            [luminance, rest @ ..] => {
                // As libjpeg guesses what the components mean.
                let colours =
                    self.jfif || self.adobe.map_or(self.frame[0][0] != b'R', |transform| transform != 0);
                let factors =
                    [luminance.across, luminance.down].iter().all(|factor| (1..=2).contains(factor))
                        && rest.iter().all(|component| (component.across, component.down) == (1, 1));
                // libjpeg does not smooth the colours of very narrow images.
                rest.len() == 2 && colours && factors && (luminance.across == 1 || self.width > 4)
            }
            [] => false,
        };
        ordinary.then_some(Scan {
            height: self.height,
            width: self.width,
            components,
            restart: self.restart,
            data,
        })
    }
}
