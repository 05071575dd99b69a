//! The two register-blocked products that all algorithms are made of.

use crate::cpu::simd::{Kernel, LANES, Simd, Vector};

/// Consecutive source values, from a pixel's base on; one weight vector each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// Values from a pixel, row or image to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pitch {
    pub(super) pixel: usize,
    pub(super) row: usize,
    pub(super) image: usize,
}

impl Pitch {
    /// Where a pixel lies.
    #[inline(always)]
    pub(super) fn place(self, image: usize, row: usize, column: usize) -> usize {
        image * self.image + row * self.row + column * self.pixel
    }
}

/// Pixels of a product's two operands that lie on a grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Where single values are read.
    pub(super) source: Pitch,
    /// Where vectors are written ([`Product`]) or read ([`Outer`]).
    pub(super) target: Pitch,
}

impl Grid {
    /// Rows or images that follow each other without a gap on both sides are one long row: the last block of a row is
    /// then rarely short.
    pub(super) fn joined(mut self) -> Self {
        let follows = |pitch: Pitch, columns: usize, next: usize| pitch.pixel * columns == next;
        if follows(self.source, self.columns, self.source.row)
            && follows(self.target, self.columns, self.target.row)
        {
            self.columns *= self.rows;
            self.rows = 1;
            if follows(self.source, self.columns, self.source.image)
                && follows(self.target, self.columns, self.target.image)
            {
                self.columns *= self.images;
                self.images = 1;
            }
        }
        self
    }
}

/// The same product over again with other operands: values from one operand to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub(super) count: usize,
    pub(super) source: usize,
    pub(super) weights: usize,
    pub(super) target: usize,
}

impl Repeat {
    /// No repetition.
    pub(super) const ONCE: Self = Self { count: 1, source: 0, weights: 0, target: 0 };
}

/// Pixels (or values) whose sums fit the registers beside one source value and `W` weight vectors.
const fn most_sums(registers: usize, width: usize) -> usize {
    let fitting = (registers - 1 - width) / width;
    if fitting < 16 { fitting } else { 16 }
}

/// How many vectors wide panels are, so that a source value that was loaded serves as many sums as loads can feed.
pub(super) const fn widest_panel(registers: usize) -> usize {
    if registers >= 32 { 2 } else { 1 }
}

/// A product whose caller vouched for its pointers; only `write` and `add` make one.
struct Vouched<T>(T);

/// For every pixel of a grid, `W` vectors of sums: over the runs' source values, each times its weight vectors
/// `[value][W]`.
///
/// A block of neighbouring pixels is summed in registers: each weight vector that is loaded serves all pixels of the
/// block, each source value `W` vectors.
pub(super) struct Product<'a, const W: usize> {
    /// Outer and inner repetition.
    pub(super) repeats: [Repeat; 2],
    pub(super) grid: Grid,
    pub(super) runs: &'a [Run],
    pub(super) source: *const f32,
    pub(super) weights: *const f32,
    pub(super) target: *mut f32,
}

impl<const W: usize> Product<'_, W> {
    /// Writes the sums.
    ///
    /// # Safety
    /// In all repetitions, all pixels of the grid, with the runs at each, must be readable at the source and, with `W`
    /// vectors each, writable at the target; the panels of weights must be readable.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(self, simd: S) {
        simd.vectorize(Vouched(self));
    }
}

