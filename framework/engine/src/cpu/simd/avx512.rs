use super::vector::{Kernel, LANES, Simd, Vector, members};
#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics with a common prefix")]
use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

/// AVX-512 (F, VL, BW, DQ): one register a vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

/// Sixteen lanes in one register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Vector(__m512);

impl Avx512 {
    /// The proof, where the processor and the operating system have what [`Simd::vectorize`] enables.
    pub(crate) fn detect() -> Option<Self> {
        let available = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        available.then_some(Self(()))
    }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn enter<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
    kernel.run(simd)
}

impl Simd for Avx512 {
    type Vector = Avx512Vector;
    type Permutation = __m512i;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `detect` asked for every feature that `enter` enables.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Avx512Vector {
        // SAFETY: `self` proves the instruction set.
        Avx512Vector(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(self, lanes: &[f32; LANES]) -> Avx512Vector {
        // SAFETY: `self` proves the instruction set; the array has sixteen values.
        Avx512Vector(unsafe { _mm512_loadu_ps(lanes.as_ptr()) })
    }

    #[inline(always)]
    fn member_of_group(self, size: usize, member: usize) -> __m512i {
        let mut lanes = members(size, member);
        if size == 8 {
            // Knowing the lanes, the compiler would make two shuffles of every permutation.
            lanes = std::hint::black_box(lanes);
        }
        // SAFETY: `self` proves the instruction set; the array has sixteen values.
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(lanes.as_ptr().cast())) }
    }

    #[inline(always)]
    fn permute(self, vector: Avx512Vector, permutation: __m512i) -> Avx512Vector {
        // SAFETY: `self` proves the instruction set.
        Avx512Vector(unsafe { _mm512_permutexvar_ps(permutation, vector.0) })
    }

    #[inline(always)]
    unsafe fn load_from(self, source: *const f32) -> Avx512Vector {
        // SAFETY: `self` proves the instruction set; the caller vouches for sixteen values.
        Avx512Vector(unsafe { _mm512_loadu_ps(source) })
    }
}

impl Vector for Avx512Vector {
    type Mask = __mmask16;

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        // SAFETY: `self` proves the instruction set; the array has sixteen values.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_to(self, target: *mut f32) {
        // SAFETY: `self` proves the instruction set; the caller vouches for sixteen values.
        unsafe { _mm512_storeu_ps(target, self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_fnmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> __mmask16 {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(self, mask: __mmask16, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_mask_blend_ps(mask, other.0, self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT }>(self.0) })
    }

    #[inline(always)]
    fn exp2_of_whole(self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            let eight = _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            super::avx2::sum_of_eight(eight)
        }
    }
}

impl Add for Avx512Vector {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
}

impl Sub for Avx512Vector {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
}

impl Mul for Avx512Vector {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
}
