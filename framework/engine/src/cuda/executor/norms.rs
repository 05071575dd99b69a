//! Batch norms: statistics of groups, the coefficients that they give, and those of the gradient.

use super::arguments::{Piece, RawGroups, RawNorm, RawNormGradient, WIDE};
use super::outline::Part;
use super::program::{BACKWARD, NormPlaces, Operand, Program, operands};
use super::rooms::Place;
use crate::cuda::Address;
use crate::graph::{Map, ValueId};
use balpoe_net::Shape;

/// How much of the work of forming partial sums is one block's.
#[derive(Clone, Copy)]
struct Cut {
    /// Blocks, at most, unless there are more groups. More would only leave more to be added up.
    blocks: usize,
    /// Rows for each thread, at least.
    rows: usize,
}

/// Two blocks for each of the 132 multiprocessors of an H100, in which a thread reads several rows at once.
const MOMENTS: Cut = Cut { blocks: 264, rows: 2 };
/// As many as fit there at a time, where a thread sums up one row after the other.
const SUMS: Cut = Cut { blocks: 396, rows: 1 };
/// Threads of such a block, and its columns of threads in all and in wide kernels, as in `batch_norm.cu`.
const THREADS: usize = 256;
const COLUMNS: usize = 32;
const WIDE_COLUMNS: usize = 8;
/// Channels and threads for each of a block that adds them up, as in `batch_norm.cu`.
const CHUNK_BLOCK: [usize; 3] = [8, 32, 1];

/// Partial sums of a part's groups, `[group][chunk][2][channels]`.
#[derive(Clone, Copy)]
pub(super) struct Chunks {
    partial: Place,
    /// Of each group.
    count: usize,
    channels: usize,
}

