//! Renderings of a description: a canonical text for hashing and a table for people.

use crate::{Activation, Init, Net, Op, Window};
use std::fmt::{self, Write as _};

impl Net {
    /// A canonical text of everything that decides what the network computes and how it starts: operations with their
    /// settings, shapes, parameters with their initial distributions, outputs.
    ///
    /// Two networks are equal exactly when their texts are, so that a hash of the text identifies the network. The format
    /// is versioned by its first line and does not depend on `Debug` renderings.
    pub fn canonical_text(&self) -> String {
        let mut text = String::from("balpoe-net 1\n");
        for (index, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<String> = node.inputs.iter().map(|input| input.0.to_string()).collect();
            let _ = writeln!(
                text,
                "node {index} {} {} [{}] {}",
                node.name,
                describe(&node.op),
                inputs.join(","),
                node.shape
            );
        }
        for parameter in &self.parameters {
            let sizes: Vec<String> = parameter.shape.iter().map(usize::to_string).collect();
            let init = describe_init(parameter.init);
            let _ = writeln!(text, "parameter {} [{}] {init}", parameter.name, sizes.join(","));
        }
        for buffer in &self.buffers {
            let _ = writeln!(text, "buffer {} {} {}", buffer.name, buffer.len, buffer.initial);
        }
        for output in &self.outputs {
            let _ = writeln!(text, "output {} {}", output.name, output.node.0);
        }
        text
    }
}

/// A table: one line per operation with its shape, parameters and multiply-adds, and a line of totals.
impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0).max(9);
        writeln!(
            f,
            "{:>5}  {:name_width$}  {:<20}  {:>12}  {:>12}  {:>14}  inputs",
            "node", "name", "operation", "shape", "parameters", "multiply-adds"
        )?;
        for (index, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<String> = node.inputs.iter().map(|input| input.0.to_string()).collect();
            let parameters: usize =
                self.parameters_of(node).iter().map(|id| self.parameters[id.0].len()).sum();
            writeln!(
                f,
                "{index:>5}  {:name_width$}  {:<20}  {:>12}  {:>12}  {:>14}  {}",
                node.name,
                title(&node.op),
                node.shape.to_string(),
                parameters,
                self.multiply_adds_of(node),
                inputs.join(", ")
            )?;
        }
        for output in &self.outputs {
            writeln!(f, "output {}: node {}", output.name, output.node.0)?;
        }
        write!(f, "{} parameters, {} multiply-adds per image", self.parameter_count(), self.multiply_adds())
    }
}

/// The operation in few words, for the table.
fn title(op: &Op) -> String {
    match op {
        Op::Input => "input".into(),
        Op::Conv { window, groups: 1, .. } => format!("conv {}", kernel(window)),
        Op::Conv { window, groups, .. } => format!("conv {} groups {groups}", kernel(window)),
        Op::BatchNorm { .. } => "batch norm".into(),
        Op::Activation(Activation::Relu) => "relu".into(),
        Op::Activation(Activation::LeakyRelu { slope }) => format!("leaky relu {slope}"),
        Op::Add => "add".into(),
        Op::Concat => "concat".into(),
        Op::MaxPool(window) => format!("max pool {}", kernel(window)),
        Op::AveragePool(window) => format!("average pool {}", kernel(window)),
        Op::GlobalAveragePool => "global average pool".into(),
        Op::SubsamplePad { stride } => format!("subsample {stride}, pad"),
        Op::Linear { .. } => "linear".into(),
        Op::CosineLinear { scale, .. } => format!("cosine linear x{scale}"),
    }
}

fn kernel(window: &Window) -> String {
    let stride = if window.stride == [1, 1] { String::new() } else { format!(" /{}", window.stride[0]) };
    format!("{}x{}{stride}", window.kernel[0], window.kernel[1])
}

/// The operation with every setting, for the canonical text.
fn describe(op: &Op) -> String {
    let optional = |id: &Option<crate::ParameterId>| id.map_or("none".into(), |id| id.0.to_string());
    match op {
        Op::Input => "input".into(),
        Op::Conv { weight, bias, window, groups } => {
            let (weight, bias, window) = (weight.0, optional(bias), describe_window(window));
            format!("conv(weight={weight} bias={bias} {window} groups={groups})")
        }
        Op::BatchNorm { gamma, beta, mean, variance, epsilon, momentum } => format!(
            "batch_norm(gamma={} beta={} mean={} variance={} epsilon={epsilon} momentum={momentum})",
            gamma.0, beta.0, mean.0, variance.0
        ),
        Op::Activation(Activation::Relu) => "relu".into(),
        Op::Activation(Activation::LeakyRelu { slope }) => format!("leaky_relu(slope={slope})"),
        Op::Add => "add".into(),
        Op::Concat => "concat".into(),
        Op::MaxPool(window) => format!("max_pool({})", describe_window(window)),
        Op::AveragePool(window) => format!("average_pool({})", describe_window(window)),
        Op::GlobalAveragePool => "global_average_pool".into(),
        Op::SubsamplePad { stride } => format!("subsample_pad(stride={stride})"),
        Op::Linear { weight, bias } => format!("linear(weight={} bias={})", weight.0, optional(bias)),
        Op::CosineLinear { weight, scale } => format!("cosine_linear(weight={} scale={scale})", weight.0),
    }
}

fn describe_window(window: &Window) -> String {
    let [kernel, stride, padding] =
        [window.kernel, window.stride, window.padding].map(|[rows, columns]| format!("{rows}x{columns}"));
    format!("kernel={kernel} stride={stride} padding={padding}")
}

fn describe_init(init: Init) -> String {
    match init {
        Init::Normal { std } => format!("normal(std={std})"),
        Init::Uniform { low, high } => format!("uniform(low={low} high={high})"),
        Init::Constant(value) => format!("constant({value})"),
        Init::UnitColumns => "unit_columns".into(),
    }
}
