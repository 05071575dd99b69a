//! Where every value and gradient lies in memory.

use super::simd::round_up;
use crate::arena::{Region, assign_offsets};
use crate::graph::{Graph, ValueId};
use crate::schedule::{BackwardStep, Contribution, Flow, Schedule, Step};

/// Order and memory of a training step.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Backward passes, in the order of `steps`.
    pub(super) backward: Vec<BackwardStep>,
    /// For each value that is stored. Regions are in values per image: multiply by the planned batch.
    pub(super) values: Vec<Option<Region>>,
    /// For each value whose gradient is stored.
    pub(super) gradients: Vec<Option<Region>>,
    /// Values per image of the training arena.
    pub(super) arena: usize,
}

impl Plan {
    pub(super) fn new(graph: &Graph) -> Self {
        let Schedule { steps, backward } = Schedule::new(graph);
        let lifetimes = Lifetimes::new(graph, &steps, &backward);
        let Lifetimes { mut values, mut gradients } = lifetimes;
        let regions = values.iter_mut().chain(&mut gradients).flatten();
        let arena = assign_offsets(regions.collect());
        Self { steps, backward, values, gradients, arena }
    }

    /// Values per image of the feature maps and gradients that a step reads or writes.
    pub(super) fn traffic(&self, graph: &Graph, step: usize, backward: bool) -> usize {
        let none = vec![None; graph.values.len()];
        let mut touched = Lifetimes { values: none.clone(), gradients: none };
        touched.touch_forward(graph, &self.steps[step], 0);
        if backward {
            touched.touch_gradients(graph, &self.steps[step], &self.backward[step], 0);
        }
        touched.values.iter().chain(&touched.gradients).flatten().map(|region| region.len).sum()
    }

    /// Memory of an evaluation, where a value is forgotten after its last reader: regions of the values that `chosen`
    /// chooses, and values per image. `time_of[step]`, and one more for the end, is when a step runs; steps that several
    /// threads work through out of step with each other run at the same time.
    pub(super) fn evaluation(
        &self,
        graph: &Graph,
        time_of: &[usize],
        chosen: impl Fn(ValueId) -> bool,
    ) -> (Vec<Option<Region>>, usize) {
        let Lifetimes { mut values, .. } = Lifetimes::new(graph, &self.steps, &[]);
        for (id, value) in values.iter_mut().enumerate() {
            *value = value.filter(|_| chosen(id));
            if let Some(region) = value {
                (region.first, region.last) = (time_of[region.first], time_of[region.last]);
            }
        }
        let arena = assign_offsets(values.iter_mut().flatten().collect());
        (values, arena)
    }
}

/// When each value and gradient is first written and last read. Times are the places of the forward steps, then one for
/// the exchange with the user, then the backward steps.
struct Lifetimes {
    values: Vec<Option<Region>>,
    gradients: Vec<Option<Region>>,
}

impl Lifetimes {
    /// Without backward steps, those of an evaluation.
    fn new(graph: &Graph, steps: &[Step], backward: &[BackwardStep]) -> Self {
        let none = vec![None; graph.values.len()];
        let mut lifetimes = Self { values: none.clone(), gradients: none };
        let exchange = steps.len();
        touch(graph, &mut lifetimes.values, 0, 0);
        for (time, step) in steps.iter().enumerate() {
            lifetimes.touch_forward(graph, step, time);
        }
        for &output in &graph.outputs {
            touch(graph, &mut lifetimes.values, output, exchange);
            if !backward.is_empty() {
                touch(graph, &mut lifetimes.gradients, output, exchange);
            }
        }
        for (place, (step, flow)) in steps.iter().zip(backward).enumerate() {
            // Backward passes need what the forward pass of the step read and wrote.
            let time = 2 * steps.len() - place;
            lifetimes.touch_forward(graph, step, time);
            lifetimes.touch_gradients(graph, step, flow, time);
        }
        lifetimes
    }

    fn touch_forward(&mut self, graph: &Graph, step: &Step, time: usize) {
        let (inputs, output) = match step {
            Step::Evaluate(value) => (std::slice::from_ref(value), *value),
            Step::Operation { op, .. } => (&graph.ops[*op].inputs[..], graph.ops[*op].output),
        };
        touch(graph, &mut self.values, output, time);
        for &input in inputs {
            if graph.values[input].is_stored() {
                touch(graph, &mut self.values, input, time);
            }
            for term in graph.values[input].as_sum().map_or(&[][..], |sum| &sum.terms) {
                touch(graph, &mut self.values, term.source, time);
            }
        }
    }

    fn touch_gradients(&mut self, graph: &Graph, step: &Step, flow: &BackwardStep, time: usize) {
        let inputs = match step {
            Step::Evaluate(value) => std::slice::from_ref(value),
            Step::Operation { op, .. } => &graph.ops[*op].inputs[..],
        };
        if let Step::Operation { op, .. } = step {
            self.touch_contributions(graph, &flow.output, graph.ops[*op].output, time);
        }
        for (&input, flow) in inputs.iter().zip(&flow.inputs) {
            match flow {
                Flow::Stop => {}
                Flow::Collect(contributions) | Flow::Finish(contributions) => {
                    touch(graph, &mut self.gradients, input, time);
                    self.touch_contributions(graph, contributions, input, time);
                }
            }
        }
    }

