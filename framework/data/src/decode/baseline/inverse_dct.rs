//! The inverse discrete cosine transform of sixteen blocks at once.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use std::array::from_fn;
use std::num::Wrapping;

use pulp::NullaryFnOnce;

/// Blocks that are transformed together, one in each lane of a vector.
pub(super) const LANES: usize = 16;

/// Coefficients of blocks, `[place in the block, block]`.
pub(super) type Blocks = [[i16; LANES]; 64];

/// Turns coefficients into values from 0 to 255: the accurate integer transform of libjpeg, `jidctint.c` (after Loeffler,
/// Ligtenberg and Moschytz, ICASSP 1989), with its rounding, so that values are the same.
#[derive(Debug)]
pub(super) struct InverseDct<'a> {
    pub(super) blocks: &'a Blocks,
    pub(super) quantisation: &'a [u16; 64],
    /// Where the upper left value of the first block goes; the other blocks follow to its right.
    pub(super) target: &'a mut [u8],
    /// Values between rows of the target.
    pub(super) stride: usize,
}

impl NullaryFnOnce for InverseDct<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut columns = [[0_i32; LANES]; 64];
        for x in 0..8 {
            for lane in 0..LANES {
                let transformed = transform(from_fn(|y| {
                    let at = 8 * y + x;
                    Wrapping(i32::from(self.blocks[at][lane])) * Wrapping(i32::from(self.quantisation[at]))
                }));
                for y in 0..8 {
                    columns[8 * y + x][lane] = (transformed[y] + Wrapping(1 << 10)).0 >> 11;
                }
            }
        }
        for (row, target) in columns.as_chunks::<8>().0.iter().zip(self.target.chunks_mut(self.stride)) {
            let (target, _) = target.as_chunks_mut::<8>();
            for (lane, target) in target[..LANES].iter_mut().enumerate() {
                let values = transform(from_fn(|x| Wrapping(row[x][lane])))
                    .map(|value| (((value + Wrapping(1 << 17)).0 >> 18) + 128).clamp(0, 255) as u32);
                let word = |v: &[u32]| v[0] | v[1] << 8 | v[2] << 16 | v[3] << 24;
                *target = (u64::from(word(&values[..4])) | u64::from(word(&values[4..])) << 32).to_le_bytes();
            }
        }
    }
}

/// One line of eight, times 2^13 and the square root of 8.
#[inline(always)]
fn transform([c0, c1, c2, c3, c4, c5, c6, c7]: [Wrapping<i32>; 8]) -> [Wrapping<i32>; 8] {
    // A number of libjpeg's, times 2^13.
    let by = |value: Wrapping<i32>, factor: i32| value * Wrapping(factor);
    let common = by(c2 + c6, 4433);
    let (low, high) = (common - by(c6, 15137), common + by(c2, 6270));
    let (sum, difference) = ((c0 + c4) << 13, (c0 - c4) << 13);
    let even = [sum + high, difference + low, difference - low, sum - high];

    let common = by(c7 + c3 + c5 + c1, 9633);
    let (a, b) = (by(c7 + c1, -7373), by(c5 + c3, -20995));
    let (c, d) = (common - by(c7 + c3, 16069), common - by(c5 + c1, 3196));
    let odd = [by(c1, 12299) + a + d, by(c3, 25172) + b + c, by(c5, 16819) + b + d, by(c7, 2446) + a + c];

    from_fn(|i| if i < 4 { even[i] + odd[i] } else { even[7 - i] - odd[7 - i] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in double precision: the integers are within one step of it.
    #[test]
    fn it_is_the_inverse_cosine_transform() {
        let mut word = 1_u32;
        let mut random = |below: u32| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 16) % below
        };
        let quantisation: [u16; 64] = from_fn(|_| 1 + random(20) as u16);
        let mut blocks = [[0_i16; LANES]; 64];
        for place in 0..64 {
            blocks[place] =
                from_fn(|_| random(if place < 10 { 15 } else { 3 }) as i16 - if place < 10 { 7 } else { 1 });
        }
        let stride = 8 * LANES + 8;
        let mut target = vec![0; 8 * stride];
        pulp::Arch::new().dispatch(InverseDct {
            blocks: &blocks,
            quantisation: &quantisation,
            target: &mut target,
            stride,
        });
        let cosine = |x: usize, u: usize| {
            let scale = if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
            scale / 2.0 * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
        };
        for (lane, y, x) in (0..LANES).flat_map(|lane| (0..64).map(move |at| (lane, at / 8, at % 8))) {
            let value: f64 = (0..64)
                .map(|at| {
                    let coefficient = f64::from(blocks[at][lane]) * f64::from(quantisation[at]);
                    coefficient * cosine(y, at / 8) * cosine(x, at % 8)
                })
                .sum();
            let found = f64::from(target[y * stride + 8 * lane + x]);
            assert!(
                (found - (value + 128.0).clamp(0.0, 255.0)).abs() < 1.0,
                "block {lane}, {y}, {x}: {found}, {value}"
            );
        }
        assert!(target.chunks(stride).all(|row| row[8 * LANES..].iter().all(|&value| value == 0)));
    }
}
