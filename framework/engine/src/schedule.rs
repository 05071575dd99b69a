//! The order of work, and how gradients flow back through it.

use crate::graph::{Form, Graph, Map, Operation, ValueId};

/// Part of the forward pass between two synchronisations of the threads; the backward pass takes them in reverse.
#[derive(Debug)]
pub(crate) enum Step {
    /// Evaluates a sum that must be in memory before anything else reads it.
    Evaluate(ValueId),
    /// Executes an operation.
    Operation {
        /// Place in [`Graph::ops`].
        op: usize,
        /// Inputs, sums, that are kept in memory as they are evaluated for this operation.
        keeps: Vec<ValueId>,
    },
}

/// One thing that adds to the gradient of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Contribution {
    /// What was collected in memory before.
    Collected,
    /// The gradient of a sum that the value is a term of, taken back through the map.
    Through(ValueId, Map),
}

/// What the backward pass of a step does about one value's gradient after its kernel has run.
#[derive(Debug)]
pub(crate) enum Flow {
    /// The images need no gradient.
    Stop,
    /// More will come: the kernel's result and the contributions known by now are summed up in memory.
    Collect(Vec<Contribution>),
    /// Everything is known: the sum of all, taken back through the activation, becomes the gradient of the terms.
    Finish(Vec<Contribution>),
}

/// Backward pass of a step.
#[derive(Debug, Default)]
pub(crate) struct BackwardStep {
    /// For an operation: what makes up the gradient of its output.
    pub(crate) output: Vec<Contribution>,
    /// For each input of an operation, or for the one value of [`Step::Evaluate`].
    pub(crate) inputs: Vec<Flow>,
}

/// The order of a training step.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) steps: Vec<Step>,
    /// Backward passes, in the order of `steps`.
    pub(crate) backward: Vec<BackwardStep>,
}

impl Schedule {
    pub(crate) fn new(graph: &Graph) -> Self {
        let steps = schedule(graph);
        let backward = flows(graph, &steps);
        Self { steps, backward }
    }
}

/// In the order of the backward pass: each step, with the parameters whose gradients it completes.
pub(crate) fn completed_parameters(
    graph: &Graph,
    steps: &[Step],
    backward: &[BackwardStep],
) -> Vec<(usize, Vec<usize>)> {
    let completed = |(index, (step, flows)): (usize, (&Step, &BackwardStep))| {
        let (inputs, own) = match step {
            Step::Evaluate(value) => (std::slice::from_ref(value), [None; 2]),
            Step::Operation { op, .. } => (&graph.ops[*op].inputs[..], graph.ops[*op].parameters()),
        };
        let finished = inputs.iter().zip(&flows.inputs).filter(|(_, flow)| matches!(flow, Flow::Finish(_)));
        let sums = finished.filter_map(|(&input, _)| graph.values[input].as_sum());
        let norms = sums.flat_map(|sum| &sum.terms).filter_map(|term| match term.map {
            Map::Norm(norm) => Some(&graph.norms[norm]),
            _ => None,
        });
        let parameters = norms.flat_map(|norm| [norm.gamma, norm.beta]).chain(own.into_iter().flatten());
        (index, parameters.collect())
    };
    steps.iter().zip(backward).enumerate().rev().map(completed).collect()
}

/// Parameters that no output depends on.
pub(crate) fn unused_parameters(graph: &Graph, parameters: usize) -> Vec<usize> {
    let mut used = vec![false; parameters];
    for norm in &graph.norms {
        used[norm.gamma] = true;
        used[norm.beta] = true;
    }
    for parameter in graph.ops.iter().flat_map(Operation::parameters).flatten() {
        used[parameter] = true;
    }
    (0..parameters).filter(|&parameter| !used[parameter]).collect()
}

