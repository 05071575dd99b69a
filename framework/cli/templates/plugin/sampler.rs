//! A sampler: between instance-balanced and class-balanced.

use balpoe_core::components::Sampler;
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each draw is of class c with probability proportional to `n_c^q`, and any of its `n_c` images is
/// as likely as the others. An epoch has as many draws as there are images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The exponent q: 0 for every class equally often, 1 for as often as it has images.
    pub exponent: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { exponent: 0.5 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=1.0).contains(&self.exponent) {
            return Ok(());
        }
        let message = format!("exponent lies between 0 and 1, found {}", self.exponent);
        Err(ConfigError::key("exponent", message))
    }
}

impl Sampler for MyPlugin {
    fn epoch(&self, labels: &[u32], class_counts: &[usize], stream: &mut Stream) -> Vec<u32> {
        let weight = |label: u32| (class_counts[label as usize] as f64).powf(self.exponent - 1.0);
        let mut total = 0.0;
        let mut ends = Vec::with_capacity(labels.len());
        for &label in labels {
            total += weight(label);
            ends.push(total);
        }
        // All randomness comes from the stream: a resumed run draws what an undisturbed one would.
        let draw = |_| {
            let point = stream.uniform(0.0, total);
            ends.partition_point(|&end| end <= point).min(ends.len() - 1) as u32
        };
        (0..labels.len()).map(draw).collect()
    }
}

register! {
    Sampler "my-plugin" => MyPlugin,
    summary: "classes as often as a power of their number of images",
    paper: "Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020, equation 1",
    example: r#"
kind = "my-plugin"
exponent = 0.5
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::random::Purpose;

    use super::*;

    #[test]
    fn exponent_zero_is_class_balanced() {
        let labels: Vec<u32> = (0..1000).map(|position| u32::from(position >= 900)).collect();
        let mut stream = Stream::new(1, Purpose::Sampling, 0, 0);
        let sampler = MyPlugin { exponent: 0.0 };
        let order = sampler.epoch(&labels, &[900, 100], &mut stream);
        let rare = order.iter().filter(|&&position| position >= 900).count();
        // Five standard deviations of Binomial(1000, 1/2).
        assert!(rare.abs_diff(500) < 80, "{rare}");
    }
}
