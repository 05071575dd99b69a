//! From 8-bit pixels to the numbers that a network sees.

/// Scales bytes to `[0, 1]`, subtracts each channel's mean and divides by its deviation.
///
/// All 3 x 256 results are computed once, in single precision and in the order in which PyTorch's `ToTensor` and `Normalize`
/// do it, so the values agree bit for bit.
#[derive(Clone, Debug)]
pub struct Normalisation {
    table: Box<[[f32; 3]; 256]>,
}

impl Normalisation {
    /// From each channel's mean and standard deviation in `[0, 1]`, red first.
    pub fn new(mean: [f32; 3], deviation: [f32; 3]) -> Self {
        let mut table = Box::new([[0.0; 3]; 256]);
        for (byte, values) in table.iter_mut().enumerate() {
            for channel in 0..3 {
                values[channel] = (byte as f32 / 255.0 - mean[channel]) / deviation[channel];
            }
        }
        Self { table }
    }

    /// What each byte of each channel becomes.
    pub fn table(&self) -> &[[f32; 3]; 256] {
        &self.table
    }

    /// Writes normalised pixels, `[.., 3]`, to a slice of the same length.
    pub fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        let (pixels, _) = pixels.as_chunks::<3>();
        let (out, _) = out.as_chunks_mut::<3>();
        for (out, &[r, g, b]) in out.iter_mut().zip(pixels) {
            *out = [self.table[r as usize][0], self.table[g as usize][1], self.table[b as usize][2]];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_torchvision_bit_for_bit() {
        // torch 2.15, torchvision 0.29: Normalize((.4914, .4822, .4465), (.2023, .1994, .2010))(ToTensor()(image)) for a
        // one-pixel image (17, 200, 255); the values as hexadecimal words of float32.
        let normalisation = Normalisation::new([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]);
        let mut out = [0.0; 3];
        normalisation.apply(&[17, 200, 255], &mut out);
        assert_eq!(out.map(f32::to_bits), [0xc006_5e92, 0x3fc1_ef42, 0x4030_3d22]);
    }
}
