//! Where parameters lie on the device: all in one slab of `f32`, in the order in which the backward pass completes their
//! gradients, so that sums over devices and updates are over ranges of it. Gradients and velocities lie likewise.

use crate::buckets::Buckets;
use crate::graph::Graph;
use crate::schedule::{Schedule, completed_parameters, unused_parameters};
use balpoe_net::{Net, Op, Parameter};
use std::ops::Range;

/// Values between the starts of neighbouring parameters are a multiple of this.
const ALIGNMENT: usize = 64;
/// Values of a bucket, at least: a sum over devices is worth its start only for many.
const BUCKET: usize = 1 << 20;

/// Gradients that are complete after a step of the backward pass; ranges are of the slab.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bucket {
    /// The step.
    pub(super) step: usize,
    /// Weights of convolutions, which come first: their gradients are converted together.
    pub(super) convolutions: Range<usize>,
    /// All parameters of the bucket.
    pub(super) all: Range<usize>,
}

/// The layout of the slab.
#[derive(Debug)]
pub(super) struct ParameterSlab {
    /// Where each parameter begins, in values.
    offsets: Vec<usize>,
    /// Length of each parameter.
    lens: Vec<usize>,
    /// Sizes `[out, in / groups, height, width]` of each weight of a convolution.
    convolutions: Vec<Option<[usize; 4]>>,
    pub(super) buckets: Vec<Bucket>,
    /// Parameters that no output depends on.
    pub(super) unused: Range<usize>,
}

impl ParameterSlab {
    pub(super) fn new(net: &Net, graph: &Graph, schedule: &Schedule) -> Self {
        let lens: Vec<usize> = net.parameters().iter().map(Parameter::len).collect();
        let mut slab = Self {
            offsets: vec![0; lens.len()],
            convolutions: convolutions(net, graph),
            buckets: Vec::new(),
            unused: 0..0,
            lens,
        };
        let completed = completed_parameters(graph, &schedule.steps, &schedule.backward);
        let buckets = Buckets::new(&completed, &slab.lens, BUCKET);
        let mut end = 0;
        for (step, parameters) in buckets.iter() {
            let start = end;
            let (weights, others): (Vec<usize>, Vec<usize>) =
                parameters.iter().partition(|&&parameter| slab.convolutions[parameter].is_some());
            end = slab.append(&weights, end);
            let convolutions = start..end;
            end = slab.append(&others, end);
            slab.buckets.push(Bucket { step, convolutions, all: start..end });
        }
        let start = end;
        end = slab.append(&unused_parameters(graph, slab.lens.len()), end);
        slab.unused = start..end;
        slab
    }

    fn append(&mut self, parameters: &[usize], mut end: usize) -> usize {
        for &parameter in parameters {
            self.offsets[parameter] = end;
            end += self.lens[parameter].next_multiple_of(ALIGNMENT);
        }
        end
    }

    /// Values of the slab.
    pub(super) fn len(&self) -> usize {
        self.unused.end
    }

    /// How many parameters there are.
    pub(super) fn parameters(&self) -> usize {
        self.lens.len()
    }

    /// Where a parameter lies.
    pub(super) fn range(&self, parameter: usize) -> Range<usize> {
        self.offsets[parameter]..self.offsets[parameter] + self.lens[parameter]
    }

    /// Whether a parameter is the weight of a convolution.
    pub(super) fn is_convolution(&self, parameter: usize) -> bool {
        self.convolutions[parameter].is_some()
    }

    /// The ranges that hold all parameters but the frozen ones, as few as possible.
    pub(super) fn trained(&self, frozen: &[bool]) -> Vec<Range<usize>> {
        let mut order: Vec<usize> = (0..self.lens.len()).collect();
        order.sort_by_key(|&parameter| self.offsets[parameter]);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut extends = false;
        for parameter in order {
            let end = self.offsets[parameter] + self.lens[parameter].next_multiple_of(ALIGNMENT);
            match ranges.last_mut() {
                _ if frozen[parameter] => extends = false,
                Some(range) if extends => range.end = end,
                _ => {
                    ranges.push(self.offsets[parameter]..end);
                    extends = true;
                }
            }
        }
        ranges
    }

