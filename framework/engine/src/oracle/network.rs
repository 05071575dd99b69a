use super::{Real, layers};
use balpoe_net::{Activation, Net, Node, Op, Window};

/// A network with its parameters, computed node by node with plain loops. Everything is dense,
/// `[batch, height, width, channels]`.
#[derive(Clone, Debug)]
pub struct Oracle<T> {
    net: Net,
    /// In the order and layout of [`Net::parameters`].
    pub parameters: Vec<Vec<T>>,
    /// Running statistics, in the order of [`Net::buffers`].
    pub buffers: Vec<Vec<T>>,
    /// Images that a batch norm's statistics are taken over; `None` for the whole batch.
    pub group: Option<usize>,
    batch: usize,
    training: bool,
    /// Value of every node in the last forward pass.
    values: Vec<Vec<T>>,
}

impl<T: Real> Oracle<T> {
    /// A network with parameters from `f32` values.
    pub fn new(net: &Net, parameters: &[Vec<f32>]) -> Self {
        let convert = |values: &Vec<f32>| values.iter().map(|&value| T::of(f64::from(value))).collect();
        Self {
            net: net.clone(),
            parameters: parameters.iter().map(convert).collect(),
            buffers: net.buffers().iter().map(|b| vec![T::of(f64::from(b.initial)); b.len]).collect(),
            group: None,
            batch: 0,
            training: false,
            values: Vec::new(),
        }
    }

    /// Computes every node; in training, batch norms use the batch's statistics and update the running ones.
    pub fn forward(&mut self, images: &[T], training: bool) {
        self.batch = images.len() / self.net.input_shape().len();
        self.training = training;
        self.values.clear();
        for index in 0..self.net.nodes().len() {
            let node = self.net.nodes()[index].clone();
            let value = if node.op == Op::Input { images.to_vec() } else { self.node_forward(&node) };
            self.values.push(value);
        }
    }

    /// Output `k` of the last forward pass.
    pub fn output(&self, k: usize) -> &[T] {
        &self.values[self.net.outputs()[k].node.index()]
    }

    /// Gradients of all parameters, and of the images, from those of the outputs (`None` for zeros).
    pub fn backward(&self, seeds: &[Option<&[T]>]) -> (Vec<Vec<T>>, Vec<T>) {
        let zeros = |values: &Vec<T>| vec![T::zero(); values.len()];
        let mut parameters: Vec<Vec<T>> = self.parameters.iter().map(zeros).collect();
        let mut gradients: Vec<Vec<T>> = self.values.iter().map(zeros).collect();
        for (output, seed) in self.net.outputs().iter().zip(seeds) {
            add(&mut gradients[output.node.index()], seed.unwrap_or(&[]));
        }
        for (index, node) in self.net.nodes().iter().enumerate().rev() {
            let dy = gradients[index].clone();
            let inputs = self.node_backward(node, index, &dy, &mut parameters);
            for (input, dx) in node.inputs.iter().zip(inputs) {
                add(&mut gradients[input.index()], &dx);
            }
        }
        (parameters, gradients.swap_remove(0))
    }

    fn input(&self, node: &Node, place: usize) -> &[T] {
        &self.values[node.inputs[place].index()]
    }

