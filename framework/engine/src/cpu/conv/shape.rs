use crate::cpu::simd::{LANES, round_up};

/// The shape of a convolution (cross-correlation, as networks use it) on one image; channels are logical counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Rows of the input.
    pub in_height: usize,
    /// Columns of the input.
    pub in_width: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Rows of the output.
    pub out_height: usize,
    /// Columns of the output.
    pub out_width: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Input rows and columns from an output pixel to the next.
    pub stride: [usize; 2],
    /// Rows and columns of zeros on both sides of the input.
    pub padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl ConvShape {
    /// Input channels that one output channel sees.
    pub(crate) fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Values of the weight `[out, in / groups, kernel rows, kernel columns]`.
    pub(crate) fn weight_len(&self) -> usize {
        self.out_channels * self.group_inputs() * self.kernel[0] * self.kernel[1]
    }

    /// Multiply-adds of one pass over one image.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.weight_len() * self.out_height * self.out_width
    }

    /// Values of one dense input image, or of its gradient.
    pub(crate) fn input_len(&self) -> usize {
        self.in_height * self.in_width * round_up(self.in_channels)
    }

    /// Values of one dense output image.
    pub(crate) fn output_len(&self) -> usize {
        self.out_height * self.out_width * round_up(self.out_channels)
    }
}

/// The form of an operand in scratch memory: `[images, rows, columns, channels]`, the feature map surrounded by zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halo {
    /// The row that holds the feature map's first.
    pub(crate) top: usize,
    /// The column that holds the feature map's first.
    pub(crate) left: usize,
    /// All rows of an image, zeros included.
    pub(crate) rows: usize,
    /// All columns of an image, zeros included.
    pub(crate) columns: usize,
    /// Values from a pixel to the next.
    pub(crate) channels: usize,
}

impl Halo {
    /// Values from a row to the next.
    pub(crate) fn row_len(&self) -> usize {
        self.columns * self.channels
    }

    /// Values from an image to the next.
    pub(crate) fn image_len(&self) -> usize {
        self.rows * self.row_len()
    }

    /// Values of a whole block: its images, and a vector more that kernels may read but whose content does not matter.
    pub(crate) fn block_len(&self, images: usize) -> usize {
        images * self.image_len() + LANES
    }

    /// Where the first value of the feature map's pixel `(row, column)` of an image lies.
    pub(crate) fn offset(&self, image: usize, row: usize, column: usize) -> usize {
        image * self.image_len() + (self.top + row) * self.row_len() + (self.left + column) * self.channels
    }
}
