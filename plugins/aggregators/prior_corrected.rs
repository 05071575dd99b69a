//! Correction for a known test prior.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shifted::{Shifted, TrainedFor};

/// `mean_e z_e + ln q - ln p`, with the known class prior q of the test images and the prior p that the logits are made for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PriorCorrected {
    /// The prior that the mean of logits is made for: "uniform", as BalPoE's; "training", as plain cross-entropy's.
    pub trained_for: TrainedFor,
}

impl Component for PriorCorrected {}

impl Aggregator for PriorCorrected {
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let Some(test) = knowledge.test_prior else {
            let message =
                "\"prior-corrected\" needs to know the test prior; \"em-prior\" and \"bbse\" estimate it";
            return Err(ComponentError::new(message));
        };
        let prior = self.trained_for.prior(knowledge.class_counts, test.len())?;
        Ok(Box::new(Shifted::new(&prior, test, String::new())))
    }
}

register! {
    Aggregator "prior-corrected" => PriorCorrected,
    summary: "the mean of logits, corrected for the known test prior",
    paper: "Hong et al., Disentangling label distribution for long-tailed visual recognition, CVPR 2021, equation 6",
    example: r#"
kind = "prior-corrected"
"#,
}
