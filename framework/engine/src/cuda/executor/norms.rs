//! Batch norms: statistics of groups, the coefficients that they give, and those of the gradient.

use super::arguments::RawGroups;
use super::outline::Part;
use super::program::{NormPlaces, Operand, Program, operands};
use super::rooms::Place;
use crate::graph::{Map, ValueId};
use balpoe_net::Shape;

/// Rows of a chunk, at least, and chunks of a group, at most: enough blocks to fill a GPU, few enough partial sums.
const CHUNK_ROWS: usize = 128;
const CHUNKS: usize = 128;
/// Columns of a block of partial sums, as in `batch_norm.cu`.
const COLUMNS: usize = 32;

impl Program<'_> {
    /// Prepares the batch norms that read a value.
    pub(super) fn norms_of(&mut self, value: ValueId) {
        let outline = self.outline;
        let mut norms: Vec<usize> = Vec::new();
        for (_, map) in &outline.graph.values[value].sums {
            match *map {
                Map::Norm(norm) if !norms.contains(&norm) => norms.push(norm),
                _ => {}
            }
        }
        if norms.is_empty() {
            return;
        }
        let sums = self.training.then(|| {
            let x = self.real_of(value);
            let sums = self.moments("moments", operands![x], self.shape(value), self.part);
            self.exchange(sums, self.shape(value));
            sums
        });
        for norm in norms {
            self.coefficients(norm, sums);
        }
    }

    /// Adds sums up over the devices where groups lie on several.
    fn exchange(&mut self, sums: Place, shape: Shape) {
        if self.part.exchanges {
            self.sum_over_devices(sums, self.part.groups() * 2 * shape.channels);
        }
    }

    /// Scale and shift of a batch norm: of the batch, from sums and sums of squares, or of the running statistics.
    fn coefficients(&mut self, norm: usize, sums: Option<Place>) {
        let outline = self.outline;
        let node = &outline.graph.norms[norm];
        let shape = self.shape(node.source);
        let channels = shape.channels;
        let [gamma, beta] = [node.gamma, node.beta]
            .map(|parameter| Self::slab(self.slabs.weights, outline.parameters.range(parameter).start));
        let [mean, variance] = [node.mean, node.variance]
            .map(|buffer| Self::slab(self.slabs.statistics, outline.statistics[buffer].start));
        let groups = if self.training { self.part.groups() } else { 1 };
        let [scale, shift] = [(); 2].map(|()| self.float_room(groups * channels));
        let mut places = NormPlaces {
            scale,
            shift,
            mean: Place::NULL,
            inverse_std: Place::NULL,
            coefficients: Place::NULL,
        };
        if let Some(sums) = sums {
            places.mean = self.float_room(groups * channels);
            places.inverse_std = self.rooms.take(groups * channels * size_of::<f64>());
            let operands = operands![
                sums,
                gamma,
                beta,
                mean,
                variance,
                scale,
                shift,
                places.mean,
                places.inverse_std,
                channels as i32,
                self.raw_groups(shape),
                node.epsilon,
                node.momentum,
            ];
            self.launch_channels("batch_norm_coefficients", channels, operands);
        } else {
            let operands =
                operands![gamma, beta, mean, variance, scale, shift, channels as i32, node.epsilon];
            self.launch_channels("running_coefficients", channels, operands);
        }
        self.norms[norm] = Some(places);
    }

    fn raw_groups(&self, shape: Shape) -> RawGroups {
        let own = self.part.own_groups();
        RawGroups {
            group_images: self.part.group as i32,
            pixels: shape.pixels() as i32,
            batch: self.part.batch as i32,
            first_group: own.start as i32,
            end_group: own.end as i32,
        }
    }

    /// The coefficients of the gradients of the batch norms among a sum's terms, and the gradients of their parameters.
    pub(super) fn norm_gradients(&mut self, sum: ValueId) {
        let outline = self.outline;
        let terms = outline.graph.values[sum].as_sum().map_or(&[][..], |sum| &sum.terms);
        for term in terms {
            let Map::Norm(norm) = term.map else { continue };
            let node = &outline.graph.norms[norm];
            let gradients = [node.gamma, node.beta].map(|parameter| outline.parameters.range(parameter));
            match (self.gradients[sum], self.norms[norm]) {
                (Some(g), Some(places)) => self.norm_gradient(norm, g, places),
                _ => {
                    for range in gradients {
                        self.clear(
                            Self::slab(self.slabs.gradients, range.start),
                            range.len() * size_of::<f32>(),
                        );
                    }
                }
            }
        }
    }

    fn norm_gradient(&mut self, norm: usize, g: Place, places: NormPlaces) {
        let outline = self.outline;
        let node = &outline.graph.norms[norm];
        let shape = self.shape(node.source);
        let channels = shape.channels;
        let x = self.real_of(node.source);
        let own = self.moments("gradient_moments", operands![g, x, places.mean], shape, self.part);
        let mut all = own;
        if outline.replicas > 1 {
            let bytes = self.part.groups() * 2 * channels * size_of::<f64>();
            let room = self.rooms.take(bytes);
            if self.part.exchanges {
                self.copy(own, room, bytes);
                self.exchange(room, shape);
                all = room;
            }
        }
        let coefficients = self.float_room(self.part.groups() * 3 * channels);
        let gamma = Self::slab(self.slabs.weights, outline.parameters.range(node.gamma).start);
        let [gamma_gradient, beta_gradient] = [node.gamma, node.beta]
            .map(|parameter| Self::slab(self.slabs.gradients, outline.parameters.range(parameter).start));
        let operands = operands![
            own,
            all,
            gamma,
            places.mean,
            places.inverse_std,
            coefficients,
            gamma_gradient,
            beta_gradient,
            channels as i32,
            self.raw_groups(shape),
        ];
        self.launch_channels("batch_norm_gradient_coefficients", channels, operands);
        self.norms[norm] = Some(NormPlaces { coefficients, ..places });
    }

    /// Two sums over each group of a part, `[group][2][channels]` of `f64`; groups of which the part has no image get zeros
    /// where sums are exchanged.
    pub(super) fn moments(
        &mut self,
        kernel: &'static str,
        mut operands: Vec<Operand>,
        shape: Shape,
        part: Part,
    ) -> Place {
        let (pixels, channels) = (shape.pixels(), shape.channels);
        let own = part.own_groups();
        let longest = part.group.min(part.images) * pixels;
        let chunk_rows = longest.div_ceil(CHUNKS).max(CHUNK_ROWS);
        let chunks = longest.div_ceil(chunk_rows).max(1);
        // As many as any smaller part may have.
        let most_groups = (part.images.div_ceil(part.group) + 1).min(part.groups().max(1));
        let most_chunks = longest.div_ceil(CHUNK_ROWS).clamp(1, CHUNKS);
        let partial = self.float_room(most_groups * most_chunks * 2 * channels);
        let sums_bytes = part.groups().max(1) * 2 * channels * size_of::<f64>();
        let sums = self.rooms.take(sums_bytes);
        if part.exchanges {
            self.clear(sums, sums_bytes);
        }
        let rows = |images: usize| (images * pixels) as i32;
        operands.extend(operands![
            partial,
            rows(part.images),
            channels as i32,
            rows(part.group),
            rows(part.first),
            chunk_rows as i32,
        ]);
        self.launch(kernel, [channels.div_ceil(COLUMNS), chunks, own.len()], [COLUMNS, 8, 1], operands);
        let operands = operands![partial, sums, chunks as i32, channels as i32, own.start as i32];
        self.launch("sum_chunks", [(2 * channels).div_ceil(8), own.len(), 1], [8, 32, 1], operands);
        sums
    }
}
