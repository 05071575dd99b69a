//! Augmentations: whole images, decided by the stream.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::random::{Purpose, Stream};

use super::Findings;
use crate::generated::stream;

pub(super) fn check(augmentation: &dyn Augmentation, findings: &mut Findings) {
    for (height, width) in [(32, 32), (16, 24), (1, 1)] {
        let mut stream = stream(5);
        let pixels = (0..height * width * 3).map(|_| stream.below(256) as u8).collect();
        let image = Image { height, width, pixels };
        for index in 0..20 {
            let apply = || {
                let mut stream = Stream::new(1, Purpose::Augmentation, 0, index);
                augmentation.apply(image.clone(), &mut stream)
            };
            let changed = apply();
            if let Some(cropping) = augmentation.cropping() {
                let mut stream = Stream::new(1, Purpose::Augmentation, 0, index);
                let window = cropping.window(height, width, &mut stream);
                let inside = window.height > 0
                    && window.width > 0
                    && window.top + window.height <= height
                    && window.left + window.width <= width;
                findings.expect(inside, || format!("{window:?} is not inside an image of {height}x{width}"));
                findings.expect(window.size == (changed.height, changed.width), || {
                    format!(
                        "its window becomes {:?}, but the image {}x{}",
                        window.size, changed.height, changed.width
                    )
                });
            }
            if let Some(moving) = augmentation.moving() {
                let streams = [(); 2].map(|()| Stream::new(1, Purpose::Augmentation, 0, index));
                let [mut own, mut other] = streams;
                augmentation.apply(image.clone(), &mut own);
                let map = moving.map((height, width), &mut other);
                findings.expect(changed == image.mapped(&map), || {
                    format!("it moves pixels of an image of {height}x{width} otherwise than {map:?} says")
                });
                findings.expect(own.word() == other.word(), || {
                    "its map of pixels draws something else from the stream".to_owned()
                });
            }
            findings.expect(changed == apply(), || "the same stream gives another image".to_owned());
            findings.expect(changed.pixels.len() == changed.height * changed.width * 3, || {
                format!("{} bytes for {}x{} pixels", changed.pixels.len(), changed.height, changed.width)
            });
        }
    }
}