    /// Values of a parameter as the device has them: weights of convolutions `[out, height, width, in / groups]`.
    pub(super) fn to_device(&self, parameter: usize, values: &[f32]) -> Vec<f32> {
        match self.convolutions[parameter] {
            Some([out, channels, height, width]) => swapped(values, [out, channels, height * width]),
            None => values.to_vec(),
        }
    }

    /// The other way round.
    pub(super) fn to_host(&self, parameter: usize, values: Vec<f32>) -> Vec<f32> {
        match self.convolutions[parameter] {
            Some([out, channels, height, width]) => swapped(&values, [out, height * width, channels]),
            None => values,
        }
    }
}

fn convolutions(net: &Net, graph: &Graph) -> Vec<Option<[usize; 4]>> {
    let mut shapes = vec![None; net.parameters().len()];
    for op in &graph.ops {
        if let (Op::Conv { weight, .. }, [Some(_), _]) = (&op.op, op.parameters())
            && let [out, channels, height, width] = net.parameters()[weight.index()].shape[..]
        {
            shapes[weight.index()] = Some([out, channels, height, width]);
        }
    }
    shapes
}

/// `[a, c, b]` of `[a, b, c]`.
fn swapped(values: &[f32], [a, b, c]: [usize; 3]) -> Vec<f32> {
    let mut result = Vec::with_capacity(values.len());
    for first in 0..a {
        for third in 0..c {
            result.extend((0..b).map(|second| values[(first * b + second) * c + third]));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Reading;
    use balpoe_net::{BatchNorm, Conv, Init, NetBuilder, Shape};

    fn slab() -> ParameterSlab {
        let mut net = NetBuilder::new(Shape::new(4, 4, 3));
        net.parameter("free", &[5], Init::Constant(0.0)).unwrap();
        let x = net.conv(net.input(), "conv", Conv::new(4, 3)).unwrap();
        let x = net.batch_norm(x, "norm", BatchNorm::new()).unwrap();
        let x = net.global_average_pool(x).unwrap();
        let x = net.linear(x, "linear", 70, Some(Init::Constant(0.0)), Init::Constant(0.0)).unwrap();
        net.output("x", x).unwrap();
        let net = net.finish().unwrap();
        let graph = Graph::new(&net, Reading::FromMemory);
        ParameterSlab::new(&net, &graph, &Schedule::new(&graph))
    }

    #[test]
    fn parameters_lie_in_the_order_of_their_gradients_convolutions_first() {
        let slab = slab();
        // free, conv.weight, norm.weight, norm.bias, linear.weight, linear.bias
        let starts: Vec<usize> = (0..6).map(|parameter| slab.range(parameter).start).collect();
        assert_eq!(starts, [128 + 320 + 128 + 128, 0, 128 + 448, 128 + 448 + 64, 128, 128 + 320]);
        let [bucket] = &slab.buckets[..] else { panic!("{slab:?}") };
        assert_eq!((bucket.convolutions.clone(), bucket.all.clone()), (0..128, 0..704));
        assert_eq!((slab.unused.clone(), slab.len()), (704..768, 768));
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    fn what_is_not_frozen_is_few_ranges() {
        let slab = slab();
        assert_eq!(slab.trained(&[false; 6]), [0..768]);
        assert_eq!(slab.trained(&[false, true, false, false, false, false]), [128..768]);
        assert_eq!(slab.trained(&[false, false, true, false, false, true]), [0..448, 640..768]);
        assert!(slab.trained(&[true; 6]).is_empty());
    }

    #[test]
    fn weights_come_back_as_they_went() {
        let slab = slab();
        let weight: Vec<f32> = (0..4 * 3 * 9).map(|i| i as f32).collect();
        let there = slab.to_device(1, &weight);
        // Output 0, pixel 0: the first value of each channel.
        assert_eq!(there[..4], [0.0, 9.0, 18.0, 1.0]);
        assert_eq!(slab.to_host(1, there), weight);
        assert_eq!(slab.to_host(0, slab.to_device(0, &[1.0, 2.0])), [1.0, 2.0]);
    }
}
