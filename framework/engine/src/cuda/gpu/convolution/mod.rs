//! Convolutions by cuDNN.

mod algorithm;
mod descriptors;
mod geometry;

use super::context::Context;
use super::stream::Stream;
use crate::cuda::{Address, Convolution, ConvolutionPass, Fault, Precision};
use algorithm::Algorithm;
use cudarc::cudnn::sys::{self, cudnnHandle_t};
use descriptors::Descriptors;
use geometry::Geometry;
use std::ffi::c_void;

/// cuDNN on one stream. It is closed with its value, while its context is entered.
pub(super) struct Cudnn(cudnnHandle_t);

// SAFETY: a handle may change threads, if one uses it at a time.
unsafe impl Send for Cudnn {}

impl Cudnn {
    /// Opens the library, which must have been found, on a stream.
    pub(super) fn open(stream: &Stream, context: &Context) -> Result<Self, Fault> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library writes to a place that is there.
        context.check(unsafe { sys::cudnnCreate(&raw mut handle) }, "open cuDNN")?;
        let cudnn = Self(handle);
        // SAFETY: both are open, and the stream stays so as long as the handle.
        let status = unsafe { sys::cudnnSetStream(cudnn.0, stream.handle().cast()) };
        context.check(status, "give cuDNN a stream")?;
        Ok(cudnn)
    }

    /// Describes a convolution to cuDNN and chooses an algorithm, which is the same whenever it is asked on one machine.
    pub(super) fn prepare(
        &self,
        convolution: &Convolution,
        precision: Precision,
        context: &Context,
    ) -> Result<PreparedConvolution, Fault> {
        let action = describe(convolution);
        let geometry = Geometry::of(convolution).map_err(|message| context.fault(&action, message))?;
        let descriptors =
            Descriptors::new(&geometry, precision).map_err(|message| context.fault(&action, message))?;
        let chosen = algorithm::choose(self.0, convolution.pass, &descriptors, precision);
        let (algorithm, workspace) =
            chosen.ok_or_else(|| context.fault(&action, "cuDNN has no reproducible algorithm for it"))?;
        Ok(PreparedConvolution { convolution: *convolution, descriptors, algorithm, workspace })
    }
}

impl Drop for Cudnn {
    fn drop(&mut self) {
        // SAFETY: opened in `open`.
        let _ = unsafe { sys::cudnnDestroy(self.0) };
    }
}

/// A convolution that cuDNN is ready to compute.
pub(super) struct PreparedConvolution {
    convolution: Convolution,
    descriptors: Descriptors,
    algorithm: Algorithm,
    workspace: usize,
}

impl PreparedConvolution {
    /// Bytes of memory that it needs beside its tensors.
    pub(super) fn workspace(&self) -> usize {
        self.workspace
    }

    /// Begins it.
    pub(super) fn issue(&self, cudnn: &Cudnn, workspace: Address, context: &Context) -> Result<(), Fault> {
        let Descriptors { x, weight, y, convolution } = &self.descriptors;
        let (one, zero) = (1.0f32, 0.0f32);
        let (one, zero) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
        let (room, bytes) = (pointer(workspace), self.workspace);
        let place = |address| pointer(address);
        let Convolution { x: x_place, weight: w_place, y: y_place, .. } = self.convolution;
        let [x_place, w_place, y_place] = [x_place, w_place, y_place].map(place);
        // SAFETY: the descriptors say how the tensors lie in memory, which the command's author vouches for; the workspace
        // has as many bytes as the algorithm wants.
        let status = unsafe {
            match self.algorithm {
                Algorithm::Forward(algorithm) => sys::cudnnConvolutionForward(
                    cudnn.0,
                    one,
                    x.0,
                    x_place,
                    weight.0,
                    w_place,
                    convolution.0,
                    algorithm,
                    room,
                    bytes,
                    zero,
                    y.0,
                    y_place,
                ),
                Algorithm::Input(algorithm) => sys::cudnnConvolutionBackwardData(
                    cudnn.0,
                    one,
                    weight.0,
                    w_place,
                    y.0,
                    y_place,
                    convolution.0,
                    algorithm,
                    room,
                    bytes,
                    zero,
                    x.0,
                    x_place,
                ),
                Algorithm::Weight(algorithm) => sys::cudnnConvolutionBackwardFilter(
                    cudnn.0,
                    one,
                    x.0,
                    x_place,
                    y.0,
                    y_place,
                    convolution.0,
                    algorithm,
                    room,
                    bytes,
                    zero,
                    weight.0,
                    w_place,
                ),
            }
        };
        // The text is made only if it is needed.
        context.check(status, format_args!("{}", describe(&self.convolution)))
    }
}

/// A place on the device, as libraries take it.
fn pointer(address: Address) -> *mut c_void {
    address.0 as *mut c_void
}

/// What is asked of cuDNN, for messages.
fn describe(convolution: &Convolution) -> String {
    let Convolution { pass, images, input, output, window, groups, .. } = convolution;
    let what = match pass {
        ConvolutionPass::Forward => "compute a convolution",
        ConvolutionPass::Input => "compute the gradient of a convolution's input",
        ConvolutionPass::Weight => "compute the gradient of a convolution's weight",
    };
    let [height, width] = window.kernel;
    let groups = if *groups == 1 { String::new() } else { format!(" in {groups} groups") };
    format!("{what}, {height}x{width}{groups}, {images} images, {input} to {output}")
}
