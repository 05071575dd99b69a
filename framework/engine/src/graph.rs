//! What a network looks like to the engine: operations that need a kernel, and values between them.
//!
//! Batch norm, activation, addition and the parameter-free shortcut are no operations here. Chains of them become one
//! [`Sum`], `activation(term + term + …)`, which is evaluated where it is read, or once ([`Reading`]).

use balpoe_net::{Activation, Net, Node, Op, ParameterId, Shape};

/// Place of a value in [`Graph::values`].
pub(crate) type ValueId = usize;

/// A feature map or vector, per image.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) shape: Shape,
    /// Values from a pixel to the next in memory: the channels, unless an executor pads them.
    pub(crate) stride: usize,
    pub(crate) form: Form,
    /// Operations that read it, as places in [`Graph::ops`], ascending.
    pub(crate) readers: Vec<usize>,
    /// Sums that have it as a term, ascending.
    pub(crate) sums: Vec<(ValueId, Map)>,
    /// Whether a reader takes it from memory rather than evaluating it for itself.
    pub(crate) is_read_from_memory: bool,
    /// Whether the user sees it.
    pub(crate) is_output: bool,
}

impl Value {
    /// Values of one image in memory.
    pub(crate) fn image_len(&self) -> usize {
        self.shape.pixels() * self.stride
    }

    /// Whether it has to be kept in memory; a sum with one reader is evaluated by that reader instead.
    pub(crate) fn is_stored(&self) -> bool {
        self.as_sum().is_none()
            || self.is_output
            || self.is_read_from_memory
            || !self.sums.is_empty()
            || self.readers.len() != 1
    }

    pub(crate) fn as_sum(&self) -> Option<&Sum> {
        if let Form::Sum(sum) = &self.form { Some(sum) } else { None }
    }
}

/// Where a value comes from.
#[derive(Debug)]
pub(crate) enum Form {
    /// The images.
    Images,
    /// An operation, as a place in [`Graph::ops`].
    Op(usize),
    /// Other values, pixel by pixel.
    Sum(Sum),
}

/// `activation(term + term + …)`.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) terms: Vec<Term>,
    pub(crate) activation: Option<Activation>,
}

/// A value as it enters a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) source: ValueId,
    pub(crate) map: Map,
}

/// What happens to a value on its way into a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Map {
    /// Nothing.
    Identity,
    /// Batch normalisation, as a place in [`Graph::norms`].
    Norm(usize),
    /// Every `stride`-th pixel, with `before` zero channels in front.
    Subsample { stride: usize, before: usize },
}

/// A batch norm; parameters and buffers are places in the network's lists.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) source: ValueId,
    pub(crate) gamma: usize,
    pub(crate) beta: usize,
    pub(crate) mean: usize,
    pub(crate) variance: usize,
    pub(crate) epsilon: f64,
    pub(crate) momentum: f64,
}

/// An operation that needs a kernel.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) output: ValueId,
    /// Classifiers on the way from the images; operations are sorted by it, so that everything that works image by
    /// image comes before the products over the whole batch.
    level: usize,
}

impl Operation {
    /// Weight and bias, as places in the network's list of parameters.
    pub(crate) fn parameters(&self) -> [Option<usize>; 2] {
        match &self.op {
            Op::Conv { weight, bias, .. } | Op::Linear { weight, bias } => {
                [Some(weight.index()), bias.map(ParameterId::index)]
            }
            Op::CosineLinear { weight, .. } => [Some(weight.index()), None],
            _ => [None; 2],
        }
    }

    /// Whether it is a matrix product over the whole batch rather than work on each image.
    pub(crate) fn is_classifier(&self) -> bool {
        matches!(self.op, Op::Linear { .. } | Op::CosineLinear { .. })
    }
}

/// How an executor's operations read sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Convolutions and pooling evaluate them block by block for themselves.
    Evaluated,
    /// All find them in memory.
    FromMemory,
}

/// A network as values and operations.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Each after those that it depends on.
    pub(crate) values: Vec<Value>,
    /// In an order in which they can be executed.
    pub(crate) ops: Vec<Operation>,
    pub(crate) norms: Vec<Norm>,
    /// The value of each output of the network.
    pub(crate) outputs: Vec<ValueId>,
    reading: Reading,
}

impl Graph {
    /// Lowers a network. What no output depends on is left out.
    pub(crate) fn new(net: &Net, reading: Reading) -> Self {
        let uses = count_uses(net);
        let mut lowering =
            Lowering { values: Vec::new(), ops: Vec::new(), norms: Vec::new(), nodes: Vec::new() };
        for (node, &uses) in net.nodes().iter().zip(&uses) {
            let lowered = if uses == 0 { Lowered::Unused } else { lowering.lower(node, uses == 1) };
            lowering.nodes.push(lowered);
        }
        let outputs = net.outputs().iter().map(|output| lowering.value(output.node.index())).collect();
        let Lowering { values, ops, norms, .. } = lowering;
        let mut graph = Self { values, ops, norms, outputs, reading };
        graph.sort_operations();
        graph.connect();
        graph
    }

    /// Whether an operation's inputs must be in memory when it runs.
    pub(crate) fn reads_memory(&self, op: &Operation) -> bool {
        self.reading == Reading::FromMemory || op.is_classifier() || matches!(op.op, Op::Concat)
    }

    /// Puts operations in order of level, classifiers of a level last; otherwise as described.
    fn sort_operations(&mut self) {
        self.ops.sort_by_key(|op| (op.level, op.is_classifier()));
        for (index, op) in self.ops.iter().enumerate() {
            self.values[op.output].form = Form::Op(index);
        }
    }

