//! Batch-norm statistics and the coefficients that the elementwise kernels work with.

use super::exchange::Peer;
use super::memory::Buffer;
use super::simd::round_up;
use crate::EngineError;
use crate::groups::Groups;

/// State of one batch norm between the passes of a step. Vectors over channels are padded with zeros, so that padding
/// lanes stay zero through every affine map.
pub(super) struct NormState {
    channels: usize,
    stride: usize,
    epsilon: f64,
    momentum: f64,
    /// `[image][2][stride]`: what one image adds to the sums of the pass that runs.
    partial: Buffer,
    /// `[group][stride]` each.
    scale: Buffer,
    shift: Buffer,
    mean: Buffer,
    inverse_std: Vec<f64>,
    /// `[group][3][stride]`, the coefficients of the gradient.
    gradient: Buffer,
}

impl NormState {
    pub(super) fn new(channels: usize, epsilon: f64, momentum: f64, images: usize, groups: usize) -> Self {
        let stride = round_up(channels);
        Self {
            channels,
            stride,
            epsilon,
            momentum,
            partial: Buffer::zeroed(images * 2 * stride),
            scale: Buffer::zeroed(groups * stride),
            shift: Buffer::zeroed(groups * stride),
            mean: Buffer::zeroed(groups * stride),
            inverse_std: vec![0.0; groups * channels],
            gradient: Buffer::zeroed(groups * 3 * stride),
        }
    }

    /// Where the kernels put an image's sums: two vectors over channels.
    pub(super) fn partial(&self, image: usize) -> *mut f32 {
        assert!((image + 1) * 2 * self.stride <= self.partial.len(), "image {image} is beyond the plan");
        // SAFETY: within the buffer, as just checked.
        unsafe { self.partial.shared().at(image * 2 * self.stride) }
    }

    pub(super) fn scale(&self, group: usize) -> *const f32 {
        self.scale[group * self.stride..].as_ptr()
    }

    pub(super) fn shift(&self, group: usize) -> *const f32 {
        self.shift[group * self.stride..].as_ptr()
    }

    pub(super) fn mean(&self, group: usize) -> *const f32 {
        self.mean[group * self.stride..].as_ptr()
    }

    pub(super) fn gradient(&self, group: usize) -> *const f32 {
        self.gradient[group * 3 * self.stride..].as_ptr()
    }

    /// Sums the first images of each group, in `f64` and in their order: `[group][2][channels]`.
    fn sums(&self, groups: Groups, images: usize) -> Vec<f64> {
        let mut sums = vec![0.0; groups.count() * 2 * self.channels];
        for (image, partial) in self.partial.chunks_exact(2 * self.stride).take(images).enumerate() {
            let sums = &mut sums[groups.of(image) * 2 * self.channels..][..2 * self.channels];
            let halves = sums.chunks_exact_mut(self.channels).zip(partial.chunks_exact(self.stride));
            for (sums, partial) in halves {
                for (sum, &value) in sums.iter_mut().zip(partial) {
                    *sum += f64::from(value);
                }
            }
        }
        sums
    }

