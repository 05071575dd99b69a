//! What an optimizer remembers of every parameter, and the updates that it makes with it.

use std::borrow::Cow;

use balpoe_core::components::{Optimizer, Update};
use balpoe_engine::EngineError;

use crate::executor::Executor;

/// The values that an optimizer keeps, of each parameter each slot.
pub(crate) type Slots = Vec<Vec<Vec<f32>>>;

/// Whether the engine has the optimizer's update.
pub(crate) fn is_lowered(optimizer: &dyn Optimizer) -> bool {
    let first = Update { learning_rate: optimizer.learning_rate(), step: 0 };
    optimizer.lower(first).is_some()
}

impl Executor {
    /// Makes place for what an optimizer remembers, and nothing is remembered.
    pub(crate) fn begin_optimizer(&mut self, optimizer: &dyn Optimizer) -> Result<(), EngineError> {
        let lens: Vec<usize> = self.net().parameters().iter().map(balpoe_net::Parameter::len).collect();
        let empty = || lens.iter().map(|&len| vec![vec![0.0; len]; optimizer.slots()]).collect();
        match self {
            Self::Cpu { slots, .. } => *slots = empty(),
            Self::Cuda { replicas, slots, .. } if is_lowered(optimizer) => {
                *slots = None;
                for (place, &len) in lens.iter().enumerate() {
                    replicas.set_velocity(place, &vec![0.0; len])?;
                }
            }
            Self::Cuda { slots, .. } => *slots = Some(empty()),
        }
        Ok(())
    }

    /// Every slot of parameter `i`.
    pub(crate) fn slots(&self, i: usize) -> Result<Vec<Cow<'_, [f32]>>, EngineError> {
        match self {
            Self::Cpu { slots, .. } | Self::Cuda { slots: Some(slots), .. } => {
                Ok(slots[i].iter().map(|slot| Cow::Borrowed(slot.as_slice())).collect())
            }
            Self::Cuda { replicas, slots: None, .. } => Ok(vec![Cow::Owned(replicas.velocity(i)?)]),
        }
    }

    /// Replaces a slot of parameter `i`.
    pub(crate) fn set_slot(&mut self, i: usize, slot: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu { slots, .. } | Self::Cuda { slots: Some(slots), .. } => {
                slots[i][slot].copy_from_slice(values);
            }
            Self::Cuda { replicas, slots: None, .. } => replicas.set_velocity(i, values)?,
        }
        Ok(())
    }

    /// Updates every parameter that is not frozen by its gradient.
    pub(crate) fn update(
        &mut self,
        optimizer: &dyn Optimizer,
        update: Update,
        frozen: &[bool],
    ) -> Result<(), EngineError> {
        let trained = |slots| (0..).zip(slots).filter(|(i, _): &(usize, _)| !frozen[*i]);
        match self {
            Self::Cpu { replicas, slots } => {
                for (i, slots) in trained(slots.iter_mut()) {
                    let (parameter, gradient) = replicas.parameter_and_gradient(i);
                    optimizer.update(update, parameter, gradient, slots);
                }
            }
            Self::Cuda { replicas, slots: Some(slots), .. } => {
                for (i, slots) in trained(slots.iter_mut()) {
                    let (mut parameter, gradient) = (replicas.parameter(i)?, replicas.gradient(i)?);
                    optimizer.update(update, &mut parameter, &gradient, slots);
                    replicas.set_parameter(i, &parameter)?;
                }
            }
            Self::Cuda { replicas, slots: None, .. } => {
                if let Some(sgd) = optimizer.lower(update) {
                    replicas.update(&sgd, frozen)?;
                }
            }
        }
        Ok(())
    }
}
