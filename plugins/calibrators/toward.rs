//! The class distribution that a fit is made for.

use balpoe_core::components::{ComponentError, Predictions};
use balpoe_core::config::ConfigError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class distribution that a fit is made for: held-out samples are weighted by `q(y) / p(y)`, where p is their own
/// distribution and q the wanted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Toward {
    /// The held-out samples as they are.
    #[default]
    HeldOut,
    /// Every class that has held-out samples with the same weight.
    Balanced,
    /// A class prior, one number for each class; they need not sum to one.
    Prior(Vec<f64>),
}

impl Toward {
    /// Refuses what is no prior.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self::Prior(prior) = self else { return Ok(()) };
        if let Some(class) = prior.iter().position(|p| !(p.is_finite() && *p >= 0.0)) {
            let message = format!("a prior cannot have {} for a class", prior[class]);
            return Err(ConfigError::key(format!("toward.prior.{class}"), message));
        }
        if prior.iter().sum::<f64>() > 0.0 {
            return Ok(());
        }
        Err(ConfigError::key("toward.prior", "a prior must have a positive class, found none"))
    }

    /// A weight for each sample.
    ///
    /// # Errors
    /// If a prior is not for these classes, or gives all weight to classes without samples.
    pub(crate) fn weights(&self, predictions: &Predictions) -> Result<Vec<f64>, ComponentError> {
        let classes = predictions.classes();
        let wanted = match self {
            Self::HeldOut => return Ok(vec![1.0; predictions.samples()]),
            Self::Balanced => vec![1.0; classes],
            Self::Prior(prior) if prior.len() == classes => prior.clone(),
            Self::Prior(prior) => {
                let found = prior.len();
                let message = format!("`toward` has a prior of {found} classes where there are {classes}");
                return Err(ComponentError::new(message));
            }
        };
        let mut counts = vec![0.0; classes];
        for &label in &predictions.labels {
            counts[label as usize] += 1.0;
        }
        let weigh = |&label: &u32| wanted[label as usize] / counts[label as usize];
        let weights: Vec<f64> = predictions.labels.iter().map(weigh).collect();
        if weights.iter().sum::<f64>() > 0.0 {
            return Ok(weights);
        }
        Err(ComponentError::new("`toward` gives no weight to any class that has held-out samples"))
    }
}