    /// Uses the running statistics, as in evaluation.
    pub(super) fn use_running(&mut self, gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32]) {
        for channel in 0..self.channels {
            let inverse_std = 1.0 / (f64::from(variance[channel]) + self.epsilon).sqrt();
            self.set_affine(0, channel, gamma, beta, f64::from(mean[channel]), inverse_std);
        }
    }

    fn set_affine(
        &mut self,
        group: usize,
        channel: usize,
        gamma: &[f32],
        beta: &[f32],
        mean: f64,
        inverse_std: f64,
    ) {
        let scale = f64::from(gamma[channel]) * inverse_std;
        let place = group * self.stride + channel;
        self.scale[place] = scale as f32;
        self.shift[place] = (f64::from(beta[channel]) - mean * scale) as f32;
        self.mean[place] = mean as f32;
        self.inverse_std[group * self.channels + channel] = inverse_std;
    }

    /// Turns the sums and sums of squares of `images` images of `pixels` pixels, and those of the other replicas, into
    /// normalising coefficients (biased variance), and updates the running statistics from the first group (unbiased
    /// variance), as `PyTorch` does; a replica without an image of that group leaves them alone.
    pub(super) fn finish_forward(
        &mut self,
        (groups, images, pixels): (Groups, usize, usize),
        peers: Option<&mut Peer>,
        gamma: &[f32],
        beta: &[f32],
        running_mean: &mut [f32],
        running_variance: &mut [f32],
    ) -> Result<(), EngineError> {
        let mut sums = self.sums(groups, images);
        peers.map_or(Ok(()), |peers| peers.sum(&mut sums))?;
        for index in groups.touched(images) {
            let count = (groups.len(index) * pixels) as f64;
            let (sums, squares) = sums[index * 2 * self.channels..].split_at(self.channels);
            for channel in 0..self.channels {
                let mean = sums[channel] / count;
                // Keeps what is not a number, which `max` would turn into zero.
                let variance = squares[channel] / count - mean * mean;
                let variance = if variance < 0.0 { 0.0 } else { variance };
                self.set_affine(index, channel, gamma, beta, mean, 1.0 / (variance + self.epsilon).sqrt());
                if index == 0 {
                    let unbiased = variance * count / (count - 1.0);
                    mix(&mut running_mean[channel], mean, self.momentum);
                    mix(&mut running_variance[channel], unbiased, self.momentum);
                }
            }
        }
        Ok(())
    }

    /// Turns the sums of `g` and of `g (x - mean)` into the coefficients of the input's gradient, and into this replica's
    /// part of the gradients of gamma and beta.
    ///
    /// `dx = gamma / std * (g - mean(g) - x_hat mean(g x_hat))`, written as `a g + b x + c`.
    pub(super) fn finish_backward(
        &mut self,
        (groups, images, pixels): (Groups, usize, usize),
        peers: Option<&mut Peer>,
        gamma: &[f32],
        gamma_gradient: &mut [f32],
        beta_gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let mut sums = self.sums(groups, images);
        let mut totals = [vec![0.0; self.channels], vec![0.0; self.channels]];
        for index in groups.touched(images) {
            let (plain, weighted) = sums[index * 2 * self.channels..].split_at(self.channels);
            for channel in 0..self.channels {
                totals[0][channel] += weighted[channel] * self.inverse_std[index * self.channels + channel];
                totals[1][channel] += plain[channel];
            }
        }
        for (gradients, totals) in [gamma_gradient, beta_gradient].into_iter().zip(totals) {
            for (gradient, total) in gradients.iter_mut().zip(totals) {
                *gradient = total as f32;
            }
        }
        peers.map_or(Ok(()), |peers| peers.sum(&mut sums))?;
        for index in groups.touched(images) {
            let count = (groups.len(index) * pixels) as f64;
            let (plain, weighted) = sums[index * 2 * self.channels..].split_at(self.channels);
            for channel in 0..self.channels {
                let inverse_std = self.inverse_std[index * self.channels + channel];
                let mean = f64::from(self.mean[index * self.stride + channel]);
                let normalised = weighted[channel] * inverse_std;
                let a = f64::from(gamma[channel]) * inverse_std;
                let b = -a * inverse_std * normalised / count;
                let c = -a * plain[channel] / count - b * mean;
                let place = index * 3 * self.stride + channel;
                self.gradient[place] = a as f32;
                self.gradient[place + self.stride] = b as f32;
                self.gradient[place + 2 * self.stride] = c as f32;
            }
        }
        Ok(())
    }
}

/// Moves a running statistic toward a new value.
fn mix(running: &mut f32, new: f64, momentum: f64) {
    *running = (f64::from(*running) * (1.0 - momentum) + new * momentum) as f32;
}
