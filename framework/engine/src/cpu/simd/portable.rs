use super::vector::{Kernel, LANES, Simd, Vector, members};
use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

/// Plain arrays, for processors without AVX2; the compiler uses what the build's target has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

/// Sixteen lanes in an array.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct PortableVector([f32; LANES]);

impl Simd for Portable {
    type Vector = PortableVector;
    type Permutation = [u8; LANES];
    const REGISTERS: usize = 4;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> PortableVector {
        PortableVector([value; LANES])
    }

    #[inline(always)]
    fn load(self, lanes: &[f32; LANES]) -> PortableVector {
        PortableVector(*lanes)
    }

    #[inline(always)]
    fn member_of_group(self, size: usize, member: usize) -> [u8; LANES] {
        members(size, member)
    }

    #[inline(always)]
    fn permute(self, vector: PortableVector, permutation: [u8; LANES]) -> PortableVector {
        PortableVector(permutation.map(|lane| vector.0[usize::from(lane) % LANES]))
    }

    #[inline(always)]
    unsafe fn load_from(self, source: *const f32) -> PortableVector {
        // SAFETY: the caller vouches for sixteen readable values; no alignment beyond that of `f32` is assumed.
        PortableVector(unsafe { source.cast::<[f32; LANES]>().read() })
    }
}

impl PortableVector {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        Self(from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }
}

impl Vector for PortableVector {
    type Mask = [bool; LANES];

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        *lanes = self.0;
    }

    #[inline(always)]
    unsafe fn store_to(self, target: *mut f32) {
        // SAFETY: the caller vouches for sixteen writable values; no alignment beyond that of `f32` is assumed.
        unsafe { target.cast::<[f32; LANES]>().write(self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self * factor + addend // `f32::mul_add` is a library call where the target lacks the instruction
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        addend - self * factor
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self::Mask {
        from_fn(|lane| self.0[lane] > other.0[lane])
    }

    #[inline(always)]
    fn select(self, mask: Self::Mask, other: Self) -> Self {
        Self(from_fn(|lane| if mask[lane] { self.0[lane] } else { other.0[lane] }))
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }

    #[inline(always)]
    fn exp2_of_whole(self) -> Self {
        Self(self.0.map(|power| f32::from_bits((power as i32).wrapping_add(127).cast_unsigned() << 23)))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.0;
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
        }
        lanes[0]
    }
}

impl Add for PortableVector {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for PortableVector {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for PortableVector {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}