impl<const W: usize> Kernel for Vouched<Product<'_, W>> {
    type Output = ();

    /// Chooses the number of pixels in a block: as many as registers allow, and such that blocks are about equal.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let most = const { most_sums(S::REGISTERS, W) };
        let columns = self.0.grid.columns;
        let pixels = columns.div_ceil(columns.div_ceil(most));
        macro_rules! choose {
            ($($count:literal)*) => {
                match pixels {
                    // SAFETY: whoever called `write` vouched for the pointers.
                    $($count if $count <= most => unsafe { self.0.in_blocks::<S, $count>(simd) },)*
                    _ => unreachable!("a block has at most {most} pixels"),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }
}

impl<const W: usize> Product<'_, W> {
    #[inline(always)]
    unsafe fn in_blocks<S: Simd, const P: usize>(&self, simd: S) {
        let [outer, inner] = &self.repeats;
        for i in 0..outer.count {
            for j in 0..inner.count {
                // SAFETY: whoever called `write` vouched for all repetitions.
                unsafe {
                    self.over_grid::<S, P>(
                        simd,
                        self.source.add(i * outer.source + j * inner.source),
                        self.weights.add(i * outer.weights + j * inner.weights),
                        self.target.add(i * outer.target + j * inner.target),
                    );
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn over_grid<S: Simd, const P: usize>(
        &self,
        simd: S,
        source: *const f32,
        weights: *const f32,
        target: *mut f32,
    ) {
        let grid = &self.grid;
        for image in 0..grid.images {
            for row in 0..grid.rows {
                let mut column = 0;
                while column < grid.columns {
                    // The last block overlaps the one before it instead of being short.
                    column = column.min(grid.columns - P);
                    // SAFETY: P pixels from here on are inside the grid.
                    unsafe {
                        let (source, target) = (
                            source.add(grid.source.place(image, row, column)),
                            target.add(grid.target.place(image, row, column)),
                        );
                        self.block::<S, P>(simd, source, weights, target);
                    }
                    column += P;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd, const P: usize>(
        &self,
        simd: S,
        base: *const f32,
        mut weight: *const f32,
        target: *mut f32,
    ) {
        let (source_pixel, target_pixel) = (self.grid.source.pixel, self.grid.target.pixel);
        let mut sums = [[simd.zero(); W]; P];
        // SAFETY: runs stay inside the source at every pixel, and there are W weight vectors for each value.
        unsafe {
            for run in self.runs {
                let mut source = base.add(run.offset);
                for _ in 0..run.length {
                    let mut weights = [simd.zero(); W];
                    for (vector, weights) in weights.iter_mut().enumerate() {
                        *weights = simd.load_from(weight.add(vector * LANES));
                    }
                    for (pixel, sums) in sums.iter_mut().enumerate() {
                        let value = simd.splat(*source.add(pixel * source_pixel));
                        for (sum, weights) in sums.iter_mut().zip(weights) {
                            *sum = value.mul_add(weights, *sum);
                        }
                    }
                    source = source.add(1);
                    weight = weight.add(W * LANES);
                }
            }
            for (pixel, sums) in sums.iter().enumerate() {
                for (vector, sum) in sums.iter().enumerate() {
                    sum.store_to(target.add(pixel * target_pixel + vector * LANES));
                }
            }
        }
    }
}

/// Sums over the pixels of a grid: source values of the runs, each times `W` vectors of the grid's target; they are added
/// to `sums` `[value][W]`.
pub(super) struct Outer<'a, const W: usize> {
    /// Outer and inner repetition; the target's is that of the vectors, the weights' that of the sums.
    pub(super) repeats: [Repeat; 2],
    pub(super) grid: Grid,
    pub(super) runs: &'a [Run],
    pub(super) source: *const f32,
    pub(super) vectors: *const f32,
    pub(super) sums: *mut f32,
}

impl<const W: usize> Outer<'_, W> {
    /// Adds the products.
    ///
    /// # Safety
    /// In all repetitions, all pixels of the grid, with the runs at each, must be readable at the source and, with `W`
    /// vectors each, at the vectors; the sums must be writable.
    #[inline(always)]
    pub(super) unsafe fn add<S: Simd>(self, simd: S) {
        simd.vectorize(Vouched(self));
    }
}

impl<const W: usize> Kernel for Vouched<Outer<'_, W>> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let product = &self.0;
        let [outer, inner] = &product.repeats;
        for i in 0..outer.count {
            for j in 0..inner.count {
                // SAFETY: whoever called `add` vouched for all repetitions.
                unsafe {
                    product.over_runs(
                        simd,
                        product.source.add(i * outer.source + j * inner.source),
                        product.vectors.add(i * outer.target + j * inner.target),
                        product.sums.add(i * outer.weights + j * inner.weights),
                    );
                }
            }
        }
    }
}

impl<const W: usize> Outer<'_, W> {
    /// Cuts runs into as many source values as registers have sums for, in about equal parts.
    #[inline(always)]
    unsafe fn over_runs<S: Simd>(
        &self,
        simd: S,
        source: *const f32,
        vectors: *const f32,
        mut sums: *mut f32,
    ) {
        let most = const { most_sums(S::REGISTERS, W) };
        for run in self.runs {
            let mut done = 0;
            for parts in (1..=run.length.div_ceil(most)).rev() {
                let values = (run.length - done).div_ceil(parts);
                // SAFETY: the values lie inside the run; the caller vouches for the pointers.
                unsafe {
                    let source = source.add(run.offset + done);
                    macro_rules! choose {
                        ($($count:literal)*) => {
                            match values {
                                $($count if $count <= most => {
                                    self.part::<S, $count>(simd, source, vectors, sums);
                                })*
                                _ => unreachable!("a part has at most {most} values"),
                            }
                        };
                    }
                    choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
                    sums = sums.add(values * W * LANES);
                }
                done += values;
            }
        }
    }

    #[inline(always)]
    unsafe fn part<S: Simd, const I: usize>(
        &self,
        simd: S,
        source: *const f32,
        vectors: *const f32,
        target: *mut f32,
    ) {
        let grid = &self.grid;
        // SAFETY: all pixels are inside the grid, and there are W vectors of sums for each value.
        unsafe {
            let mut sums = [[simd.zero(); W]; I];
            for (value, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load_from(target.add((value * W + vector) * LANES));
                }
            }
            for image in 0..grid.images {
                for row in 0..grid.rows {
                    let mut source = source.add(grid.source.place(image, row, 0));
                    let mut vectors = vectors.add(grid.target.place(image, row, 0));
                    for _ in 0..grid.columns {
                        let mut factors = [simd.zero(); W];
                        for (vector, factor) in factors.iter_mut().enumerate() {
                            *factor = simd.load_from(vectors.add(vector * LANES));
                        }
                        for (value, sums) in sums.iter_mut().enumerate() {
                            let value = simd.splat(*source.add(value));
                            for (sum, factor) in sums.iter_mut().zip(factors) {
                                *sum = value.mul_add(factor, *sum);
                            }
                        }
                        source = source.add(grid.source.pixel);
                        vectors = vectors.add(grid.target.pixel);
                    }
                }
            }
            for (value, sums) in sums.iter().enumerate() {
                for (vector, sum) in sums.iter().enumerate() {
                    sum.store_to(target.add((value * W + vector) * LANES));
                }
            }
        }
    }
}
