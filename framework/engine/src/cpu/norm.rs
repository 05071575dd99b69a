//! Batch-norm statistics and the coefficients that the elementwise kernels work with.

use super::memory::Buffer;
use super::simd::round_up;

/// Over which images a batch norm takes its statistics in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchNormGroup {
    /// The whole batch.
    All,
    /// So many consecutive images, as if each group lay on a device of its own; running statistics come from the first.
    Images(usize),
}

impl BatchNormGroup {
    /// Number of images in a full group.
    pub(super) fn images(self, batch: usize) -> usize {
        match self {
            Self::All => batch,
            Self::Images(images) => images,
        }
    }
}

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

    /// Sums the images of a group, in `f64` and in their order: `[2][channels]`.
    fn group_sums(&self, first: usize, images: usize) -> [Vec<f64>; 2] {
        let mut sums = [vec![0.0; self.channels], vec![0.0; self.channels]];
        for image in self.partial.chunks_exact(2 * self.stride).skip(first).take(images) {
            for (sum, partial) in sums.iter_mut().zip(image.chunks_exact(self.stride)) {
                for (sum, &value) in sum.iter_mut().zip(partial) {
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

    /// Turns the sums and sums of squares of `batch` images of `pixels` pixels into normalising coefficients (biased
    /// variance), and updates the running statistics from the first group (unbiased variance), as `PyTorch` does.
    pub(super) fn finish_forward(
        &mut self,
        (batch, group, pixels): (usize, usize, usize),
        gamma: &[f32],
        beta: &[f32],
        running_mean: &mut [f32],
        running_variance: &mut [f32],
    ) {
        for (index, first) in (0..batch).step_by(group).enumerate() {
            let images = group.min(batch - first);
            let count = (images * pixels) as f64;
            let [sums, squares] = self.group_sums(first, images);
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
    }

    /// Turns the sums of `g` and of `g (x - mean)` into the coefficients of the input's gradient and into the gradients
    /// of gamma and beta.
    ///
    /// `dx = gamma / std * (g - mean(g) - x_hat mean(g x_hat))`, written as `a g + b x + c`.
    pub(super) fn finish_backward(
        &mut self,
        (batch, group, pixels): (usize, usize, usize),
        gamma: &[f32],
        gamma_gradient: &mut [f32],
        beta_gradient: &mut [f32],
    ) {
        let mut totals = [vec![0.0; self.channels], vec![0.0; self.channels]];
        for (index, first) in (0..batch).step_by(group).enumerate() {
            let images = group.min(batch - first);
            let count = (images * pixels) as f64;
            let [plain, weighted] = self.group_sums(first, images);
            for channel in 0..self.channels {
                let inverse_std = self.inverse_std[index * self.channels + channel];
                let mean = f64::from(self.mean[index * self.stride + channel]);
                let normalised = weighted[channel] * inverse_std;
                totals[0][channel] += normalised;
                totals[1][channel] += plain[channel];
                let a = f64::from(gamma[channel]) * inverse_std;
                let b = -a * inverse_std * normalised / count;
                let c = -a * plain[channel] / count - b * mean;
                let place = index * 3 * self.stride + channel;
                self.gradient[place] = a as f32;
                self.gradient[place + self.stride] = b as f32;
                self.gradient[place + 2 * self.stride] = c as f32;
            }
        }
        for (gradients, totals) in [gamma_gradient, beta_gradient].into_iter().zip(totals) {
            for (gradient, total) in gradients.iter_mut().zip(totals) {
                *gradient = total as f32;
            }
        }
    }
}

/// Moves a running statistic toward a new value.
fn mix(running: &mut f32, new: f64, momentum: f64) {
    *running = (f64::from(*running) * (1.0 - momentum) + new * momentum) as f32;
}
