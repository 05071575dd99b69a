use super::vector::{Simd, Vector};

/// The exponential function, to about one unit in the last place; zero below -86.6, infinity above 88.7.
///
/// `x = n ln 2 + r` with a whole `n`; `exp(r)` is its Taylor polynomial of degree seven on `|r| <= ln(2) / 2`, whose
/// first omitted term is 5e-9 at most.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    // ln 2 in two parts, the high one so short that its product with n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const COEFFICIENTS: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let (lowest, highest) = (simd.splat(-86.64), simd.splat(88.722_84));
    let clamped = lowest.max(highest.min(x));
    let whole = (clamped * simd.splat(std::f32::consts::LOG2_E)).round();
    let rest = whole.neg_mul_add(simd.splat(LN_2_LOW), whole.neg_mul_add(simd.splat(LN_2_HIGH), clamped));
    let mut series = simd.splat(1.0 / 5040.0);
    for coefficient in COEFFICIENTS {
        series = series.mul_add(rest, simd.splat(coefficient));
    }
    // n may be 128, and 2^128 is no float: the power is applied in two steps.
    let scaled = series * (whole - simd.splat(1.0)).exp2_of_whole() * simd.splat(2.0);
    let finite = simd.splat(f32::INFINITY).select(x.greater(highest), scaled);
    simd.zero().select(lowest.greater(x), finite)
}

#[cfg(test)]
mod tests {
    use super::super::{InstructionSet, Kernel, LANES};
    use super::*;

    struct Exp<'a>(&'a mut [[f32; LANES]]);

    impl Kernel for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for lanes in self.0 {
                exp(simd, simd.load(lanes)).store(lanes);
            }
        }
    }

    fn evaluate(x: &[f32]) -> Vec<(InstructionSet, Vec<f32>)> {
        let mut results = Vec::new();
        for set in InstructionSet::ALL {
            if let Ok(dispatch) = set.dispatch() {
                let mut lanes: Vec<[f32; LANES]> = x.iter().map(|&x| [x; LANES]).collect();
                dispatch.run(Exp(&mut lanes));
                results.push((set, lanes.iter().map(|lanes| lanes[LANES - 1]).collect()));
            }
        }
        results
    }

    #[test]
    fn exp_is_accurate_over_the_range_of_floats() {
        let x: Vec<f32> = (0..20_000).map(|i| -86.6 + 175.3 * (i as f32 / 20_000.0)).collect();
        for (set, results) in evaluate(&x) {
            for (&x, &result) in x.iter().zip(&results) {
                let exact = f64::from(x).exp();
                assert!((f64::from(result) / exact - 1.0).abs() < 2.5e-7, "{set}: exp({x}) = {result}");
            }
        }
    }

    #[test]
    fn exp_has_the_limits_of_the_exponential_function() {
        for (set, results) in evaluate(&[f32::NEG_INFINITY, -200.0, 0.0, 89.0, f32::INFINITY, f32::NAN]) {
            assert_eq!(results[..5], [0.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY], "{set}");
            assert!(results[5].is_nan(), "{set}");
        }
    }
}
