//! What the host tells each step beside its images: settings of the update, targets, and which images are blended.
//!
//! All of it lies in one piece of memory, so that one upload brings it.

use super::outline::Part;
use crate::SoftTargets;
use crate::cuda::Address;
use balpoe_net::{Blend, Sgd};

/// Alignment of every part, in bytes.
const LINE: usize = 256;

/// Where each part lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// `Sgd` of `update.cu`.
    pub(super) sgd: Address,
    /// Of the targets.
    pub(super) smoothing: Address,
    /// `Blend` of `input.cu`.
    pub(super) blend: Address,
    /// Labels and weights of the part.
    pub(super) first: Address,
    pub(super) second: Address,
    pub(super) lambda: Address,
    /// Places of the part's images among those that lie on the device, then of their partners.
    pub(super) positions: Address,
    end: Address,
}

impl Told {
    /// For parts of up to so many images, from an address on.
    pub(super) const fn new(share: usize, start: Address) -> Self {
        const fn after(address: Address, bytes: usize) -> Address {
            address.offset(bytes.next_multiple_of(LINE))
        }
        let smoothing = after(start, 16);
        let blend = after(smoothing, 4);
        let first = after(blend, 20);
        let second = after(first, share * 4);
        let lambda = after(second, share * 4);
        let positions = after(lambda, share * 4);
        let end = after(positions, 2 * share * 4);
        Self { sgd: start, smoothing, blend, first, second, lambda, positions, end }
    }

    /// How many bytes it takes.
    pub(super) const fn bytes(&self) -> usize {
        (self.end.0 - self.sgd.0) as usize
    }

    /// What is told of a step, for this memory: the targets are those of the whole batch. `positions` are those of the part's
    /// images and of their partners, if the images lie on the device.
    pub(super) fn message(
        &self,
        part: Part,
        targets: &SoftTargets<'_>,
        sgd: &Sgd,
        blend: Option<&Blend>,
        positions: &[u32],
    ) -> Vec<u8> {
        let own = part.first..part.first + part.images;
        let mut message = vec![0; self.bytes()];
        let mut put = |at: Address, words: &mut dyn Iterator<Item = [u8; 4]>| {
            let at = (at.0 - self.sgd.0) as usize;
            for (place, word) in message[at..].as_chunks_mut::<4>().0.iter_mut().zip(words) {
                *place = word;
            }
        };
        put(self.sgd, &mut sgd_words(sgd).into_iter());
        put(self.smoothing, &mut [targets.smoothing.to_ne_bytes()].into_iter());
        put(self.blend, &mut blend_words(blend).into_iter());
        put(self.first, &mut targets.first[own.clone()].iter().map(|label| label.to_ne_bytes()));
        put(self.second, &mut targets.second[own.clone()].iter().map(|label| label.to_ne_bytes()));
        put(self.lambda, &mut targets.lambda[own].iter().map(|lambda| lambda.to_ne_bytes()));
        put(self.positions, &mut positions.iter().map(|position| position.to_ne_bytes()));
        message
    }
}

/// `Sgd` of `update.cu`.
pub(super) fn sgd_words(sgd: &Sgd) -> [[u8; 4]; 4] {
    let number = |number: f64| (number as f32).to_ne_bytes();
    let nesterov = i32::from(sgd.nesterov).to_ne_bytes();
    [number(sgd.learning_rate), number(sgd.momentum), number(sgd.weight_decay), nesterov]
}

/// `Blend` of `input.cu`; without one the box is empty.
fn blend_words(blend: Option<&Blend>) -> [[u8; 4]; 5] {
    let Some(Blend { weight, rows, columns, .. }) = blend else { return [[0; 4]; 5] };
    let [top, bottom, left, right] =
        [rows.start, rows.end, columns.start, columns.end].map(|edge| (edge as i32).to_ne_bytes());
    [weight.to_ne_bytes(), top, bottom, left, right]
}