    fn node_forward(&mut self, node: &Node) -> Vec<T> {
        let batch = self.batch;
        let input = self.net.node(node.inputs[0]).shape;
        let x = self.input(node, 0);
        match &node.op {
            Op::Input => Vec::new(),
            Op::Conv { weight, bias, window, groups } => {
                let conv = layers::Conv { input, output: node.shape, window: *window, groups: *groups };
                let bias = bias.map(|bias| &self.parameters[bias.index()][..]);
                conv.forward(batch, x, &self.parameters[weight.index()], bias)
            }
            Op::BatchNorm { .. } => self.norm_forward(node),
            Op::Activation(activation) => x.iter().map(|&x| slope_at(*activation, x) * x).collect(),
            Op::Add => {
                let mut sum = x.to_vec();
                add(&mut sum, self.input(node, 1));
                sum
            }
            Op::Concat => {
                let mut y = Vec::new();
                for pixel in 0..batch * node.shape.pixels() {
                    for (place, id) in node.inputs.iter().enumerate() {
                        let channels = self.net.node(*id).shape.channels;
                        y.extend_from_slice(&self.input(node, place)[pixel * channels..][..channels]);
                    }
                }
                y
            }
            Op::MaxPool(window) => layers::max_pool(batch, input, node.shape, *window, x),
            Op::AveragePool(window) => layers::average_pool(batch, input, node.shape, *window, x),
            Op::GlobalAveragePool => {
                layers::average_pool(batch, input, node.shape, whole(node, &self.net), x)
            }
            Op::SubsamplePad { stride } => {
                let mut y = vec![T::zero(); batch * node.shape.len()];
                for (from, to) in layers::shortcut(batch, input, node.shape, *stride) {
                    y[to] = x[from];
                }
                y
            }
            Op::Linear { weight, bias } => {
                let mut y = layers::linear(input.channels, x, &self.parameters[weight.index()]);
                if let Some(bias) = bias {
                    let bias = &self.parameters[bias.index()];
                    y.chunks_exact_mut(bias.len()).for_each(|row| add(row, bias));
                }
                y
            }
            Op::CosineLinear { weight, scale } => {
                let columns = layers::transposed(node.shape.channels, &self.parameters[weight.index()]);
                let unit_weight = layers::unit_rows(input.channels, &columns);
                let unit = layers::unit_rows(input.channels, x);
                let scale = T::of(f64::from(*scale));
                layers::linear(input.channels, &unit, &unit_weight).into_iter().map(|y| y * scale).collect()
            }
        }
    }

    fn node_backward(&self, node: &Node, index: usize, dy: &[T], parameters: &mut [Vec<T>]) -> Vec<Vec<T>> {
        let batch = self.batch;
        if node.op == Op::Input {
            return Vec::new();
        }
        let input = self.net.node(node.inputs[0]).shape;
        let x = self.input(node, 0);
        let dx = match &node.op {
            Op::Input => Vec::new(),
            Op::Conv { weight, bias, window, groups } => {
                let conv = layers::Conv { input, output: node.shape, window: *window, groups: *groups };
                let weight = weight.index();
                let gradient = conv.weight_gradient(batch, x, dy, self.parameters[weight].len());
                parameters[weight] = gradient;
                if let Some(bias) = bias {
                    parameters[bias.index()] = layers::channel_sums(node.shape.channels, dy);
                }
                conv.input_gradient(batch, dy, &self.parameters[weight])
            }
            Op::BatchNorm { .. } => self.norm_backward(node, dy, parameters),
            Op::Activation(activation) => {
                let pairs = self.values[index].iter().zip(dy);
                pairs.map(|(&y, &dy)| slope_at(*activation, y) * dy).collect()
            }
            Op::Add => return vec![dy.to_vec(), dy.to_vec()],
            Op::Concat => return self.split(node, dy),
            Op::MaxPool(window) => layers::max_pool_backward(batch, input, node.shape, *window, x, dy),
            Op::AveragePool(window) => layers::average_pool_backward(batch, input, node.shape, *window, dy),
            Op::GlobalAveragePool => {
                layers::average_pool_backward(batch, input, node.shape, whole(node, &self.net), dy)
            }
            Op::SubsamplePad { stride } => {
                let mut dx = vec![T::zero(); x.len()];
                for (from, to) in layers::shortcut(batch, input, node.shape, *stride) {
                    dx[from] += dy[to];
                }
                dx
            }
            Op::Linear { weight, bias } => {
                let (features, classes) = (input.channels, node.shape.channels);
                let columns = layers::transposed(classes, dy);
                parameters[weight.index()] =
                    layers::linear(batch, &columns, &layers::transposed(features, x));
                if let Some(bias) = bias {
                    parameters[bias.index()] = layers::channel_sums(classes, dy);
                }
                layers::linear(classes, dy, &layers::transposed(features, &self.parameters[weight.index()]))
            }
            Op::CosineLinear { weight, scale } => {
                let (features, classes) = (input.channels, node.shape.channels);
                let scale = T::of(f64::from(*scale));
                let dy: Vec<T> = dy.iter().map(|&dy| dy * scale).collect();
                let columns = layers::transposed(classes, &self.parameters[weight.index()]);
                let (unit, unit_weight) =
                    (layers::unit_rows(features, x), layers::unit_rows(features, &columns));
                let dunit = layers::linear(classes, &dy, &layers::transposed(features, &unit_weight));
                let dcolumns = layers::linear(
                    batch,
                    &layers::transposed(classes, &dy),
                    &layers::transposed(features, &unit),
                );
                let dcolumns = layers::unit_rows_backward(features, &columns, &dcolumns);
                parameters[weight.index()] = layers::transposed(features, &dcolumns);
                layers::unit_rows_backward(features, x, &dunit)
            }
        };
        vec![dx]
    }

