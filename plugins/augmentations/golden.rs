//! Images changed by torchvision, for the tests; how they were made is in `tests/golden/README.md`.

use std::path::Path;

use balpoe_core::components::Image;
use safetensors::SafeTensors;

use super::{horizontal_flip, pad_crop, rotation};

/// The content of `tests/golden/augment.safetensors`.
pub(super) struct Golden {
    file: Vec<u8>,
}

impl Golden {
    pub(super) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/augment.safetensors");
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
