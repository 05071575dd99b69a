//! Memory that outlives a program.

use super::outline::Outline;
use crate::cuda::{Address, Storage};

/// Alignment of every part, in bytes.
const LINE: usize = 256;

/// Where it lies. Slabs of parameters are laid out alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slabs {
    /// Parameters.
    pub(super) weights: Address,
    /// Parameters as feature maps are stored; the same where these are `f32`.
    pub(super) copies: Address,
    /// Gradients.
    pub(super) gradients: Address,
    /// Gradients of the weights of convolutions as feature maps are stored; the same where these are `f32`.
    pub(super) rough: Address,
    pub(super) velocities: Address,
    /// Running statistics.
    pub(super) statistics: Address,
    /// What the update is made with.
    pub(super) sgd: Address,
    /// Labels, lambda and smoothing of the part.
    pub(super) first: Address,
    pub(super) second: Address,
    pub(super) lambda: Address,
    pub(super) smoothing: Address,
    /// Loss and correct predictions, two `f64`.
    pub(super) outcome: Address,
    /// `[experts][classes]`, of the loss.
    pub(super) adjustments: Address,
}

impl Slabs {
    /// Stands for slabs while rooms are placed.
    pub(super) const NOWHERE: Self = Self {
        weights: Address::NULL,
        copies: Address::NULL,
        gradients: Address::NULL,
        rough: Address::NULL,
        velocities: Address::NULL,
        statistics: Address::NULL,
        sgd: Address::NULL,
        first: Address::NULL,
        second: Address::NULL,
        lambda: Address::NULL,
        smoothing: Address::NULL,
        outcome: Address::NULL,
        adjustments: Address::NULL,
    };

    /// The slabs of a network in memory that starts at an address, and how many bytes they take. There are no adjustments yet.
    pub(super) fn new(outline: &Outline, start: Address) -> (Self, usize) {
        let mut end = 0;
        let mut take = |bytes: usize| {
            let address = start.offset(end);
            end += bytes.next_multiple_of(LINE);
            address
        };
        let (parameters, share) = (outline.parameters.len(), outline.max_share());
        let [weights, gradients, velocities] = [(); 3].map(|()| take(parameters * size_of::<f32>()));
        let [copies, rough] = match outline.storage {
            Storage::F32 => [weights, gradients],
            Storage::Bf16 => [(); 2].map(|()| take(parameters * outline.value_size())),
        };
        let slabs = Self {
            weights,
            copies,
            gradients,
            rough,
            velocities,
            statistics: take(outline.statistics_len() * size_of::<f32>()),
            sgd: take(4 * size_of::<f32>()),
            first: take(share * size_of::<u32>()),
            second: take(share * size_of::<u32>()),
            lambda: take(share * size_of::<f32>()),
            smoothing: take(size_of::<f32>()),
            outcome: take(2 * size_of::<f64>()),
            adjustments: Address::NULL,
        };
        (slabs, end)
    }
}
