//! Random windows of random size and proportions: the standard first step on photographs.

use balpoe_core::components::{Augmentation, Cropping, Image, Window};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Windows that are tried before the middle of the image is taken.
const ATTEMPTS: usize = 10;

/// Cuts out a window of random area and proportions at a random place and scales it to a square, bilinearly, as torchvision's
/// `RandomResizedCrop` does. As the first augmentation it is part of decoding, which then stops below the window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Height and width of the result.
    pub size: usize,
    /// Smallest and largest part of the image's area.
    pub area: [f64; 2],
    /// Smallest and largest width over height; its logarithm is uniform.
    pub aspect: [f64; 2],
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self { size: 224, area: [0.08, 1.0], aspect: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl Component for RandomResizedCrop {
    fn check(&self) -> Result<(), ConfigError> {
        if !(1..=4096).contains(&self.size) {
            return Err(ConfigError::key(
                "size",
                format!("the size lies between 1 and 4096 pixels, found {}", self.size),
            ));
        }
        let [low, high] = self.area;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            return Err(ConfigError::key(
                "area",
                format!("expected 0 < smallest <= largest <= 1, found {low} and {high}"),
            ));
        }
        let [low, high] = self.aspect;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return Err(ConfigError::key(
                "aspect",
                format!("expected 0 < smallest <= largest, found {low} and {high}"),
            ));
        }
        Ok(())
    }
}

impl Augmentation for RandomResizedCrop {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        imaging::cut(&image, self.window(image.height, image.width, stream))
    }

    fn cropping(&self) -> Option<&dyn Cropping> {
        Some(self)
    }
}

impl Cropping for RandomResizedCrop {
    fn window(&self, height: usize, width: usize, stream: &mut Stream) -> Window {
        let size = (self.size, self.size);
        let area = (height * width) as f64;
        let [narrow, wide] = self.aspect;
        for _ in 0..ATTEMPTS {
            let part = area * stream.uniform(self.area[0], self.area[1]);
            let aspect = stream.uniform(narrow.ln(), wide.ln()).exp();
            let w = (part * aspect).sqrt().round_ties_even() as usize;
            let h = (part / aspect).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let (top, left) = (stream.below(height - h + 1), stream.below(width - w + 1));
                return Window { top, left, height: h, width: w, size };
            }
        }
        // The middle, as much of it as has allowed proportions.
        let aspect = width as f64 / height as f64;
        let within = |length: f64, most: usize| (length.round_ties_even() as usize).clamp(1, most.max(1));
        let (h, w) = if aspect < narrow {
            (within(width as f64 / narrow, height), width)
        } else if aspect > wide {
            (height, within(height as f64 * wide, width))
        } else {
            (height, width)
        };
        Window { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w, size }
    }
}

balpoe_core::register! {
    Augmentation "random-resized-crop" => RandomResizedCrop,
    summary: "cuts out a random window of random proportions and scales it to a square",
    paper: "Szegedy et al., Going deeper with convolutions, CVPR 2015, section 6",
    example: "kind = \"random-resized-crop\"\nsize = 224\narea = [0.08, 1.0]",
}

#[cfg(test)]
mod tests {
    use balpoe_core::random::Purpose;

    use super::*;

    #[test]
    fn windows_lie_inside_and_have_the_area_and_proportions_asked_for() {
        let crop = RandomResizedCrop::default();
        let mut areas = Vec::new();
        for index in 0..2000 {
            let mut stream = Stream::new(1, Purpose::Augmentation, 0, index);
            let Window { top, left, height, width, size } = crop.window(300, 400, &mut stream);
            assert!(top + height <= 300 && left + width <= 400 && size == (224, 224));
            let aspect = width as f64 / height as f64;
            assert!((0.74..=1.35).contains(&aspect), "{width}x{height}");
            areas.push((height * width) as f64 / 120_000.0);
        }
        assert!(areas.iter().all(|a| (0.078..=1.0).contains(a)));
        // Large windows of the wrong proportions do not fit. torchvision 0.29, RandomResizedCrop.get_params for an image of 300x400,
        // 20,000 draws: 0.4351 of the area in the mean.
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((mean - 0.4351).abs() < 0.02, "{mean}");
    }

    #[test]
    fn an_image_that_no_window_fits_into_gives_its_middle() {
        let crop = RandomResizedCrop { area: [1.0, 1.0], ..RandomResizedCrop::default() };
        let mut stream = Stream::new(1, Purpose::Augmentation, 0, 0);
        let window = crop.window(100, 1000, &mut stream);
        assert_eq!((window.top, window.height, window.width), (0, 100, 133));
        assert_eq!(window.left, (1000 - 133) / 2);
        let window = crop.window(1000, 100, &mut stream);
        assert_eq!((window.left, window.height, window.width), (0, 133, 100));
        let window = crop.window(1, 1, &mut stream);
        assert_eq!((window.height, window.width), (1, 1));
    }
}