    /// The gradient of a concatenation, input by input.
    fn split(&self, node: &Node, dy: &[T]) -> Vec<Vec<T>> {
        let mut before = 0;
        let mut parts = Vec::new();
        for id in &node.inputs {
            let channels = self.net.node(*id).shape.channels;
            let pixels = dy.chunks_exact(node.shape.channels);
            parts.push(pixels.flat_map(|pixel| pixel[before..before + channels].to_vec()).collect());
            before += channels;
        }
        parts
    }

    /// The groups of images that a batch norm works on, as ranges of values.
    fn groups(&self, node: &Node) -> Vec<std::ops::Range<usize>> {
        let images = if self.training { self.group.unwrap_or(self.batch) } else { self.batch };
        let len = node.shape.len();
        let starts = (0..self.batch).step_by(images);
        starts.map(|first| first * len..(first + images).min(self.batch) * len).collect()
    }

    fn norm_forward(&mut self, node: &Node) -> Vec<T> {
        let Op::BatchNorm { gamma, beta, mean, variance, epsilon, momentum } = &node.op else {
            return Vec::new();
        };
        let channels = node.shape.channels;
        let mut y = Vec::new();
        for (index, range) in self.groups(node).into_iter().enumerate() {
            let x = self.input(node, 0)[range].to_vec();
            let mut statistics = (self.buffers[mean.index()].clone(), self.buffers[variance.index()].clone());
            if self.training {
                statistics = layers::moments(channels, &x);
                if index == 0 {
                    let count = (x.len() / channels) as f64;
                    let unbiased: Vec<T> =
                        statistics.1.iter().map(|&v| v * T::of(count / (count - 1.0))).collect();
                    mix(&mut self.buffers[mean.index()], &statistics.0, *momentum);
                    mix(&mut self.buffers[variance.index()], &unbiased, *momentum);
                }
            }
            let std = deviations(&statistics.1, *epsilon);
            let (gamma, beta) = (&self.parameters[gamma.index()], &self.parameters[beta.index()]);
            y.extend(layers::normalise(&x, &statistics.0, &std, gamma, beta));
        }
        y
    }

    fn norm_backward(&self, node: &Node, dy: &[T], parameters: &mut [Vec<T>]) -> Vec<T> {
        let Op::BatchNorm { gamma, beta, epsilon, .. } = &node.op else { return Vec::new() };
        let mut dx = Vec::new();
        for range in self.groups(node) {
            let (x, dy) = (&self.input(node, 0)[range.clone()], &dy[range]);
            let (mean, variance) = layers::moments(node.shape.channels, x);
            let std = deviations(&variance, *epsilon);
            let (part, dgamma, dbeta) =
                layers::normalise_backward(x, dy, &mean, &std, &self.parameters[gamma.index()]);
            add(&mut parameters[gamma.index()], &dgamma);
            add(&mut parameters[beta.index()], &dbeta);
            dx.extend(part);
        }
        dx
    }
}

fn whole(node: &Node, net: &Net) -> Window {
    let input = net.node(node.inputs[0]).shape;
    Window { kernel: [input.height, input.width], stride: [input.height, input.width], padding: [0, 0] }
}

/// The factor on `x` (and on the gradient) at a value of the same sign.
fn slope_at<T: Real>(activation: Activation, x: T) -> T {
    let below = match activation {
        Activation::Relu => 0.0,
        Activation::LeakyRelu { slope } => f64::from(slope),
    };
    if x > T::zero() { T::of(1.0) } else { T::of(below) }
}

fn deviations<T: Real>(variance: &[T], epsilon: f64) -> Vec<T> {
    variance.iter().map(|&variance| (variance + T::of(epsilon)).sqrt()).collect()
}

fn mix<T: Real>(running: &mut [T], new: &[T], momentum: f64) {
    for (running, &new) in running.iter_mut().zip(new) {
        *running = *running * T::of(1.0 - momentum) + new * T::of(momentum);
    }
}

fn add<T: Real>(target: &mut [T], source: &[T]) {
    target.iter_mut().zip(source).for_each(|(target, &source)| *target += source);
}
