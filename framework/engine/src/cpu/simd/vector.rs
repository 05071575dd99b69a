use std::ops::{Add, Mul, Sub};

/// Lanes of a vector, and the multiple that every channel stride in memory is rounded up to.
pub(crate) const LANES: usize = 16;

/// The smallest multiple of [`LANES`] that is at least `count`.
pub(crate) const fn round_up(count: usize) -> usize {
    count.next_multiple_of(LANES)
}

/// Proof that an instruction set is available, and the source of its vectors.
///
/// Values of the implementing types come from [`Dispatch`](super::Dispatch) alone, which asks the processor; everything
/// that follows from holding one is therefore safe to call. Code that uses it must be inlined into
/// [`Simd::vectorize`], so mark every function on the way `#[inline(always)]` and use loops instead of closures: a
/// closure is compiled without the instruction set unless the compiler happens to inline it.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Sixteen lanes.
    type Vector: Vector;

    /// For every lane, which lane of the same half another vector's value comes from.
    type Permutation: Copy;

    /// How many [`Simd::Vector`]s the registers hold; kernels choose their blocking by it.
    const REGISTERS: usize;

    /// Runs a kernel in a function of its own, compiled for this instruction set.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;

    /// The same value in all lanes.
    fn splat(self, value: f32) -> Self::Vector;

    /// Sixteen values; `slice.as_chunks::<LANES>()` yields them without bounds checks.
    fn load(self, lanes: &[f32; LANES]) -> Self::Vector;

    /// Sixteen values from a pointer that need not be aligned (but is faster when it is, to 64 bytes).
    ///
    /// # Safety
    /// Sixteen values must be readable at `source`.
    unsafe fn load_from(self, source: *const f32) -> Self::Vector;

    /// For every lane, the lane that is number `member` of its group of `size` neighbours; sizes 1, 2, 4 and 8.
    fn member_of_group(self, size: usize, member: usize) -> Self::Permutation;

    /// The lanes of a vector in another order.
    fn permute(self, vector: Self::Vector, permutation: Self::Permutation) -> Self::Vector;

    /// Zero in all lanes.
    #[inline(always)]
    fn zero(self) -> Self::Vector {
        self.splat(0.0)
    }
}

/// Sixteen lanes of `f32`. Arithmetic is lane by lane.
pub(crate) trait Vector: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// One truth value a lane.
    type Mask: Copy;

    /// Writes the lanes.
    fn store(self, lanes: &mut [f32; LANES]);

    /// Writes the lanes through a pointer that need not be aligned.
    ///
    /// # Safety
    /// Sixteen values must be writable at `target`.
    unsafe fn store_to(self, target: *mut f32);

    /// `self * factor + addend`; rounded once where the instruction set has fused operations, twice in portable code.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// `addend - self * factor`, rounded as [`Vector::mul_add`].
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self;

    /// The larger of two; `other` where one of them is not a number, so `zero.max(x)` keeps what is not a number in `x`.
    fn max(self, other: Self) -> Self;

    /// The smaller of two; `other` where one of them is not a number.
    fn min(self, other: Self) -> Self;

    /// `self > other`; false where one of them is not a number.
    fn greater(self, other: Self) -> Self::Mask;

    /// `self` where the mask is true, `other` elsewhere.
    fn select(self, mask: Self::Mask, other: Self) -> Self;

    /// The nearest whole number, halves to even.
    fn round(self) -> Self;

    /// 2 to the power of `self`, for whole numbers from -126 to 127; anything else gives a meaningless number.
    fn exp2_of_whole(self) -> Self;

    /// The sum of the lanes, halves added to halves: the same order on every instruction set.
    fn sum(self) -> f32;
}

/// The lanes that [`Simd::member_of_group`] names.
pub(super) const fn members(size: usize, member: usize) -> [u8; LANES] {
    let mut lanes = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        lanes[lane] = (lane / size * size + member) as u8;
        lane += 1;
    }
    lanes
}

/// Code that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// The code; mark the implementation `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

#[cfg(test)]
mod tests {
    use super::super::InstructionSet;
    use super::*;

    const A: [f32; LANES] = [
        0.0,
        -0.5,
        1.5,
        2.5,
        -3.0,
        4.0,
        f32::NAN,
        6.0,
        7.25,
        8.0,
        -9.0,
        1e9,
        11.0,
        1e-9,
        f32::INFINITY,
        -15.5,
    ];
    const B: [f32; LANES] =
        [1.0, -0.5, 2.0, -2.5, 3.0, f32::NAN, 5.0, 5.5, 7.5, 0.0, -9.5, 2.0, -11.0, 1e9, 3.0, -15.0];

    /// An operation's name, result and scalar equivalent.
    type Lanewise<T> = (&'static str, T, fn(f32, f32) -> f32);

    struct EveryOperation;

    impl Kernel for EveryOperation {
        type Output = (Vec<Lanewise<[f32; LANES]>>, f32);

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let (a, b) = (simd.load(&A), simd.load(&B));
            let results: [Lanewise<S::Vector>; 11] = [
                ("add", a + b, |a, b| a + b),
                ("sub", a - b, |a, b| a - b),
                ("mul", a * b, |a, b| a * b),
                ("mul_add", a.mul_add(b, a), |a, b| a * b + a),
                ("neg_mul_add", a.neg_mul_add(b, b), |a, b| b - a * b),
                ("max", a.max(b), |a, b| if a > b { a } else { b }),
                ("min", a.min(b), |a, b| if a < b { a } else { b }),
                ("select", a.select(a.greater(b), b + b), |a, b| if a > b { a } else { b + b }),
                ("round", a.round(), |a, _| a.round_ties_even()),
                ("exp2_of_whole", simd.splat(-126.0).exp2_of_whole(), |_, _| f32::MIN_POSITIVE),
                ("zero", simd.zero(), |_, _| 0.0),
            ];
            let mut stored = Vec::new();
            for (name, vector, scalar) in results {
                let mut lanes = [0.0; LANES];
                vector.store(&mut lanes);
                stored.push((name, lanes, scalar));
            }
            let mut ramp = [0.0; LANES];
            for (lane, value) in ramp.iter_mut().enumerate() {
                *value = 1.0 / (1 + lane) as f32;
            }
            let sum = simd.load(&ramp).sum();
            for (size, member) in [(1, 0), (2, 1), (4, 2), (8, 5)] {
                let mut lanes = [0.0; LANES];
                simd.permute(simd.load(&ramp), simd.member_of_group(size, member)).store(&mut lanes);
                assert_eq!(
                    lanes,
                    members(size, member).map(|lane| ramp[usize::from(lane)]),
                    "groups of {size}"
                );
            }
            (stored, sum)
        }
    }

    #[test]
    fn every_instruction_set_computes_what_scalars_compute() {
        let mut sums = Vec::new();
        for dispatch in InstructionSet::ALL.into_iter().filter_map(|set| set.dispatch().ok()) {
            let (results, sum) = dispatch.run(EveryOperation);
            for (name, lanes, scalar) in results {
                for lane in 0..LANES {
                    let (found, expected) = (lanes[lane], scalar(A[lane], B[lane]));
                    // The operands are chosen so that one rounding and two give the same.
                    let same = found == expected || found.is_nan() && expected.is_nan();
                    assert!(same, "{dispatch:?} {name}: {found}, expected {expected}, in lane {lane}");
                }
            }
            sums.push(sum.to_bits());
        }
        assert!(sums.iter().all(|&sum| sum == sums[0]), "the order of the sum differs: {sums:?}");
    }
}
