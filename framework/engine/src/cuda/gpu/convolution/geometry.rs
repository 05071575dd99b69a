//! A convolution in cuDNN's numbers.

use crate::cuda::Convolution;

/// Extents as cuDNN takes them, whatever the layout: images, channels, height, width; a filter's are out, in / groups,
/// height, width. The layout (NHWC) is named beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) x: [i32; 4],
    pub(super) weight: [i32; 4],
    pub(super) y: [i32; 4],
    /// Rows, columns.
    pub(super) padding: [i32; 2],
    /// Rows, columns.
    pub(super) stride: [i32; 2],
    pub(super) groups: i32,
}

impl Geometry {
    /// Says what is wrong where cuDNN could not take the numbers, or they do not fit each other.
    pub(super) fn of(convolution: &Convolution) -> Result<Self, String> {
        let Convolution { images, input, output, window, groups, .. } = *convolution;
        if groups == 0 || input.channels % groups != 0 || output.channels % groups != 0 {
            let (from, to) = (input.channels, output.channels);
            return Err(format!("{from} and {to} channels do not divide into {groups} groups"));
        }
        let [height, width] = window.kernel;
        let geometry = Self {
            x: extents([images, input.channels, input.height, input.width])?,
            weight: extents([output.channels, input.channels / groups, height, width])?,
            y: extents([images, output.channels, output.height, output.width])?,
            padding: window.padding.map(|pixels| pixels as i32),
            stride: window.stride.map(|pixels| pixels as i32),
            groups: groups as i32,
        };
        for (direction, out) in [output.height, output.width].into_iter().enumerate() {
            let expected = geometry.out_extent(direction);
            if expected != out {
                return Err(format!(
                    "the output has {out} rows or columns where the kernel gives {expected}"
                ));
            }
        }
        Ok(geometry)
    }

    /// Rows (0) or columns (1) of the output; none if the kernel does not fit.
    fn out_extent(&self, direction: usize) -> usize {
        let padded = self.x[2 + direction] + 2 * self.padding[direction];
        let free = padded - self.weight[2 + direction];
        if free < 0 || self.stride[direction] < 1 { 0 } else { (free / self.stride[direction] + 1) as usize }
    }
}

/// cuDNN counts a tensor's values in 31 bits.
fn extents(extents: [usize; 4]) -> Result<[i32; 4], String> {
    let values = extents.iter().try_fold(1usize, |values, &extent| values.checked_mul(extent));
    match values {
        Some(0) => Err(format!("a tensor of {extents:?} is empty")),
        Some(values) if i32::try_from(values).is_ok() => Ok(extents.map(|extent| extent as i32)),
        _ => Err(format!("a tensor of {extents:?} has 2^31 values or more; use a smaller batch")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cuda::{Address, ConvolutionPass};
    use balpoe_net::{Shape, Window};

    /// Convolutions as networks have them: a stem, strides, one pixel, groups, sides of different lengths.
    pub(in super::super) fn convolutions() -> Vec<Convolution> {
        let window = |kernel, stride, padding| Window { kernel, stride, padding };
        let shapes = [
            (128, Shape::new(32, 32, 3), Shape::new(32, 32, 16), window([3; 2], [1; 2], [1; 2]), 1),
            (64, Shape::new(224, 224, 3), Shape::new(112, 112, 64), window([7; 2], [2; 2], [3; 2]), 1),
            (5, Shape::new(56, 56, 128), Shape::new(28, 28, 128), window([3; 2], [2; 2], [1; 2]), 32),
            (7, Shape::new(9, 14, 64), Shape::new(9, 14, 256), window([1; 2], [1; 2], [0; 2]), 1),
            (2, Shape::new(9, 14, 6), Shape::new(5, 4, 10), window([1, 5], [2, 3], [0, 1]), 2),
        ];
        shapes
            .map(|(images, input, output, window, groups)| Convolution {
                pass: ConvolutionPass::Forward,
                images,
                input,
                output,
                window,
                groups,
                x: Address::NULL,
                weight: Address::NULL,
                y: Address::NULL,
            })
            .to_vec()
    }

    #[test]
    fn extents_are_in_the_order_of_cudnn() {
        let geometries: Vec<Geometry> =
            convolutions().iter().map(|convolution| Geometry::of(convolution).unwrap()).collect();
        let grouped = Geometry {
            x: [5, 128, 56, 56],
            weight: [128, 4, 3, 3],
            y: [5, 128, 28, 28],
            padding: [1, 1],
            stride: [2, 2],
            groups: 32,
        };
        assert_eq!(geometries[2], grouped);
        let oblong = Geometry {
            x: [2, 6, 9, 14],
            weight: [10, 3, 1, 5],
            y: [2, 10, 5, 4],
            padding: [0, 1],
            stride: [2, 3],
            groups: 2,
        };
        assert_eq!(geometries[4], oblong);
    }

    #[test]
    fn what_cudnn_cannot_take_is_refused_before_it_is_asked() {
        let good = convolutions()[0];
        let refused = |convolution: Convolution| Geometry::of(&convolution).unwrap_err();
        let wide = Convolution { images: 1 << 18, ..good };
        assert_eq!(
            refused(wide),
            "a tensor of [262144, 16, 32, 32] has 2^31 values or more; use a smaller batch"
        );
        assert!(refused(Convolution { images: 0, ..good }).contains("is empty"));
        assert!(refused(Convolution { groups: 2, ..good }).contains("do not divide"));
        let shifted = Convolution { output: Shape::new(31, 32, 16), ..good };
        assert!(refused(shifted).contains("31 rows or columns"));
        let huge = Window { kernel: [40; 2], ..good.window };
        assert!(refused(Convolution { window: huge, ..good }).contains("gives 0"));
    }
}
