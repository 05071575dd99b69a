//! A program: the commands of a pass over a part of a batch, as they are collected.

use super::arguments::{
    Extent, PIECES, Piece, Pooling, RawGroups, RawNorm, RawNormGradient, RawPiece, RawPieces, WIDE,
};
use super::classifier::Cosine;
use super::outline::{Outline, Part};
use super::rooms::{Place, Rooms};
use super::slabs::Slabs;
use crate::cuda::{
    Address, Argument, Command, Convolution, ConvolutionPass, Launch, Number, Product, Storage,
};
use crate::graph::ValueId;
use balpoe_net::{Op, Shape};

/// Threads of a block that works element by element.
const THREADS: usize = 256;
/// Blocks of such a launch, at most; a thread then takes several elements.
const BLOCKS: usize = 4096;

/// The kernels of sums, and their wide forms.
pub(super) const FORWARD: [&str; 2] = ["sum_forward", "sum_forward_wide"];
pub(super) const BACKWARD: [&str; 2] = ["sum_backward", "sum_backward_wide"];

/// Where a value lies, in either form or both.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ValuePlaces {
    /// As feature maps are stored.
    pub(super) real: Option<Place>,
    /// In `f32`.
    pub(super) float: Option<Place>,
}

/// What a batch norm leaves for later, by group.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormPlaces {
    pub(super) scale: Place,
    pub(super) shift: Place,
    pub(super) mean: Place,
    pub(super) inverse_std: Place,
    /// Of the gradient.
    pub(super) coefficients: Place,
}

/// What stands for a parameter of a kernel.
pub(super) enum Operand {
    At(Place),
    Value(Argument),
}

impl From<Place> for Operand {
    fn from(place: Place) -> Self {
        Self::At(place)
    }
}

macro_rules! by_value {
    ($($type:ty),*) => {$(
        impl From<$type> for Operand {
            fn from(value: $type) -> Self {
                Self::Value(Argument::new(value))
            }
        }
    )*};
}
by_value!(i32, i64, f32, f64, RawGroups, RawNorm, RawNormGradient, Pooling, RawPieces, Extent);

/// A list of operands from places and values.
macro_rules! operands {
    ($($operand:expr),* $(,)?) => { vec![$($crate::cuda::executor::program::Operand::from($operand)),*] };
}
pub(super) use operands;

/// A program that is being built.
pub(super) struct Program<'a> {
    pub(super) outline: &'a Outline,
    pub(super) slabs: Slabs,
    pub(super) part: Part,
    /// Whether batch norms use the batch's statistics.
    pub(super) training: bool,
    pub(super) rooms: Rooms,
    pub(super) commands: Vec<Command>,
    pub(super) values: Vec<ValuePlaces>,
    /// Gradients of values, as far as they are known; `None` stands for zeros.
    pub(super) gradients: Vec<Option<Place>>,
    /// What is still to be added to the gradient of a value.
    pub(super) pending: Vec<Vec<Piece>>,
    /// How often operations will still add to the gradient of a value.
    pub(super) collections: Vec<usize>,
    /// Gradients of logits that nobody but the user reads, in `f32`.
    pub(super) head_gradients: Vec<Option<Place>>,
    pub(super) norms: Vec<Option<NormPlaces>>,
    /// By operation.
    pub(super) cosines: Vec<Option<Cosine>>,
    /// Where the largest values lie within their windows, by operation.
    pub(super) winners: Vec<Option<Place>>,
}

impl<'a> Program<'a> {
    pub(super) fn new(outline: &'a Outline, slabs: Slabs, part: Part, rooms: Rooms) -> Self {
        let values = outline.graph.values.len();
        Self {
            outline,
            slabs,
            part,
            training: true,
            rooms,
            commands: Vec::new(),
            values: vec![ValuePlaces::default(); values],
            gradients: vec![None; values],
            pending: vec![Vec::new(); values],
            collections: vec![0; values],
            head_gradients: vec![None; values],
            norms: vec![None; outline.graph.norms.len()],
            cosines: vec![None; outline.graph.ops.len()],
            winners: vec![None; outline.graph.ops.len()],
        }
    }

    pub(super) fn shape(&self, value: ValueId) -> Shape {
        self.outline.graph.values[value].shape
    }

    /// Room for a map of the part's images, as feature maps are stored.
    pub(super) fn map_room(&mut self, shape: Shape) -> Place {
        self.rooms.take(self.part.images * shape.len() * self.outline.value_size())
    }

    /// Room for `f32` values.
    pub(super) fn float_room(&mut self, len: usize) -> Place {
        self.rooms.take(len * size_of::<f32>())
    }

    /// The address of a place that the next command uses.
    pub(super) fn address(&mut self, place: Place) -> Address {
        self.rooms.address(place, self.commands.len())
    }

    /// A place of a slab of `f32`.
    pub(super) fn slab(slab: Address, start: usize) -> Place {
        Place::Fixed(slab.offset(start * size_of::<f32>()))
    }