/// Orders operations and the evaluation of sums that must precede them.
fn schedule(graph: &Graph) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut available: Vec<bool> =
        graph.values.iter().map(|value| !matches!(value.form, Form::Sum(_))).collect();
    for (index, op) in graph.ops.iter().enumerate() {
        for &input in &op.inputs {
            if graph.reads_memory(op) {
                evaluate(graph, input, &mut available, &mut steps);
            } else if !available[input] {
                evaluate_terms(graph, input, &mut available, &mut steps);
            }
        }
        let mut keeps = Vec::new();
        for &input in &op.inputs {
            if !available[input] && graph.values[input].is_stored() {
                available[input] = true;
                keeps.push(input);
            }
        }
        steps.push(Step::Operation { op: index, keeps });
    }
    for &output in &graph.outputs {
        evaluate(graph, output, &mut available, &mut steps);
    }
    steps
}

fn evaluate(graph: &Graph, value: ValueId, available: &mut [bool], steps: &mut Vec<Step>) {
    if !available[value] {
        evaluate_terms(graph, value, available, steps);
        available[value] = true;
        steps.push(Step::Evaluate(value));
    }
}

fn evaluate_terms(graph: &Graph, value: ValueId, available: &mut [bool], steps: &mut Vec<Step>) {
    for term in graph.values[value].as_sum().map_or(&[][..], |sum| &sum.terms) {
        evaluate(graph, term.source, available, steps);
    }
}

/// Plans the backward pass of every step.
fn flows(graph: &Graph, steps: &[Step]) -> Vec<BackwardStep> {
    let mut gathering = Gathering {
        graph,
        // The user's gradients of the outputs are in memory before the first step.
        collected: graph.values.iter().map(|value| value.is_output).collect(),
        finished: vec![false; graph.values.len()],
        pending: graph.values.iter().map(|value| value.sums.clone()).collect(),
    };
    let mut backward: Vec<BackwardStep> = steps.iter().rev().map(|step| gathering.plan(step)).collect();
    backward.reverse();
    backward
}

/// What is known about gradients on the way back through the steps.
struct Gathering<'a> {
    graph: &'a Graph,
    /// Values of whose gradient a part is in memory.
    collected: Vec<bool>,
    /// Sums whose gradient is complete.
    finished: Vec<bool>,
    /// For each value, the sums that have it as a term and whose contribution has not been taken yet.
    pending: Vec<Vec<(ValueId, Map)>>,
}

impl Gathering<'_> {
    fn plan(&mut self, step: &Step) -> BackwardStep {
        match step {
            Step::Evaluate(value) => {
                let contributions = self.take(*value);
                self.finished[*value] = true;
                BackwardStep { output: Vec::new(), inputs: vec![Flow::Finish(contributions)] }
            }
            Step::Operation { op, keeps } => {
                let op = &self.graph.ops[*op];
                let output = self.take(op.output);
                let inputs: Vec<Flow> =
                    op.inputs.iter().map(|&input| self.flow(input, keeps.contains(&input))).collect();
                for (&input, flow) in op.inputs.iter().zip(&inputs) {
                    self.finished[input] |= matches!(flow, Flow::Finish(_));
                }
                BackwardStep { output, inputs }
            }
        }
    }

    fn flow(&mut self, input: ValueId, kept_here: bool) -> Flow {
        let value = &self.graph.values[input];
        if matches!(value.form, Form::Images) {
            return Flow::Stop;
        }
        let contributions = self.take(input);
        if kept_here || !value.is_stored() {
            Flow::Finish(contributions)
        } else {
            self.collected[input] = true;
            Flow::Collect(contributions)
        }
    }

    /// Everything known that adds to a value's gradient, apart from the result of the kernel that is about to run. A
    /// sum's contribution is taken as soon as it is known, while the sum's gradient is still in a cache.
    fn take(&mut self, value: ValueId) -> Vec<Contribution> {
        let (known, unknown) = self.pending[value].iter().copied().partition(|(sum, _)| self.finished[*sum]);
        self.pending[value] = unknown;
        let known: Vec<(ValueId, Map)> = known;
        let through = known.into_iter().map(|(sum, map)| Contribution::Through(sum, map));
        self.collected[value].then_some(Contribution::Collected).into_iter().chain(through).collect()
    }
}
