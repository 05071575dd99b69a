//! Memory that outlives a program.

use super::outline::Outline;
use super::told::Told;
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
    /// What a step is told.
    pub(super) told: Told,
    /// `[256][3]`, what each byte of an image is to the network.
    pub(super) normalisation: Address,
    /// Loss and correct predictions, two `f64`.
    pub(super) outcome: Address,
    /// `[experts][classes]`, of the loss.
    pub(super) adjustments: Address,
    /// Images that are kept, as bytes.
    pub(super) kept: Address,
    /// Images of a step, as bytes.
    pub(super) brought: Address,
    /// Maps of a step's images.
    pub(super) maps: Address,
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
        told: Told::new(0, Address::NULL),
        normalisation: Address::NULL,
        outcome: Address::NULL,
        adjustments: Address::NULL,
        kept: Address::NULL,
        brought: Address::NULL,
        maps: Address::NULL,
    };

    /// The slabs of a network in memory that starts at an address, and how many bytes they take. What has a size of its own
    /// (adjustments and images) is not there yet.
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
        let statistics = take(outline.statistics_len() * size_of::<f32>());
        let told = Told::new(share, take(Told::new(share, Address::NULL).bytes()));
        let slabs = Self {
            weights,
            copies,
            gradients,
            rough,
            velocities,
            statistics,
            told,
            normalisation: take(256 * 3 * size_of::<f32>()),
            outcome: take(2 * size_of::<f64>()),
            ..Self::NOWHERE
        };
        (slabs, end)
    }
}
