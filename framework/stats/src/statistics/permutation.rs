//! Permutation tests: exact where all permutations can be visited.

use serde::{Deserialize, Serialize};

use super::paired::Paired;
use super::resampling::{Draws, Resampling};
use super::sample::{Sample, mean};

/// The outcome of a two-sided permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The mean difference.
    pub difference: f64,
    /// The two-sided p value: exact, or `(hits + 1) / (repeats + 1)` when permutations were drawn.
    pub p: f64,
    /// Whether all permutations were visited.
    pub exact: bool,
    /// The smallest p that this many seeds (and, where drawn, this many repeats) can give at all.
    pub smallest_attainable_p: f64,
}

impl Paired {
    /// The sign-flip test: under the null hypothesis every difference is as likely as its negative.
    ///
    /// All `2ⁿ` sign patterns are visited when they do not exceed `resampling.repeats`.
    pub fn sign_flip_test(&self, resampling: Resampling) -> PermutationTest {
        let differences = self.differences().values();
        let n = differences.len();
        let observed: f64 = differences.iter().sum();
        let all = 1_usize.checked_shl(n as u32).filter(|&all| all <= resampling.repeats());
        let mut draws = resampling.draws();
        let mut signs = 0_u64;
        let sums = (0..all.unwrap_or(resampling.repeats())).map(|code| {
            let flipped = differences.iter().enumerate().map(|(i, &difference)| {
                if i % 64 == 0 {
                    signs = if all.is_some() { code as u64 } else { draws.coins() };
                }
                if signs >> (i % 64) & 1 == 1 { -difference } else { difference }
            });
            flipped.sum::<f64>().abs()
        });
        let rounding = self.rounding() * n as f64;
        PermutationTest::new(
            self.mean(),
            observed.abs(),
            rounding,
            sums,
            all.is_some(),
            smallest_sign_flip_p(n),
        )
    }
}

impl Sample {
    /// The permutation test of two independent samples on the absolute difference of their means.
    ///
    /// All ways to part the pooled values are visited when they do not exceed `resampling.repeats` (five and five:
    /// 252).
    pub fn permutation_test(&self, other: &Self, resampling: Resampling) -> PermutationTest {
        let pooled: Vec<f64> = self.values().iter().chain(other.values()).copied().collect();
        let center = mean(&pooled);
        // The deviation of the first group's sum determines the difference of the means.
        let deviation = |group: &[usize]| group.iter().map(|&i| pooled[i] - center).sum::<f64>().abs();
        let mut group: Vec<usize> = (0..self.n()).collect();
        let observed = deviation(&group);
        let exact = combinations(pooled.len(), self.n()) <= resampling.repeats() as f64;
        let deviations: Vec<f64> = if exact {
            let mut deviations = vec![observed];
            while next_combination(&mut group, pooled.len()) {
                deviations.push(deviation(&group));
            }
            deviations
        } else {
            let mut draws = resampling.draws();
            let mut order: Vec<usize> = (0..pooled.len()).collect();
            (0..resampling.repeats())
                .map(|_| {
                    shuffle_front(&mut order, self.n(), &mut draws);
                    deviation(&order[..self.n()])
                })
                .collect()
        };
        let smallest = smallest_permutation_p(self.n(), other.n());
        let rounding = self.rounding().max(other.rounding()) * pooled.len() as f64;
        let difference = self.mean() - other.mean();
        PermutationTest::new(difference, observed, rounding, deviations.into_iter(), exact, smallest)
    }
}

impl PermutationTest {
    /// `rounding` is what the sum of the permuted numbers may be off by.
    fn new(
        difference: f64,
        observed: f64,
        rounding: f64,
        permuted: impl Iterator<Item = f64>,
        exact: bool,
        smallest_exact_p: f64,
    ) -> Self {
        // Sums of the same numbers in another order differ by rounding; they are ties nevertheless.
        let threshold = observed - rounding;
        let (mut hits, mut repeats) = (0_usize, 0_usize);
        for value in permuted {
            repeats += 1;
            hits += usize::from(value >= threshold);
        }
        let extra = usize::from(!exact);
        let smallest_drawn = extra as f64 / (repeats + extra) as f64;
        Self {
            difference,
            p: (hits + extra) as f64 / (repeats + extra) as f64,
            exact,
            smallest_attainable_p: smallest_exact_p.max(smallest_drawn),
        }
    }
}

/// The smallest two-sided p of a sign-flip or Wilcoxon signed-rank test with `n` pairs: `2 / 2ⁿ`.
///
/// Five seeds give 0.0625 at best: such a test can never be significant at 5 %.
pub fn smallest_sign_flip_p(n: usize) -> f64 {
    (1.0 - n as f64).exp2().min(1.0)
}

/// The smallest two-sided p of a permutation test of independent samples of `n` and `m` values: `2 / C(n + m, n)`
/// for `n = m`, where the mirrored split is as extreme, else `1 / C(n + m, n)`.
pub fn smallest_permutation_p(n: usize, m: usize) -> f64 {
    let splits = if n == m { 2.0 } else { 1.0 };
    (splits / combinations(n + m, n)).min(1.0)
}

/// The number of ways to choose `k` of `n`.
fn combinations(n: usize, k: usize) -> f64 {
    (1..=k).map(|i| (n - k + i) as f64 / i as f64).product::<f64>().round()
}

/// Steps to the next `group` of `0..n` in lexicographic order; false after the last one.
fn next_combination(group: &mut [usize], n: usize) -> bool {
    let k = group.len();
    let Some(i) = (0..k).rev().find(|&i| group[i] < n - k + i) else {
        return false;
    };
    group[i] += 1;
    for j in i + 1..k {
        group[j] = group[j - 1] + 1;
    }
    true
}

/// Puts a uniform draw without replacement into the first `k` places (Fisher and Yates).
fn shuffle_front(order: &mut [usize], k: usize, draws: &mut Draws) {
    for i in 0..k {
        let j = i + draws.below(order.len() - i);
        order.swap(i, j);
    }
}