    /// The place of a parameter in a slab of values as feature maps are stored.
    pub(super) fn real_slab(&self, slab: Address, parameter: usize) -> Place {
        Place::Fixed(slab.offset(self.outline.parameters.range(parameter).start * self.outline.value_size()))
    }

    /// Launches a kernel unless the part is empty.
    pub(super) fn launch(
        &mut self,
        kernel: &'static str,
        grid: [usize; 3],
        block: [usize; 3],
        operands: Vec<Operand>,
    ) {
        if self.part.images > 0 {
            self.launch_always(kernel, grid, block, operands);
        }
    }

    pub(super) fn launch_always(
        &mut self,
        kernel: &'static str,
        grid: [usize; 3],
        block: [usize; 3],
        operands: Vec<Operand>,
    ) {
        let resolve = |operand| match operand {
            Operand::At(place) => Argument::new(self.address(place).0),
            Operand::Value(argument) => argument,
        };
        let arguments = operands.into_iter().map(resolve).collect();
        let [grid, block] = [grid, block].map(|sizes| sizes.map(|size| size as u32));
        self.commands.push(Command::Launch(Launch { kernel, grid, block, arguments }));
    }

    /// Launches a kernel that loops over elements.
    pub(super) fn launch_elements(&mut self, kernel: &'static str, len: usize, operands: Vec<Operand>) {
        self.launch(kernel, Self::blocks(len), [THREADS, 1, 1], operands);
    }

    /// Blocks of a loop over elements.
    fn blocks(len: usize) -> [usize; 3] {
        [len.div_ceil(THREADS).clamp(1, BLOCKS), 1, 1]
    }

    /// Launches a kernel with a thread a channel.
    pub(super) fn launch_channels(&mut self, kernel: &'static str, channels: usize, operands: Vec<Operand>) {
        self.launch(kernel, [channels.div_ceil(64), 1, 1], [64, 1, 1], operands);
    }

    /// Launches a kernel that adds up the columns of a matrix, by blocks as in `prelude.cu`.
    pub(super) fn launch_columns(&mut self, kernel: &'static str, columns: usize, operands: Vec<Operand>) {
        self.launch(kernel, [columns.div_ceil(32), 1, 1], [32, 16, 1], operands);
    }

    /// Launches a kernel with a block a row.
    pub(super) fn launch_rows(
        &mut self,
        kernel: &'static str,
        rows: [usize; 2],
        row_len: usize,
        operands: Vec<Operand>,
    ) {
        let threads = row_len.next_power_of_two().clamp(32, 256);
        self.launch(kernel, [rows[0], rows[1], 1], [threads, 1, 1], operands);
    }

    /// Computes `c = factor op(a) op(b)`.
    pub(super) fn multiply(
        &mut self,
        [a, b, c]: [Place; 3],
        [rows, columns, depth]: [usize; 3],
        transposed: [bool; 2],
        factor: f32,
    ) {
        if self.part.images > 0 {
            let [a, b, c] = [a, b, c].map(|place| self.address(place));
            let product = Product { a, b, c, rows, columns, depth, transposed, factor };
            self.commands.push(Command::Multiply(product));
        }
    }

    /// One pass of an operation that is a convolution.
    pub(super) fn convolve(&mut self, pass: ConvolutionPass, op: usize, x: Place, weight: Place, y: Place) {
        let operation = &self.outline.graph.ops[op];
        let Op::Conv { window, groups, .. } = operation.op else { unreachable!("not a convolution") };
        let [input, output] = [operation.inputs[0], operation.output].map(|value| self.shape(value));
        if self.part.images > 0 {
            let images = self.part.images;
            let [x, weight, y] = [x, weight, y].map(|place| self.address(place));
            let convolution = Convolution { pass, images, input, output, window, groups, x, weight, y };
            self.commands.push(Command::Convolve(convolution));
        }
    }

    /// Sets memory to zero, also for an empty part.
    pub(super) fn clear(&mut self, place: Place, bytes: usize) {
        let address = self.address(place);
        self.commands.push(Command::Clear { address, bytes });
    }

    /// Copies memory, also for an empty part.
    pub(super) fn copy(&mut self, from: Place, to: Place, bytes: usize) {
        let [from, to] = [from, to].map(|place| self.address(place));
        self.commands.push(Command::Copy { from, to, bytes });
    }

    /// Adds `f64` up over all devices, also for an empty part.
    pub(super) fn sum_over_devices(&mut self, place: Place, len: usize) {
        let address = self.address(place);
        self.commands.push(Command::Sum { address, len, number: Number::Double });
    }

    /// Values as feature maps are stored, of `f32`; the same place where that is no difference.
    pub(super) fn as_real(&mut self, float: Place, len: usize) -> Place {
        if self.outline.storage == Storage::F32 {
            return float;
        }
        let real = self.rooms.take(len * self.outline.value_size());
        self.launch_elements("to_real", len, operands![float, real, len as i64]);
        real
    }

