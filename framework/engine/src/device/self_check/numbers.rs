//! Numbers for the self-check, so chosen that rounding stays small and mistakes do not.
//!
//! Images and weights have the digits of bfloat16, so that no precision rounds them. Where results decide where a gradient goes
//! (the sign of a leaky rectifier's input, the largest pixel of a window), nothing may round them either: there images and
//! weights have so few digits that their sums have few as well, and what is the same is the same for everybody. Behind batch
//! norms they cannot; there every value keeps away from zero, and rectifiers let whole channels through or none. Otherwise a
//! few of them would pass on gradients that others stop, and a bound that allows for that would allow for mistakes.

use super::network::EXACT;
use balpoe_net::{Init, Net, Parameter};

/// Numbers that are the same on every machine: Knuth's MMIX congruence.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Uniform in `[-1, 1)`.
    pub(super) fn value(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(super) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value()).collect()
    }

    /// Below `limit`.
    pub(super) fn label(&mut self, limit: usize) -> u32 {
        (((self.value() + 1.0) * 0.5 * limit as f32) as u32).min(limit as u32 - 1)
    }

    /// Images `[count, pixels, 3]`, as bytes that stand for numbers between -2 and 2. Every image has a colour of its own: a gradient
    /// that is much the same at all of its pixels would cancel out over images that are the same on average, and leave what was
    /// rounded.
    pub(super) fn bytes(&mut self, count: usize, pixels: usize) -> Vec<u8> {
        let mut halves = || (2.0 * self.value()).round();
        let mut bytes = Vec::with_capacity(count * pixels * 3);
        for _ in 0..count {
            let colour = [(); 3].map(|()| halves());
            for _ in 0..pixels {
                bytes.extend(colour.map(|part| (4.0 + part + halves()) as u8));
            }
        }
        bytes
    }

    /// What a byte stands for.
    pub(super) fn of_byte(byte: u8) -> f32 {
        (f32::from(byte) - 4.0) / 2.0
    }

    /// Such images as numbers.
    pub(super) fn images(&mut self, count: usize, pixels: usize) -> Vec<f32> {
        self.bytes(count, pixels).into_iter().map(Self::of_byte).collect()
    }

    /// Values for every parameter that keep maps of order one.
    pub(super) fn parameters(&mut self, net: &Net) -> Vec<Vec<f32>> {
        net.parameters().iter().map(|parameter| self.parameter(parameter)).collect()
    }

    fn parameter(&mut self, parameter: &Parameter) -> Vec<f32> {
        let Parameter { name, shape, init, .. } = parameter;
        let values = self.values(parameter.len());
        let is_norm = name.ends_with("norm.weight") || name.ends_with("norm.bias");
        match (&shape[..], *init) {
            // A quarter of the shifts or less, which no value of a normalised channel leaves behind.
            ([_], Init::Constant(1.0)) => values.iter().map(|value| 0.5 + 0.1 * value).collect(),
            ([_], _) if is_norm => {
                let shift =
                    |(channel, value)| if passes(channel) { 2.5 + 0.2 * value } else { -2.5 + 0.2 * value };
                values.iter().enumerate().map(shift).collect()
            }
            ([_], _) => values,
            _ if name == EXACT => values.iter().map(|value| (1.5 * value).round() / 8.0).collect(),
            (&[_, channels, ..], _) => spread(values, shape, channels),
            _ => values,
        }
    }
}

/// Whether the rectifier behind a norm lets this channel through: every second one, so that
/// shortcuts bring what passes to what passes.
fn passes(channel: usize) -> bool {
    channel.is_multiple_of(2)
}

/// Weights `[out, channels, ..]` that keep the variance, and add up to nothing over the channels that pass: what all pixels have
/// in common would take the digits of what they have not.
fn spread(mut values: Vec<f32>, shape: &[usize], channels: usize) -> Vec<f32> {
    let taps: usize = shape[2..].iter().product();
    let bound = (3.0 / (channels * taps) as f32).sqrt();
    for window in values.chunks_exact_mut(channels * taps) {
        for tap in 0..taps {
            let places =
                || (0..channels).filter(|&channel| passes(channel)).map(|channel| channel * taps + tap);
            let mean = places().map(|place| window[place]).sum::<f32>() / places().count() as f32;
            // A colour is no channel that passes.
            if channels > 3 {
                places().for_each(|place| window[place] -= mean);
            }
        }
    }
    values.into_iter().map(|value| to_bf16(value * bound)).collect()
}

/// The nearest bfloat16 of a finite number, ties to even.
pub(super) fn to_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}
