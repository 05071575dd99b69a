//! Dirichlet calibration.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{Affine, Odir};
use super::toward::Toward;

/// `W ln p + b` for the predicted probabilities p, with the matrix W and bias b under which the held-out labels are most likely, penalised by ODIR:
/// `off_diagonal / (k (k - 1)) sum_{i != j} W_ij^2 + bias / k sum_j b_j^2` for k classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dirichlet {
    /// Weight of the penalty on W off its diagonal.
    pub off_diagonal: f64,
    /// Weight of the penalty on the bias.
    pub bias: f64,
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Default for Dirichlet {
    fn default() -> Self {
        Self { off_diagonal: 1.0, bias: 1.0, toward: Toward::HeldOut }
    }
}

impl Dirichlet {
    fn odir(&self) -> Odir {
        Odir { off_diagonal: self.off_diagonal, bias: self.bias }
    }
}

impl Component for Dirichlet {
    fn check(&self) -> Result<(), ConfigError> {
        self.odir().check()?;
        self.toward.check()
    }
}

impl Calibrator for Dirichlet {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let weights = self.toward.weights(held_out.predictions())?;
        let affine =
            Affine::fit(held_out.predictions(), &weights, self.odir(), Tensor::log_softmax::<Axis<1>>)?;
        Ok(Box::new(Fitted(affine)))
    }
}

struct Fitted(Affine);

impl Calibration for Fitted {
    fn apply(&self, logits: Matrix) -> Matrix {
        self.0.apply(&logits.log_softmax::<Axis<1>>())
    }

    fn summary(&self) -> String {
        self.0.summary()
    }
}

register! {
    Calibrator "dirichlet" => Dirichlet,
    summary: "a linear map of the log-probabilities, regularised off its diagonal (ODIR)",
    paper: "Kull et al., Beyond temperature scaling: obtaining well-calibrated multiclass probabilities with Dirichlet calibration, NeurIPS 2019, equation 2",
    example: r#"
kind = "dirichlet"
off_diagonal = 1.0
bias = 1.0
"#,
}
