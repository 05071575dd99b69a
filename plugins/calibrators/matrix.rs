//! Matrix scaling.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{Affine, Odir};
use super::toward::Toward;

/// `W z + b`, with the matrix W and bias b under which the held-out labels are most likely, penalised by ODIR:
/// `off_diagonal / (k (k - 1)) sum_{i != j} W_ij^2 + bias / k sum_j b_j^2` for k classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixScaling {
    /// Weight of the penalty on W off its diagonal.
    pub off_diagonal: f64,
    /// Weight of the penalty on the bias.
    pub bias: f64,
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Default for MatrixScaling {
    fn default() -> Self {
        Self { off_diagonal: 1.0, bias: 1.0, toward: Toward::HeldOut }
    }
}

impl MatrixScaling {
    fn odir(&self) -> Odir {
        Odir { off_diagonal: self.off_diagonal, bias: self.bias }
    }
}

impl Component for MatrixScaling {
    fn check(&self) -> Result<(), ConfigError> {
        self.odir().check()?;
        self.toward.check()
    }
}

impl Calibrator for MatrixScaling {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let weights = self.toward.weights(held_out.predictions())?;
        let affine = Affine::fit(held_out.predictions(), &weights, self.odir(), |logits| logits)?;
        Ok(Box::new(Fitted(affine)))
    }
}

struct Fitted(Affine);

impl Calibration for Fitted {
    fn apply(&self, logits: Matrix) -> Matrix {
        self.0.apply(&logits)
    }

    fn summary(&self) -> String {
        self.0.summary()
    }
}

register! {
    Calibrator "matrix" => MatrixScaling,
    summary: "a linear map of the logits, regularised off its diagonal (ODIR)",
    paper: "Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2; Kull et al., Beyond temperature scaling, NeurIPS 2019, section 3",
    example: r#"
kind = "matrix"
off_diagonal = 1.0
bias = 1.0
"#,
}