    /// The other way round.
    pub(super) fn as_float(&mut self, real: Place, len: usize) -> Place {
        if self.outline.storage == Storage::F32 {
            return real;
        }
        let float = self.float_room(len);
        self.launch_elements("to_float", len, operands![real, float, len as i64]);
        float
    }

    /// A value as feature maps are stored.
    pub(super) fn real_of(&mut self, value: ValueId) -> Place {
        let places = self.values[value];
        places.real.unwrap_or_else(|| {
            let float =
                places.float.unwrap_or_else(|| unreachable!("value {value} is read before it is there"));
            let real = self.as_real(float, self.part.images * self.shape(value).len());
            self.values[value].real = Some(real);
            real
        })
    }

    /// A value in `f32`.
    pub(super) fn float_of(&mut self, value: ValueId) -> Place {
        let places = self.values[value];
        places.float.unwrap_or_else(|| {
            let real = self.real_of(value);
            let float = self.as_float(real, self.part.images * self.shape(value).len());
            self.values[value].float = Some(float);
            float
        })
    }

    /// The sum of pieces with its activation, `slope` being 1 without one.
    pub(super) fn sum_forward(&mut self, pieces: &[Piece], out: Place, shape: Shape, slope: f32) {
        let (kernel, units) = self.sum_kernel(FORWARD, self.is_wide(pieces, shape), shape);
        self.sum(pieces, out, |program, pieces, is_last| {
            let (extent, slope) = (program.extent(shape), if is_last { slope } else { 1.0 });
            program.launch_elements(kernel, units, operands![pieces, out, extent, slope]);
        });
    }

    /// The sum of gradients, taken back through the activation of a value.
    pub(super) fn sum_backward(
        &mut self,
        pieces: &[Piece],
        activation: Option<(Place, f32)>,
        out: Place,
        shape: Shape,
    ) {
        let (kernel, units) = self.sum_kernel(BACKWARD, self.is_wide(pieces, shape), shape);
        self.sum(pieces, out, |program, pieces, is_last| {
            let (value, slope) = activation.filter(|_| is_last).unwrap_or((Place::NULL, 1.0));
            program.launch_elements(
                kernel,
                units,
                operands![pieces, value, out, program.extent(shape), slope],
            );
        });
    }

    /// Whether every run of channels lies together in a sum and all of its pieces, and is counted in 31 bits. Such runs are
    /// aligned: maps lie at the start of a room, or, as gradients of one output behind those of others, a multiple of the
    /// channels behind it; and so do the coefficients of a group.
    pub(super) fn is_wide(&self, pieces: &[Piece], shape: Shape) -> bool {
        // The same for every batch, since rooms depend on it.
        let fits = i32::try_from(self.outline.max_batch * shape.len() / WIDE).is_ok();
        fits && shape.channels.is_multiple_of(WIDE) && pieces.iter().all(Piece::is_wide)
    }

    /// The kernel of a sum, or its wide form, and how many runs of channels it works on.
    pub(super) fn sum_kernel(
        &self,
        [scalar, wide]: [&'static str; 2],
        is_wide: bool,
        shape: Shape,
    ) -> (&'static str, usize) {
        let len = self.part.images * shape.len();
        if is_wide { (wide, len / WIDE) } else { (scalar, len) }
    }

    /// Forms a sum of any number of pieces, a few at a time. `out` may be one of them.
    pub(super) fn sum(
        &mut self,
        pieces: &[Piece],
        out: Place,
        mut launch: impl FnMut(&mut Self, RawPieces, bool),
    ) {
        let mut pieces = pieces.to_vec();
        // What is overwritten must be read by the first launch.
        pieces.sort_by_key(|piece| !matches!(piece, Piece::Copy(place) if *place == out));
        let mut rest = &pieces[..];
        let mut is_first = true;
        while is_first || !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(if is_first { PIECES } else { PIECES - 1 }));
            let mut now = now.to_vec();
            if !is_first {
                now.push(Piece::Copy(out));
            }
            let raw = self.raw(&now);
            launch(self, raw, later.is_empty());
            (rest, is_first) = (later, false);
        }
    }

    fn raw(&mut self, pieces: &[Piece]) -> RawPieces {
        let mut raw = RawPieces { count: pieces.len() as i32, ..RawPieces::default() };
        for (raw, &piece) in raw.pieces.iter_mut().zip(pieces) {
            *raw = RawPiece::new(piece, |place| self.address(place).0);
        }
        raw
    }

    /// A map of the part's images, and how they are grouped.
    pub(super) fn extent(&self, shape: Shape) -> Extent {
        let Part { images, first, group, .. } = self.part;
        let (group, first) = if self.training { (group as i32, first) } else { (i32::MAX, 0) };
        Extent {
            images: images as i32,
            height: shape.height as i32,
            width: shape.width as i32,
            channels: shape.channels as i32,
            group_images: group,
            first: first as i32,
        }
    }
}
