//! Initial parameters, one stream a parameter.

use balpoe_core::random::{Purpose, Stream};
use balpoe_net::{Init, Parameter};

/// The initial values of a network's parameter at this place in its list; `epoch` is zero, or that of a phase that starts it anew.
pub(crate) fn initial_values(parameter: &Parameter, place: usize, seed: u64, epoch: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Initialisation, epoch as u64, place as u64);
    let n = parameter.len();
    match parameter.init {
        Init::Constant(value) => vec![value; n],
        Init::Normal { std } => (0..n).map(|_| (stream.normal() * f64::from(std)) as f32).collect(),
        Init::Uniform { low, high } => {
            (0..n).map(|_| stream.uniform(f64::from(low), f64::from(high)) as f32).collect()
        }
        Init::UnitColumns => {
            let columns = parameter.shape.last().copied().unwrap_or(1);
            let mut values: Vec<f64> = (0..n).map(|_| stream.uniform(-1.0, 1.0)).collect();
            for column in 0..columns {
                let norm = values.iter().skip(column).step_by(columns).map(|v| v * v).sum::<f64>().sqrt();
                values.iter_mut().skip(column).step_by(columns).for_each(|v| *v /= norm.max(1e-12));
            }
            values.into_iter().map(|v| v as f32).collect()
        }
    }
}
