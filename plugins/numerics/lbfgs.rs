//! The limited-memory BFGS method (Nocedal and Wright 2006, algorithm 7.5).

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;
/// Line-search conditions: sufficient decrease, and curvature (weak Wolfe).
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Rounding in `f32` objectives: an increase by less than this part of the value is none.
const NOISE: f64 = 1e-7;

/// Where a smooth function is least, starting from `x`. `function` gives the value and writes the gradient.
///
/// Stops when no entry of the gradient is larger than `tolerance`, when no step makes the value smaller, or after
/// `iterations` steps.
pub(crate) fn lbfgs(
    mut x: Vec<f64>,
    tolerance: f64,
    iterations: usize,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = function(&x, &mut gradient);
    let mut memory: VecDeque<Pair> = VecDeque::new();
    for _ in 0..iterations {
        let largest = gradient.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
        if largest <= tolerance {
            break;
        }
        let direction = direction(&gradient, &memory);
        // Before anything is known of the curvature, the first step is one long.
        let first = if memory.is_empty() { 1.0 / norm(&gradient).max(1.0) } else { 1.0 };
        let Some(next) = line_search(&x, value, &gradient, &direction, first, &mut function) else { break };
        let step: Vec<f64> = difference(&next.x, &x);
        let change = difference(&next.gradient, &gradient);
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            memory.push_front(Pair { step, change, curvature });
            memory.truncate(MEMORY);
        }
        let improvement = value - next.value;
        (x, value, gradient) = (next.x, next.value, next.gradient);
        if improvement.abs() <= f64::EPSILON * value.abs() {
            break;
        }
    }
    x
}

/// A step, the change of the gradient over it, and their product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// Minus the approximate inverse Hessian times the gradient, by the two-loop recursion.
fn direction(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(memory.len());
    for pair in memory {
        let alpha = dot(&pair.step, &q) / pair.curvature;
        add(&mut q, -alpha, &pair.change);
        alphas.push(alpha);
    }
    if let Some(latest) = memory.front() {
        let scale = latest.curvature / dot(&latest.change, &latest.change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (pair, alpha) in memory.iter().zip(alphas).rev() {
        let beta = dot(&pair.change, &q) / pair.curvature;
        add(&mut q, alpha - beta, &pair.step);
    }
    q
}

/// A point along the direction that satisfies the weak Wolfe conditions, by bisection of a growing bracket; none if there is
/// no descent left in the rounding noise.
fn line_search(
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    mut length: f64,
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Point> {
    let slope = dot(gradient, direction);
    if slope.is_nan() || slope >= 0.0 {
        return None;
    }
    let (mut low, mut high) = (0.0, f64::INFINITY);
    for _ in 0..40 {
        let mut next = Point { x: x.to_vec(), value: 0.0, gradient: vec![0.0; x.len()] };
        add(&mut next.x, length, direction);
        next.value = function(&next.x, &mut next.gradient);
        let allowed = value + DECREASE * length * slope + NOISE * value.abs();
        // A value that is not a number is too far.
        if next.value.is_nan() || next.value > allowed {
            high = length;
        } else if dot(&next.gradient, direction) < CURVATURE * slope {
            low = length;
        } else {
            return Some(next);
        }
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * length };
    }
    None
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// `a += factor b`.
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_rosenbrocks_valley() {
        let minimum = lbfgs(vec![-1.2, 1.0, -1.2, 1.0], 1e-10, 200, |x, gradient| {
            gradient.fill(0.0);
            let mut value = 0.0;
            for i in 0..x.len() - 1 {
                let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
                value += 100.0 * a * a + b * b;
                gradient[i] += -400.0 * a * x[i] - 2.0 * b;
                gradient[i + 1] += 200.0 * a;
            }
            value
        });
        assert!(minimum.iter().all(|x| (x - 1.0).abs() < 1e-8), "{minimum:?}");
    }
}
