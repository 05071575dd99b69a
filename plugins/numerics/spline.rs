//! Natural cubic splines, fitted by least squares.

use super::solve;

/// A natural cubic spline over `[0, 1]` with evenly spaced knots.
pub(crate) struct NaturalSpline {
    /// Values at the knots.
    values: Vec<f64>,
    /// Second derivatives at the knots; zero at both ends.
    bends: Vec<f64>,
}

impl NaturalSpline {
    /// The spline with this many knots that is nearest to the points in least squares. None if the points do not determine
    /// one.
    pub(crate) fn fit(points: &[(f64, f64)], knots: usize) -> Option<Self> {
        // A spline is linear in its values at the knots, so it is a combination of those with one value 1 and the others 0.
        let unit = |knot: usize| Self::through((0..knots).map(|k| f64::from(u8::from(k == knot))).collect());
        let basis: Vec<Self> = (0..knots).map(unit).collect::<Option<_>>()?;
        let mut products = vec![vec![0.0; knots]; knots];
        let mut right = vec![0.0; knots];
        for &(x, y) in points {
            let row: Vec<f64> = basis.iter().map(|spline| spline.value(x)).collect();
            for i in 0..knots {
                right[i] += row[i] * y;
                for j in 0..knots {
                    products[i][j] += row[i] * row[j];
                }
            }
        }
        let values = solve(products, right)?;
        values.iter().all(|value| value.is_finite()).then_some(())?;
        Self::through(values)
    }

    /// The spline through these values at the knots: `M_{k-1} + 4 M_k + M_{k+1} = 6 (y_{k-1} - 2 y_k + y_{k+1}) / h^2`.
    fn through(values: Vec<f64>) -> Option<Self> {
        let last = values.len() - 1;
        let width = 1.0 / last as f64;
        let mut system = vec![vec![0.0; last + 1]; last + 1];
        let mut right = vec![0.0; last + 1];
        (system[0][0], system[last][last]) = (1.0, 1.0);
        for k in 1..last {
            (system[k][k - 1], system[k][k], system[k][k + 1]) = (1.0, 4.0, 1.0);
            right[k] = 6.0 * (values[k - 1] - 2.0 * values[k] + values[k + 1]) / (width * width);
        }
        let bends = solve(system, right)?;
        Some(Self { values, bends })
    }

    /// The piece that x lies in, the place in it from 0 to 1, and its width.
    fn piece(&self, x: f64) -> (usize, f64, f64) {
        let pieces = self.values.len() - 1;
        let place = x * pieces as f64;
        let piece = (place.max(0.0) as usize).min(pieces - 1);
        (piece, place - piece as f64, 1.0 / pieces as f64)
    }

    /// The value at x.
    pub(crate) fn value(&self, x: f64) -> f64 {
        let (k, b, width) = self.piece(x);
        let a = 1.0 - b;
        let bend = (a * a * a - a) * self.bends[k] + (b * b * b - b) * self.bends[k + 1];
        a * self.values[k] + b * self.values[k + 1] + bend * width * width / 6.0
    }

    /// The derivative at x.
    pub(crate) fn slope(&self, x: f64) -> f64 {
        let (k, b, width) = self.piece(x);
        let a = 1.0 - b;
        let bend = (1.0 - 3.0 * a * a) * self.bends[k] + (3.0 * b * b - 1.0) * self.bends[k + 1];
        (self.values[k + 1] - self.values[k]) / width + bend * width / 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17.1: `s = scipy.interpolate.CubicSpline(numpy.linspace(0, 1, 5), [0, 1, 0.5, 2, 1.5], bc_type="natural")`, then
    /// `[s(0.1), s(0.6), s(1.0), s(0.1, 1), s(0.6, 1), s(1.0, 1)]`.
    #[test]
    fn interpolation_is_that_of_scipy() {
        let spline = NaturalSpline::through(vec![0.0, 1.0, 0.5, 2.0, 1.5]).unwrap();
        let found = [0.1, 0.6, 1.0]
            .map(|x| spline.value(x))
            .into_iter()
            .chain([0.1, 0.6, 1.0].map(|x| spline.slope(x)));
        for (found, expected) in found.zip([
            0.595,
            1.0215714285714286,
            1.5,
            5.207142857142857,
            7.204285714285714,
            -4.821428571428569,
        ]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn least_squares_recovers_a_spline() {
        let spline = NaturalSpline::through(vec![0.0, 0.3, -0.2, 0.1]).unwrap();
        let points: Vec<(f64, f64)> =
            (0..=50).map(|i| i as f64 / 50.0).map(|x| (x, spline.value(x))).collect();
        let fitted = NaturalSpline::fit(&points, 4).unwrap();
        assert!(fitted.values.iter().zip(&spline.values).all(|(a, b)| (a - b).abs() < 1e-10));
        assert!(NaturalSpline::fit(&points[..2], 4).is_none_or(|s| s.values.iter().all(|v| v.is_finite())));
    }
}
