//! cuDNN's descriptions of tensors, filters and convolutions.

use super::super::status::Status;
use super::geometry::Geometry;
use crate::cuda::{Precision, Storage};
use cudarc::cudnn::sys::{
    self, cudnnConvolutionDescriptor_t, cudnnConvolutionMode_t, cudnnDataType_t, cudnnFilterDescriptor_t,
    cudnnMathType_t, cudnnTensorDescriptor_t, cudnnTensorFormat_t,
};

/// A description that goes with its value.
macro_rules! descriptor {
    ($name:ident, $handle:ty, $create:path, $destroy:path) => {
        pub(super) struct $name(pub(super) $handle);

        // SAFETY: a description is the host's memory, which one thread uses at a time.
        unsafe impl Send for $name {}

        impl $name {
            fn new() -> Result<Self, String> {
                let mut handle = std::ptr::null_mut();
                // SAFETY: the library writes to a place that is there.
                done(unsafe { $create(&raw mut handle) })?;
                Ok(Self(handle))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made in `new`.
                let _ = unsafe { $destroy(self.0) };
            }
        }
    };
}

descriptor!(
    Tensor,
    cudnnTensorDescriptor_t,
    sys::cudnnCreateTensorDescriptor,
    sys::cudnnDestroyTensorDescriptor
);
descriptor!(
    Filter,
    cudnnFilterDescriptor_t,
    sys::cudnnCreateFilterDescriptor,
    sys::cudnnDestroyFilterDescriptor
);
descriptor!(
    Window,
    cudnnConvolutionDescriptor_t,
    sys::cudnnCreateConvolutionDescriptor,
    sys::cudnnDestroyConvolutionDescriptor
);

impl Window {
    /// How factors are rounded before they are multiplied.
    pub(super) fn set_arithmetic(&self, arithmetic: cudnnMathType_t) -> Result<(), String> {
        // SAFETY: the description is there.
        done(unsafe { sys::cudnnSetConvolutionMathType(self.0, arithmetic) })
    }
}

/// All that cuDNN is told about a convolution.
pub(super) struct Descriptors {
    pub(super) x: Tensor,
    pub(super) weight: Filter,
    pub(super) y: Tensor,
    pub(super) convolution: Window,
}

impl Descriptors {
    /// Describes a convolution, or says what cuDNN refuses.
    pub(super) fn new(geometry: &Geometry, precision: Precision) -> Result<Self, String> {
        let descriptors = Self {
            x: Tensor::new()?,
            weight: Filter::new()?,
            y: Tensor::new()?,
            convolution: Window::new()?,
        };
        let (layout, number) = (cudnnTensorFormat_t::CUDNN_TENSOR_NHWC, number(precision.storage()));
        // SAFETY: the descriptions are there.
        unsafe {
            for (tensor, [n, c, h, w]) in [(&descriptors.x, geometry.x), (&descriptors.y, geometry.y)] {
                done(sys::cudnnSetTensor4dDescriptor(tensor.0, layout, number, n, c, h, w))?;
            }
            let [k, c, h, w] = geometry.weight;
            done(sys::cudnnSetFilter4dDescriptor(descriptors.weight.0, number, layout, k, c, h, w))?;
            let window = descriptors.convolution.0;
            let (mode, sums) =
                (cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION, cudnnDataType_t::CUDNN_DATA_FLOAT);
            let ([rows, columns], [down, right]) = (geometry.padding, geometry.stride);
            done(sys::cudnnSetConvolution2dDescriptor(window, rows, columns, down, right, 1, 1, mode, sums))?;
            done(sys::cudnnSetConvolutionGroupCount(window, geometry.groups))?;
        }
        descriptors.convolution.set_arithmetic(arithmetic(precision))?;
        Ok(descriptors)
    }
}

fn done(status: impl Status) -> Result<(), String> {
    status.refusal().map_or(Ok(()), Err)
}

fn number(storage: Storage) -> cudnnDataType_t {
    match storage {
        Storage::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
        Storage::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
    }
}

/// What cuDNN may round before it multiplies: by default it takes TensorFloat-32 for `f32`.
pub(super) fn arithmetic(precision: Precision) -> cudnnMathType_t {
    match precision {
        Precision::F32 => cudnnMathType_t::CUDNN_FMA_MATH,
        Precision::Tf32 => cudnnMathType_t::CUDNN_DEFAULT_MATH,
        Precision::Bf16 => cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
    }
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "tests say what they skip")]
mod tests {
    use super::super::geometry::tests::convolutions;
    use super::*;
    use crate::cuda::{Cuda, LibraryKind};

    #[test]
    fn cudnn_reads_the_descriptions_as_they_are_meant() {
        if !Cuda::probe().has(LibraryKind::Cudnn) {
            println!("skipped: cuDNN is not installed (pip install nvidia-cudnn-cu13)");
            return;
        }
        for convolution in convolutions() {
            let geometry = Geometry::of(&convolution).unwrap();
            for precision in Precision::ALL {
                let descriptors = Descriptors::new(&geometry, precision).unwrap();
                let mut found = [0; 4];
                let [n, c, h, w] = found.each_mut().map(|extent| &raw mut *extent);
                let Descriptors { x, weight, y: _, convolution } = &descriptors;
                // SAFETY: the descriptions are there, and the library writes to four numbers.
                let status = unsafe {
                    sys::cudnnGetConvolution2dForwardOutputDim(convolution.0, x.0, weight.0, n, c, h, w)
                };
                assert_eq!(done(status), Ok(()));
                assert_eq!(found, geometry.y);

                let mut strides = [0; 4];
                let [sn, sc, sh, sw] = strides.each_mut().map(|stride| &raw mut *stride);
                let mut kind = cudnnDataType_t::CUDNN_DATA_DOUBLE;
                // SAFETY: as above.
                let status = unsafe {
                    sys::cudnnGetTensor4dDescriptor(x.0, &raw mut kind, n, c, h, w, sn, sc, sh, sw)
                };
                assert_eq!(done(status), Ok(()));
                assert_eq!((found, kind), (geometry.x, number(precision.storage())));
                let [_, channels, height, width] = geometry.x;
                assert_eq!(strides, [height * width * channels, 1, width * channels, channels]);
            }
        }
    }
}
