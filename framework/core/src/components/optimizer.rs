//! Optimizers: how gradients change the parameters.

use std::fmt::Debug;

use balpoe_net::Sgd;

/// The circumstances of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The learning rate now: the optimizer's own times the schedule's factor.
    pub learning_rate: f64,
    /// Updates so far, from zero.
    pub step: u64,
}

/// How do gradients change the parameters.
pub trait Optimizer: Debug + Send + Sync {
    /// The learning rate that the schedule scales.
    fn learning_rate(&self) -> f64;

    /// How many values of state it keeps for every parameter, such as one for momentum. They start at zero, and are saved and
    /// restored with the parameters.
    fn slots(&self) -> usize;

    /// Updates one parameter tensor in place. `slots` are as long as the parameter.
    fn update(&self, update: Update, parameter: &mut [f32], gradient: &[f32], slots: &mut [Vec<f32>]);

    /// The same update as an operation of the engine, whose velocity is then the only slot; `None` if there is none. An optimizer
    /// has one for every update or for none. On a GPU, one without it updates the parameters on the processor, which is slow.
    fn lower(&self, update: Update) -> Option<Sgd> {
        let _ = update;
        None
    }
}
