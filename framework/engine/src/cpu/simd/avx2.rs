use super::vector::{Kernel, LANES, Simd, Vector, members};
#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics with a common prefix")]
use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

/// AVX2 with fused multiply-add: two registers a vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

/// Sixteen lanes in two registers, the low eight first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2Vector(__m256, __m256);

impl Avx2 {
    /// The proof, where the processor and the operating system have what [`Simd::vectorize`] enables.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

#[target_feature(enable = "avx2,fma")]
fn enter<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
    kernel.run(simd)
}

/// The sum of eight lanes, halves added to halves.
///
/// # Safety
/// The processor must have AVX.
#[inline(always)]
pub(super) unsafe fn sum_of_eight(eight: __m256) -> f32 {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

impl Simd for Avx2 {
    type Vector = Avx2Vector;
    type Permutation = __m256i;
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `detect` asked for every feature that `enter` enables.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Avx2Vector {
        // SAFETY: `self` proves the instruction set.
        let eight = unsafe { _mm256_set1_ps(value) };
        Avx2Vector(eight, eight)
    }

    #[inline(always)]
    fn load(self, lanes: &[f32; LANES]) -> Avx2Vector {
        // SAFETY: the array has sixteen values.
        unsafe { self.load_from(lanes.as_ptr()) }
    }

    #[inline(always)]
    fn member_of_group(self, size: usize, member: usize) -> __m256i {
        let lanes = members(size, member);
        // SAFETY: `self` proves the instruction set; the array has sixteen values, and both halves are alike.
        unsafe { _mm256_cvtepu8_epi32(_mm_loadu_si128(lanes.as_ptr().cast())) }
    }

    #[inline(always)]
    fn permute(self, vector: Avx2Vector, permutation: __m256i) -> Avx2Vector {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            Avx2Vector(
                _mm256_permutevar8x32_ps(vector.0, permutation),
                _mm256_permutevar8x32_ps(vector.1, permutation),
            )
        }
    }

    #[inline(always)]
    unsafe fn load_from(self, source: *const f32) -> Avx2Vector {
        // SAFETY: `self` proves the instruction set; the caller vouches for sixteen values.
        unsafe { Avx2Vector(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(8))) }
    }
}

impl Vector for Avx2Vector {
    type Mask = (__m256, __m256);

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        // SAFETY: the array has sixteen values.
        unsafe { self.store_to(lanes.as_mut_ptr()) }
    }

    #[inline(always)]
    unsafe fn store_to(self, target: *mut f32) {
        // SAFETY: `self` proves the instruction set; the caller vouches for sixteen values.
        unsafe {
            _mm256_storeu_ps(target, self.0);
            _mm256_storeu_ps(target.add(8), self.1);
        }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1))
        }
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            Self(_mm256_fnmadd_ps(self.0, factor.0, addend.0), _mm256_fnmadd_ps(self.1, factor.1, addend.1))
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn greater(self, other: Self) -> (__m256, __m256) {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            (_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0), _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, other.1))
        }
    }

    #[inline(always)]
    fn select(self, mask: (__m256, __m256), other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_blendv_ps(other.0, self.0, mask.0), _mm256_blendv_ps(other.1, self.1, mask.1)) }
    }

    #[inline(always)]
    fn round(self) -> Self {
        const MODE: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_round_ps::<MODE>(self.0), _mm256_round_ps::<MODE>(self.1)) }
    }

    #[inline(always)]
    fn exp2_of_whole(self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let low = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), bias);
            let high = _mm256_add_epi32(_mm256_cvtps_epi32(self.1), bias);
            Self(
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(high)),
            )
        }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: `self` proves the instruction set.
        unsafe { sum_of_eight(_mm256_add_ps(self.0, self.1)) }
    }
}

impl Add for Avx2Vector {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
}

impl Sub for Avx2Vector {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
}

impl Mul for Avx2Vector {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction set.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
}