    fn touch_contributions(&mut self, graph: &Graph, all: &[Contribution], value: ValueId, time: usize) {
        for contribution in all {
            let source = match contribution {
                Contribution::Collected => value,
                Contribution::Through(sum, _) => *sum,
            };
            touch(graph, &mut self.gradients, source, time);
        }
    }
}

fn touch(graph: &Graph, regions: &mut [Option<Region>], value: ValueId, time: usize) {
    let len = round_up(graph.values[value].image_len());
    let region = regions[value].get_or_insert(Region { offset: 0, first: time, last: time, len });
    region.first = region.first.min(time);
    region.last = region.last.max(time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::stride::pad_channels;
    use crate::graph::Reading;
    use balpoe_net::{BatchNorm, Conv, Net, NetBuilder, NetError, NodeId, Shape};

    fn block(net: &mut NetBuilder, x: NodeId, name: &str, stride: usize) -> Result<NodeId, NetError> {
        let width = net.shape(x)?.channels * stride;
        let y = net.conv(x, format!("{name}.conv1"), Conv::new(width, 3).padding(1).stride(stride))?;
        let y = net.batch_norm(y, format!("{name}.bn1"), BatchNorm::new())?;
        let y = net.relu(y)?;
        let y = net.conv(y, format!("{name}.conv2"), Conv::new(width, 3).padding(1))?;
        let y = net.batch_norm(y, format!("{name}.bn2"), BatchNorm::new())?;
        let shortcut = if stride == 1 { x } else { net.subsample_pad(x, stride, width)? };
        let y = net.add(y, shortcut)?;
        net.relu(y)
    }

    /// Two experts of two residual blocks on a shared block.
    fn residual() -> Result<Net, NetError> {
        let mut net = NetBuilder::new(Shape::new(8, 8, 16));
        let image = net.input();
        let trunk = block(&mut net, image, "shared", 1)?;
        for expert in 0..2 {
            let x = block(&mut net, trunk, &format!("{expert}.0"), 2)?;
            let x = block(&mut net, x, &format!("{expert}.1"), 1)?;
            let x = net.global_average_pool(x)?;
            let x = net.linear(x, format!("head{expert}"), 10, None, balpoe_net::Init::Constant(0.0))?;
            net.output(format!("logits{expert}"), x)?;
        }
        net.finish()
    }

    fn padded_graph(net: &Net) -> Graph {
        let mut graph = Graph::new(net, Reading::Evaluated);
        pad_channels(&mut graph);
        graph
    }

    #[test]
    fn a_residual_network_is_convolutions_that_evaluate_their_own_inputs() {
        let graph = padded_graph(&residual().unwrap());
        let plan = Plan::new(&graph);
        let convolutions = 2 + 2 * 4;
        assert_eq!(plan.steps.len(), convolutions + 2 * 2);
        assert!(plan.steps.iter().all(|step| matches!(step, Step::Operation { .. })), "{:?}", plan.steps);
        // In memory: what each convolution, pooling and classifier writes, the images, and the three block outputs that
        // are read twice. The input of a second convolution is evaluated as it is read, forward and backward.
        let stored = plan.values.iter().flatten().count();
        assert_eq!(stored, 1 + convolutions + 4 + 3);
        let kept = plan.steps.iter().map(|step| match step {
            Step::Operation { keeps, .. } => keeps.len(),
            Step::Evaluate(_) => 0,
        });
        assert_eq!(kept.sum::<usize>(), 3);
    }

    #[test]
    fn gradients_of_a_shared_trunk_are_collected_expert_by_expert() {
        let graph = padded_graph(&residual().unwrap());
        let plan = Plan::new(&graph);
        let through = |contributions: &[Contribution]| {
            contributions.iter().filter(|c| matches!(c, Contribution::Through(..))).count()
        };
        let mut flows = Vec::new();
        for (step, backward) in plan.steps.iter().zip(&plan.backward) {
            if let Step::Operation { op, .. } = step
                && graph.ops[*op].name.ends_with(".0.conv1")
            {
                flows.push(&backward.inputs[0]);
            }
        }
        // The second expert runs back first; each takes its own shortcut along while it is in a cache.
        let [Flow::Finish(first), Flow::Collect(second)] = flows[..] else { panic!("{flows:?}") };
        assert_eq!((first.len(), through(first)), (2, 1));
        assert_eq!((second.len(), through(second)), (1, 1));
    }

    #[test]
    fn what_lives_at_the_same_time_does_not_overlap() {
        let graph = padded_graph(&residual().unwrap());
        let plan = Plan::new(&graph);
        let regions: Vec<&Region> = plan.values.iter().chain(&plan.gradients).flatten().collect();
        for (i, a) in regions.iter().enumerate() {
            assert!(a.offset + a.len <= plan.arena);
            for b in &regions[..i] {
                let apart = a.offset + a.len <= b.offset || b.offset + b.len <= a.offset;
                assert!(apart || a.last < b.first || b.last < a.first, "{a:?} {b:?}");
            }
        }
        let all: usize = regions.iter().map(|region| region.len).sum();
        assert!(plan.arena < all * 4 / 5, "gradients reuse memory: {} of {all}", plan.arena);
    }
}
