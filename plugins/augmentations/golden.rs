//! Images changed by torchvision, for the tests; how they were made is in `tests/golden/README.md`.

use std::path::Path;

use balpoe_core::components::Image;
use balpoe_data::imaging::Interpolation;
use safetensors::SafeTensors;

use super::{auto_augment, horizontal_flip, pad_crop, rand_augment, rotation, trivial_augment};

/// The content of a file in `tests/golden`.
pub(super) struct Golden {
    file: Vec<u8>,
}

impl Golden {
    /// `augment.safetensors`: the CIFAR recipe.
    pub(super) fn read() -> Self {
        Self::of("augment")
    }

    fn of(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/{name}.safetensors"));
        Self { file: std::fs::read(path).unwrap() }
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.file).unwrap().tensor(name).unwrap().data().to_vec()
    }

    pub(super) fn angles(&self, name: &str) -> Vec<f64> {
        self.bytes(name).as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
    }

    /// The two source images.
    pub(super) fn images(&self) -> Vec<Image> {
        let image = |pixels: &[u8]| Image { height: 32, width: 32, pixels: pixels.to_vec() };
        self.bytes("images").chunks_exact(32 * 32 * 3).map(image).collect()
    }
}

#[test]
fn the_standard_chain_agrees_with_torchvision() {
    let golden = Golden::read();
    let source = golden.images().swap_remove(0);
    let (corners, flipped, angles) =
        (golden.bytes("chain.corners"), golden.bytes("chain.flipped"), golden.angles("chain.angles"));
    let expected = golden.bytes("chain.images");
    let expected = expected.chunks_exact(32 * 32 * 3);
    assert_eq!(expected.len(), angles.len());
    for (i, expected) in expected.enumerate() {
        let corner = (corners[2 * i] as usize, corners[2 * i + 1] as usize);
        let mut image = pad_crop::crop(&source, 4, corner);
        if flipped[i] == 1 {
            image = horizontal_flip::flip(image);
        }
        assert_eq!(rotation::rotate(&image, angles[i]).pixels, expected, "case {i}");
    }
}

/// Holds every case of a policy, `operation/parameters`, against what Pillow makes of the same image.
fn hold(policy: &str, apply: impl Fn(Image, &str, &[&str]) -> Option<Image>) {
    let golden = Golden::of("imaging");
    let tensors = SafeTensors::deserialize(&golden.file).unwrap();
    let source = tensors.tensor("source.1").unwrap();
    let [height, width, _] = source.shape() else { panic!("the source is no image") };
    let source = Image { height: *height, width: *width, pixels: source.data().to_vec() };
    let mut held = 0;
    for name in tensors.names() {
        let Some(case) = name.strip_prefix(policy).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let (operation, parameters) = case.split_once('/').unwrap();
        let parameters: Vec<&str> = parameters.split(',').collect();
        let found = apply(source.clone(), operation, &parameters)
            .unwrap_or_else(|| panic!("{policy} has no operation {operation}"));
        assert!(found.pixels == tensors.tensor(name).unwrap().data(), "{name}");
        held += 1;
    }
    assert!(held >= 30, "only {held} cases of {policy}");
}

#[test]
fn the_operations_of_auto_augment_agree_with_the_reference() {
    hold("auto_augment", |image, name, parameters| {
        let [level, sign] = parameters else { return None };
        let (operation, ..) = *auto_augment::CIFAR10
            .iter()
            .flatten()
            .find(|(operation, ..)| format!("{operation:?}") == name)?;
        Some(operation.apply(image, level.parse().ok()?, *sign == "-1"))
    });
}

#[test]
fn the_operations_of_rand_augment_agree_with_timm() {
    hold("rand_augment", |image, name, parameters| {
        let [level, sign, interpolation] = parameters else { return None };
        let operation = rand_augment::OPERATIONS.into_iter().find(|o| format!("{o:?}") == name)?;
        let strength = rand_augment::Strength {
            level: level.parse::<f64>().ok()? / 10.0,
            negative: *sign == "-1",
            interpolation: match *interpolation {
                "bilinear" => Interpolation::Bilinear,
                _ => Interpolation::Bicubic,
            },
        };
        Some(operation.apply(image, strength, [124, 116, 104]))
    });
}

#[test]
fn the_operations_of_trivial_augment_agree_with_torchvision() {
    hold("trivial_augment", |image, name, parameters| {
        let [level, sign] = parameters else { return None };
        let operation = trivial_augment::OPERATIONS.into_iter().find(|o| format!("{o:?}") == name)?;
        Some(operation.apply(image, level.parse().ok()?, *sign == "-1"))
    });
}
