use super::Real;
use balpoe_net::Sgd;

/// One step of stochastic gradient descent, value by value; `velocity` starts at zero.
pub fn sgd<T: Real>(update: &Sgd, parameter: &mut [T], gradient: &[T], velocity: &mut [T]) {
    let (rate, momentum, decay) =
        (T::of(update.learning_rate), T::of(update.momentum), T::of(update.weight_decay));
    for ((p, &g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
        let g = g + decay * *p;
        *v = momentum * *v + g;
        let step = if update.nesterov { g + momentum * *v } else { *v };
        *p = *p - rate * step;
    }
}