    /// Lets every value know who reads it.
    fn connect(&mut self) {
        for (index, op) in self.ops.iter().enumerate() {
            let reads_memory = self.reads_memory(op);
            for &input in &op.inputs {
                let value = &mut self.values[input];
                value.is_read_from_memory |= reads_memory;
                if value.readers.last() != Some(&index) {
                    value.readers.push(index);
                }
            }
        }
        for id in 0..self.values.len() {
            let terms = self.values[id].as_sum().map(|sum| sum.terms.clone()).unwrap_or_default();
            for term in terms {
                self.values[term.source].sums.push((id, term.map));
            }
        }
        for &output in &self.outputs {
            self.values[output].is_output = true;
        }
    }
}

/// How often each node's value is used, by nodes that themselves are used, or as an output.
fn count_uses(net: &Net) -> Vec<usize> {
    let mut uses = vec![0; net.nodes().len()];
    uses[0] = 1; // the images are always there
    for output in net.outputs() {
        uses[output.node.index()] += 2; // as if read twice, so that no sum absorbs it
    }
    for (index, node) in net.nodes().iter().enumerate().rev() {
        if uses[index] > 0 {
            for input in &node.inputs {
                uses[input.index()] += 1;
            }
        }
    }
    uses
}

enum Lowered {
    Unused,
    Value(ValueId),
    /// A sum with one user, which may absorb it.
    Pending(Shape, Sum),
}

struct Lowering {
    values: Vec<Value>,
    ops: Vec<Operation>,
    norms: Vec<Norm>,
    /// What has become of each node so far.
    nodes: Vec<Lowered>,
}

impl Lowering {
    fn lower(&mut self, node: &Node, one_use: bool) -> Lowered {
        let inputs: Vec<usize> = node.inputs.iter().map(|input| input.index()).collect();
        let sum = match &node.op {
            Op::Input => return Lowered::Value(self.push(node.shape, Form::Images)),
            Op::BatchNorm { gamma, beta, mean, variance, epsilon, momentum } => {
                let source = self.value(inputs[0]);
                self.norms.push(Norm {
                    name: node.name.clone(),
                    source,
                    gamma: gamma.index(),
                    beta: beta.index(),
                    mean: mean.index(),
                    variance: variance.index(),
                    epsilon: *epsilon,
                    momentum: *momentum,
                });
                Sum { terms: vec![Term { source, map: Map::Norm(self.norms.len() - 1) }], activation: None }
            }
            Op::SubsamplePad { stride } => {
                let source = self.value(inputs[0]);
                let before = (node.shape.channels - self.values[source].shape.channels) / 2;
                let map = Map::Subsample { stride: *stride, before };
                Sum { terms: vec![Term { source, map }], activation: None }
            }
            Op::Add => {
                Sum { terms: inputs.iter().flat_map(|&input| self.terms(input)).collect(), activation: None }
            }
            Op::Activation(activation) => Sum { terms: self.terms(inputs[0]), activation: Some(*activation) },
            Op::Conv { .. }
            | Op::Concat
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::GlobalAveragePool
            | Op::Linear { .. }
            | Op::CosineLinear { .. } => return Lowered::Value(self.operation(node, &inputs)),
        };
        if sum.activation.is_none() && one_use {
            Lowered::Pending(node.shape, sum)
        } else {
            Lowered::Value(self.push(node.shape, Form::Sum(sum)))
        }
    }

    fn operation(&mut self, node: &Node, inputs: &[usize]) -> ValueId {
        let inputs: Vec<ValueId> = inputs.iter().map(|&input| self.value(input)).collect();
        let level = inputs.iter().map(|&input| self.level(input)).max().unwrap_or(0);
        let output = self.push(node.shape, Form::Op(self.ops.len()));
        self.ops.push(Operation { name: node.name.clone(), op: node.op.clone(), inputs, output, level });
        output
    }

    /// Classifiers on the longest way to a value.
    fn level(&self, value: ValueId) -> usize {
        match &self.values[value].form {
            Form::Images => 0,
            Form::Op(op) => self.ops[*op].level + usize::from(self.ops[*op].is_classifier()),
            Form::Sum(sum) => sum.terms.iter().map(|term| self.level(term.source)).max().unwrap_or(0),
        }
    }

    fn push(&mut self, shape: Shape, form: Form) -> ValueId {
        let stride = shape.channels;
        let (readers, sums) = (Vec::new(), Vec::new());
        let (is_read_from_memory, is_output) = (false, false);
        self.values.push(Value { shape, stride, form, readers, sums, is_read_from_memory, is_output });
        self.values.len() - 1
    }

    /// The node's value; a pending sum becomes one.
    fn value(&mut self, node: usize) -> ValueId {
        match &self.nodes[node] {
            Lowered::Value(value) => *value,
            Lowered::Pending(shape, sum) => {
                let (shape, form) = (*shape, Form::Sum(sum.clone()));
                let value = self.push(shape, form);
                self.nodes[node] = Lowered::Value(value);
                value
            }
            Lowered::Unused => unreachable!("a used node's inputs are used"),
        }
    }

    /// The node as terms of its only user's sum.
    fn terms(&mut self, node: usize) -> Vec<Term> {
        if let Lowered::Pending(_, sum) = &self.nodes[node] {
            return sum.terms.clone();
        }
        vec![Term { source: self.value(node), map: Map::Identity }]
    }
}
