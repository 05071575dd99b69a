//! An augmentation: random brightness.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Multiplies all pixels by one factor, uniform between `1 - strength` and `1 + strength`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The largest change, as a fraction.
    pub strength: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { strength: 0.2 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=1.0).contains(&self.strength) {
            return Ok(());
        }
        let message = format!("strength lies between 0 and 1, found {}", self.strength);
        Err(ConfigError::key("strength", message))
    }
}

impl Augmentation for MyPlugin {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        let factor = stream.uniform(1.0 - self.strength, 1.0 + self.strength);
        for value in &mut image.pixels {
            *value = (f64::from(*value) * factor).round().min(255.0) as u8;
        }
        image
    }
}

register! {
    Augmentation "my-plugin" => MyPlugin,
    summary: "makes images brighter or darker by a random factor",
    paper: "",
    example: r#"
kind = "my-plugin"
strength = 0.2
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::random::Purpose;

    use super::*;

    #[test]
    fn all_pixels_change_by_one_factor() {
        let image = Image { height: 1, width: 1, pixels: vec![0, 60, 120] };
        let augmentation = MyPlugin { strength: 0.5 };
        let mut changed = 0;
        for index in 0..20 {
            let mut stream = Stream::new(1, Purpose::Augmentation, 0, index);
            let brighter = augmentation.apply(image.clone(), &mut stream);
            let [dark, middle, light] = brighter.pixels[..] else { panic!("{brighter:?}") };
            assert_eq!(dark, 0);
            assert!(light.abs_diff(2 * middle) <= 1 && (30..=90).contains(&middle), "{brighter:?}");
            changed += usize::from(brighter != image);
        }
        assert!(changed > 10);
    }
}
