//! Where the values of the images at hand lie.

use super::workspace::Lists;
use crate::cpu::elementwise::{Affine, Extent, GradientSums, Piece, Plane};
use crate::cpu::memory::Shared;
use crate::cpu::norm::NormState;
use crate::graph::{Graph, Map, Sum, ValueId};
use crate::groups::Groups;
use crate::schedule::Contribution;

/// Where a value lies: in memory of the whole batch, or in that of the images at hand.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// Starts with the batch's first image.
    Batch(Shared),
    /// Starts so far into [`Frame::local`] with [`Frame::first`].
    Local(usize),
}

/// A view of a pass's memory for the images at hand.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) graph: &'a Graph,
    pub(super) norms: &'a [NormState],
    /// Which statistics an image is normalised with.
    pub(super) groups: Groups,
    /// Places of values that are stored; gradients only in training.
    pub(super) values: &'a [Option<Place>],
    pub(super) gradients: &'a [Option<Place>],
    pub(super) local: Option<Shared>,
    pub(super) first: usize,
}

impl Frame<'_> {
    pub(super) fn extent(&self, value: ValueId) -> Extent {
        let value = &self.graph.values[value];
        Extent { height: value.shape.height, width: value.shape.width, stride: value.stride }
    }

    /// An image of a stored value.
    pub(super) fn value(&self, value: ValueId, image: usize) -> Plane {
        self.plane(self.values[value], value, image)
    }

    /// An image of a stored gradient.
    pub(super) fn gradient(&self, value: ValueId, image: usize) -> Plane {
        self.plane(self.gradients[value], value, image)
    }

    fn plane(&self, place: Option<Place>, id: ValueId, image: usize) -> Plane {
        let value = &self.graph.values[id];
        let (base, offset) = match place {
            Some(Place::Batch(base)) => (Some(base), image * value.image_len()),
            Some(Place::Local(start)) => (self.local, start + (image - self.first) * value.image_len()),
            None => (None, 0),
        };
        let base = base.unwrap_or_else(|| unreachable!("value {id} is not kept in memory by the plan"));
        // SAFETY: the plan gives every stored value room for all images of the batch, or of the chunk at hand.
        let start = unsafe { base.at(offset) };
        Plane { start, row_len: value.shape.width * value.stride }
    }

    /// Lists what one image of a value is the sum of: itself if it is in memory (unless `evaluate`), else its terms.
    pub(super) fn list_value(&self, id: ValueId, image: usize, evaluate: bool, pieces: &mut Vec<Piece>) {
        pieces.clear();
        let value = &self.graph.values[id];
        match value.as_sum() {
            Some(sum) if evaluate || !value.is_stored() => self.list_terms(sum, image, pieces),
            _ => pieces.push(Piece::Copy(self.value(id, image))),
        }
    }

    fn list_terms(&self, sum: &Sum, image: usize, pieces: &mut Vec<Piece>) {
        let group = self.groups.of(image);
        pieces.extend(sum.terms.iter().map(|term| {
            let x = self.value(term.source, image);
            match term.map {
                Map::Identity => Piece::Copy(x),
                Map::Norm(norm) => {
                    let norm = &self.norms[norm];
                    Piece::Affine(Affine { x, scale: norm.scale(group), shift: norm.shift(group) })
                }
                Map::Subsample { stride, before } => {
                    let source = &self.graph.values[term.source];
                    let (pixel, channels) = (source.stride, source.shape.channels);
                    Piece::Subsample { x, pixel, channels, stride, before }
                }
            }
        }));
    }

    /// Lists what one image of a value's gradient is the sum of; `own` is the result of the kernel that has just run.
    pub(super) fn list_gradient(
        &self,
        id: ValueId,
        image: usize,
        contributions: &[Contribution],
        own: Option<Plane>,
        pieces: &mut Vec<Piece>,
    ) {
        pieces.clear();
        let (value, group) = (&self.graph.values[id], self.groups.of(image));
        // What was collected comes first: the sum may be formed in its place.
        for contribution in contributions {
            pieces.push(match *contribution {
                Contribution::Collected => Piece::Copy(self.gradient(id, image)),
                Contribution::Through(sum, map) => {
                    let g = self.gradient(sum, image);
                    match map {
                        Map::Identity => Piece::Copy(g),
                        Map::Norm(norm) => {
                            let coefficients = self.norms[norm].gradient(group);
                            Piece::Normalised { g, x: self.value(id, image), coefficients }
                        }
                        Map::Subsample { stride, before } => {
                            let (pixel, channels) = (self.graph.values[sum].stride, value.shape.channels);
                            Piece::Spread { g, pixel, channels, stride, before }
                        }
                    }
                }
            });
        }
        pieces.extend(own.map(Piece::Copy));
    }

    /// Lists the sums over one image's gradient that the batch norms among a sum's terms need.
    pub(super) fn list_sums(&self, id: ValueId, image: usize, lists: &mut Lists) {
        lists.sums.clear();
        let group = self.groups.of(image);
        for term in self.graph.values[id].as_sum().map_or(&[][..], |sum| &sum.terms) {
            if let Map::Norm(norm) = term.map {
                let state = &self.norms[norm];
                let (mean, sums) = (state.mean(group), state.partial(image));
                lists.sums.push(GradientSums { x: self.value(term.source, image), mean, sums });
            }
        }
    }
}
