//! Pixels as words, in blocks.
//!
//! Three bytes a pixel are nothing that a vector can load or store. With a word for each pixel, loops over blocks of fixed length
//! become vector code, and so do the two loops that turn three words of bytes into four of pixels and back.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

/// Pixels that are worked on together, while they are in the nearest cache.
pub(crate) const BLOCK: usize = 64;

/// A pixel's word: red in the lowest byte, the highest is nothing.
#[inline(always)]
pub(crate) fn word([r, g, b]: [u32; 3]) -> u32 {
    r | g << 8 | b << 16
}

/// Red, green and blue of a word.
#[inline(always)]
pub(crate) fn channels(word: u32) -> [u32; 3] {
    [word & 0xff, word >> 8 & 0xff, word >> 16 & 0xff]
}

/// The words of a block. Their highest bytes are arbitrary.
#[inline(always)]
pub(crate) fn unpack(pixels: &[[u8; 3]; BLOCK]) -> [u32; BLOCK] {
    let mut threes = [[0; 3]; BLOCK / 4];
    for (word, &bytes) in threes.as_flattened_mut().iter_mut().zip(pixels.as_flattened().as_chunks().0) {
        *word = u32::from_le_bytes(bytes);
    }
    let mut words = [0; BLOCK];
    for (words, [low, middle, high]) in words.as_chunks_mut::<4>().0.iter_mut().zip(threes) {
        *words = [low, low >> 24 | middle << 8, middle >> 16 | high << 16, high >> 8];
    }
    words
}

/// The bytes of a block, whose words have highest bytes of zero.
#[inline(always)]
pub(crate) fn pack(words: &[u32; BLOCK]) -> [[u8; 3]; BLOCK] {
    let mut pixels = [[0; 3]; BLOCK];
    let quads = pixels.as_flattened_mut().as_chunks_mut::<12>().0;
    for (bytes, &[a, b, c, d]) in quads.iter_mut().zip(words.as_chunks().0) {
        let low = u64::from(a) | u64::from(b) << 24 | u64::from(c) << 48;
        bytes[..8].copy_from_slice(&low.to_le_bytes());
        bytes[8..].copy_from_slice(&(c >> 16 | d << 8).to_le_bytes());
    }
    pixels
}

/// Changes all pixels, block by block. The last block is filled up with black.
#[inline(always)]
pub(crate) fn change(pixels: &mut [[u8; 3]], change: impl Fn(u32) -> u32) {
    let changed = |block: &[[u8; 3]; BLOCK]| pack(&unpack(block).map(&change));
    let (whole, rest) = pixels.as_chunks_mut::<BLOCK>();
    for block in whole {
        *block = changed(block);
    }
    let mut last = [[0; 3]; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&changed(&last)[..rest.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_pixels() {
        let pixels: [[u8; 3]; BLOCK] =
            std::array::from_fn(|i| [0, 1, 2].map(|channel| (7 * i + 91 * channel) as u8));
        let words = unpack(&pixels).map(|word| word & 0xff_ffff);
        assert_eq!(words.map(|word| channels(word).map(|value| value as u8)), pixels);
        assert_eq!(words.map(|of| word(channels(of))), words);
        assert_eq!(pack(&words), pixels);
        for length in [0, 1, 63, 64, 65, 200] {
            let before: Vec<[u8; 3]> = pixels.iter().copied().cycle().take(length).collect();
            let mut after = before.clone();
            change(&mut after, |of| word(channels(of).map(|value| 255 - value)));
            assert!(before.iter().zip(&after).all(|(a, b)| a.map(|value| 255 - value) == *b));
        }
    }
}