impl Chunks {
    /// Blocks that add them up, for so many groups at a time.
    fn grid(self, groups: usize) -> [usize; 3] {
        [self.channels.div_ceil(CHUNK_BLOCK[0]), groups, 1]
    }
}

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
        let shape = self.shape(value);
        let sums = self.training.then(|| {
            let x = self.real_of(value);
            let chunks = self.chunks(["moments", "moments_wide"], operands![x], shape, self.part);
            let all = self.own_sums(chunks, shape);
            if let Some(sums) = all {
                self.exchange(sums, shape);
            }
            (chunks, all)
        });
        for norm in norms {
            match sums {
                Some((chunks, all)) => self.batch_coefficients(norm, chunks, all),
                None => self.running_coefficients(norm),
            }
        }
    }

    /// This device's sums over all groups, where groups lie on several devices; elsewhere the chunks are enough.
    fn own_sums(&mut self, chunks: Chunks, shape: Shape) -> Option<Place> {
        let bytes = self.sums_bytes(shape);
        // Room is taken wherever one batch may need it, since a program has the same rooms for every batch.
        let sums = (self.outline.replicas > 1).then(|| self.rooms.take(bytes));
        let sums = sums.filter(|_| self.part.exchanges)?;
        if self.part.own_groups() != (0..self.part.groups()) {
            // Groups of which the part has no image stay so.
            self.clear(sums, bytes);
        }
        self.sum_chunks(chunks, sums, self.part);
        Some(sums)
    }

    fn sums_bytes(&self, shape: Shape) -> usize {
        self.part.groups() * 2 * shape.channels * size_of::<f64>()
    }

    /// Adds sums over all groups up over the devices.
    fn exchange(&mut self, sums: Place, shape: Shape) {
        self.sum_over_devices(sums, self.part.groups() * 2 * shape.channels);
    }

    /// Places of a batch norm's parameters in a slab.
    fn norm_parameters(&self, norm: usize, slab: Address) -> [Place; 2] {
        let node = &self.outline.graph.norms[norm];
        [node.gamma, node.beta].map(|p| Self::slab(slab, self.outline.parameters.range(p).start))
    }

    /// Places of its running statistics.
    fn running_statistics(&self, norm: usize) -> [Place; 2] {
        let node = &self.outline.graph.norms[norm];
        [node.mean, node.variance]
            .map(|buffer| Self::slab(self.slabs.statistics, self.outline.statistics[buffer].start))
    }

    /// Scale and shift of a batch norm from the batch: from sums over all devices, or from chunks where there are none.
    fn batch_coefficients(&mut self, norm: usize, chunks: Chunks, sums: Option<Place>) {
        let node = &self.outline.graph.norms[norm];
        let shape = self.shape(node.source);
        let (channels, groups) = (shape.channels, self.part.groups());
        let [gamma, beta] = self.norm_parameters(norm, self.slabs.weights);
        let [running_mean, running_variance] = self.running_statistics(norm);
        let [scale, shift, mean] = [(); 3].map(|()| self.float_room(groups * channels));
        let inverse_std = self.rooms.take(groups * channels * size_of::<f64>());
        let raw = RawNorm {
            places: [gamma, beta, running_mean, running_variance, scale, shift, mean, inverse_std]
                .map(|place| self.address(place).0),
            epsilon: node.epsilon,
            momentum: node.momentum,
        };
        let raw_groups = self.raw_groups(shape);
        if let Some(sums) = sums {
            // Batches whose groups lie on one device each read them now.
            self.address(chunks.partial);
            let operands = operands![sums, raw, channels as i32, raw_groups];
            self.launch_channels("batch_norm_coefficients", channels, operands);
        } else {
            let operands = operands![chunks.partial, chunks.count as i32, raw, channels as i32, raw_groups];
            let grid = chunks.grid(self.part.own_groups().len());
            self.launch("batch_norm_coefficients_of_chunks", grid, CHUNK_BLOCK, operands);
        }
        self.norms[norm] = Some(NormPlaces { scale, shift, mean, inverse_std, coefficients: Place::NULL });
    }

    /// Scale and shift of a batch norm from the running statistics.
    fn running_coefficients(&mut self, norm: usize) {
        let node = &self.outline.graph.norms[norm];
        let channels = self.shape(node.source).channels;
        let [gamma, beta] = self.norm_parameters(norm, self.slabs.weights);
        let [running_mean, running_variance] = self.running_statistics(norm);
        let [scale, shift] = [(); 2].map(|()| self.float_room(channels));
        let operands = operands![
            gamma,
            beta,
            running_mean,
            running_variance,
            scale,
            shift,
            channels as i32,
            node.epsilon
        ];
        self.launch_channels("running_coefficients", channels, operands);
        let [mean, inverse_std, coefficients] = [Place::NULL; 3];
        self.norms[norm] = Some(NormPlaces { scale, shift, mean, inverse_std, coefficients });
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

    /// The first batch norm among a sum's terms.
    pub(super) fn first_norm(&self, sum: ValueId) -> Option<usize> {
        let terms = self.outline.graph.values[sum].as_sum().map_or(&[][..], |sum| &sum.terms);
        terms.iter().find_map(|term| match term.map {
            Map::Norm(norm) => Some(norm),
            _ => None,
        })
    }

    /// The coefficients of the gradients of the batch norms among a sum's terms, and the gradients of their parameters. Chunks
    /// of the first may have been formed with the sum's gradient.
    pub(super) fn norm_gradients(&mut self, sum: ValueId, mut first: Option<Chunks>) {
        let outline = self.outline;
        let terms = outline.graph.values[sum].as_sum().map_or(&[][..], |sum| &sum.terms);
        for term in terms {
            let Map::Norm(norm) = term.map else { continue };
            let node = &outline.graph.norms[norm];
            let gradients = [node.gamma, node.beta].map(|parameter| outline.parameters.range(parameter));
            match (self.gradients[sum], self.norms[norm]) {
                (Some(g), Some(places)) => {
                    let chunks = first.take().unwrap_or_else(|| self.gradient_chunks(norm, g, places));
                    self.norm_gradient(norm, chunks, places);
                }
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

    fn gradient_chunks(&mut self, norm: usize, g: Place, places: NormPlaces) -> Chunks {
        let source = self.outline.graph.norms[norm].source;
        let (x, kernels) = (self.real_of(source), ["gradient_moments", "gradient_moments_wide"]);
        self.chunks(kernels, operands![g, x, places.mean], self.shape(source), self.part)
    }

    /// The sum of gradients, taken back through the activation of a value, and in the same pass the chunks of a batch norm whose
    /// gradient it is.
    pub(super) fn sum_backward_moments(
        &mut self,
        pieces: &[Piece],
        activation: Option<(Place, f32)>,
        out: Place,
        shape: Shape,
        norm: usize,
    ) -> Chunks {
        let source = self.outline.graph.norms[norm].source;
        let x = self.real_of(source);
        let Some(NormPlaces { mean, .. }) = self.norms[norm] else {
            unreachable!("the forward pass normalised it")
        };
        let kernels = ["sum_backward_moments", "sum_backward_moments_wide"];
        let is_wide = self.is_wide(pieces, shape);
        let geometry = Geometry::new(shape, self.part, is_wide, SUMS);
        let partial = self.float_room(geometry.room);
        self.sum(pieces, out, |program, pieces, is_last| {
            let extent = program.extent(shape);
            if !is_last {
                let (kernel, units) = program.sum_kernel(BACKWARD, is_wide, shape);
                let operands = operands![pieces, Place::NULL, out, extent, 1.0f32];
                return program.launch_elements(kernel, units, operands);
            }
            let (value, slope) = activation.unwrap_or((Place::NULL, 1.0));
            let rows = geometry.chunk_rows as i32;
            let operands = operands![pieces, value, out, extent, slope, x, mean, partial, rows];
            program.launch(kernels[usize::from(is_wide)], geometry.grid, geometry.block, operands);
        });
        Chunks { partial, count: geometry.grid[1], channels: shape.channels }
    }

    fn norm_gradient(&mut self, norm: usize, chunks: Chunks, places: NormPlaces) {
        let outline = self.outline;
        let node = &outline.graph.norms[norm];
        let shape = self.shape(node.source);
        let channels = shape.channels;
        let own = self.own_sums(chunks, shape);
        let bytes = self.sums_bytes(shape);
        let all = (outline.replicas > 1).then(|| self.rooms.take(bytes));
        if let (Some(own), Some(all)) = (own, all) {
            self.copy(own, all, bytes);
            self.exchange(all, shape);
        }
        let coefficients = self.float_room(self.part.groups() * 3 * channels);
        let [gamma, _] = self.norm_parameters(norm, self.slabs.weights);
        let [gamma_gradient, beta_gradient] = self.norm_parameters(norm, self.slabs.gradients);
        let NormPlaces { mean, inverse_std, .. } = places;
        let raw = RawNormGradient {
            places: [gamma, mean, inverse_std, coefficients, gamma_gradient, beta_gradient]
                .map(|place| self.address(place).0),
        };
        let raw_groups = self.raw_groups(shape);
        if let (Some(own), Some(all)) = (own, all) {
            // Batches whose groups lie on one device each read them now.
            self.address(chunks.partial);
            let operands = operands![own, all, raw, channels as i32, raw_groups];
            self.launch_channels("batch_norm_gradient_coefficients", channels, operands);
        } else {
            let operands = operands![chunks.partial, chunks.count as i32, raw, channels as i32, raw_groups];
            let kernel = "batch_norm_gradient_coefficients_of_chunks";
            self.launch(kernel, chunks.grid(1), CHUNK_BLOCK, operands);
        }
        self.norms[norm] = Some(NormPlaces { coefficients, ..places });
    }

    /// The sums of a map over all of a part, `[2][channels]` of `f64`, the first being that of its values.
    pub(super) fn map_sums(&mut self, x: Place, shape: Shape) -> Place {
        let images = self.part.images;
        let whole = Part { images, first: 0, batch: images, group: images.max(1), exchanges: false };
        let chunks = self.chunks(["moments", "moments_wide"], operands![x], shape, whole);
        let sums = self.rooms.take(2 * shape.channels * size_of::<f64>());
        self.sum_chunks(chunks, sums, whole);
        sums
    }

    fn sum_chunks(&mut self, chunks: Chunks, sums: Place, part: Part) {
        let groups = part.own_groups();
        let operands =
            operands![chunks.partial, sums, chunks.count as i32, chunks.channels as i32, groups.start as i32];
        self.launch("sum_chunks", chunks.grid(groups.len()), CHUNK_BLOCK, operands);
    }

    /// Two partial sums over each chunk of a part's groups, by a kernel or its wide form.
    fn chunks(
        &mut self,
        kernels: [&'static str; 2],
        mut operands: Vec<Operand>,
        shape: Shape,
        part: Part,
    ) -> Chunks {
        let is_wide = shape.channels.is_multiple_of(WIDE);
        let geometry = Geometry::new(shape, part, is_wide, MOMENTS);
        let partial = self.float_room(geometry.room);
        let rows = |images: usize| (images * shape.pixels()) as i32;
        operands.extend(operands![
            partial,
            rows(part.images),
            shape.channels as i32,
            rows(part.group),
            rows(part.first),
            geometry.chunk_rows as i32,
        ]);
        self.launch(kernels[usize::from(is_wide)], geometry.grid, geometry.block, operands);
        Chunks { partial, count: geometry.grid[1], channels: shape.channels }
    }
}

/// How a kernel forms partial sums over a part's groups of rows.
struct Geometry {
    /// Blocks side by side over the channels, chunks of a group, groups.
    grid: [usize; 3],
    /// Columns of threads, and lanes.
    block: [usize; 3],
    chunk_rows: usize,
    /// Values of partial sums for this part or any smaller one.
    room: usize,
}

impl Geometry {
    fn new(shape: Shape, part: Part, is_wide: bool, cut: Cut) -> Self {
        let channels = shape.channels;
        let (width, most_columns) = if is_wide { (WIDE, WIDE_COLUMNS) } else { (1, COLUMNS) };
        let columns = (channels / width).next_power_of_two().min(most_columns);
        let (across, lanes) = (channels.div_ceil(width * columns), THREADS / columns);
        let groups = part.own_groups().len();
        let (least_rows, most_blocks) = (cut.rows * lanes, cut.blocks / across);
        let longest = part.group.min(part.images) * shape.pixels();
        let most_chunks = (most_blocks / groups.max(1)).max(1);
        let chunk_rows = longest.div_ceil(most_chunks).next_multiple_of(lanes).max(least_rows);
        let chunks = longest.div_ceil(chunk_rows).max(1);
        let most_groups = (part.images.div_ceil(part.group) + 1).min(part.groups().max(1));
        let partial = (most_groups * longest.div_ceil(least_rows)).min(most_blocks).max(most_groups);
        Self {
            grid: [across, chunks, groups],
            block: [columns, lanes, 1],
            chunk_rows,
            room: partial * 2 * channels,
        }
    }
}
