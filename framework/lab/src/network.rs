//! The network of an arm: the backbone's description with the heads on it.

use balpoe_core::components::{Data, HeadParameter};
use balpoe_core::experiment::{Arm, Lowering};
use balpoe_net::{Net, NetBuilder, Shape};

use crate::error::LabError;
use crate::weights::Pretrained;

/// A network with its experts' places in it.
#[derive(Debug)]
pub struct Network {
    /// The description that the engine runs.
    pub net: Net,
    /// The number of experts.
    pub experts: usize,
    /// The number of classes.
    pub classes: usize,
    /// Length of each expert's feature vector.
    pub features: usize,
    /// Where the logits come from.
    pub heads: Heads,
    /// The parameters of each expert's head, by their places in the network's list, with the shapes that they have as matrices.
    pub head_parameters: Vec<Vec<HeadPlace>>,
    /// What the backbone starts from, where that is not chance.
    pub(crate) pretrained: Option<Pretrained>,
}

/// The place of a head's parameter in the network's list, and its shape as a matrix.
pub type HeadPlace = (usize, (usize, usize));

/// How heads are computed.
#[derive(Debug)]
pub enum Heads {
    /// In the engine: outputs `0..experts` are features, `experts..2 experts` are logits.
    Lowered,
    /// In dfdx: outputs are features only.
    Plugin,
}

impl Network {
    /// Describes an arm's network for a data set.
    ///
    /// # Errors
    /// If shapes do not fit, or the weights that the backbone is to start from do not.
    pub fn describe(arm: &Arm, data: &Data) -> Result<Self, LabError> {
        Self::of_shape(arm, data.size, data.classes.len())
    }

    /// Describes an arm's network for images of this height and width and so many classes.
    ///
    /// # Errors
    /// As [`describe`](Self::describe).
    pub fn of_shape(arm: &Arm, size: (usize, usize), classes: usize) -> Result<Self, LabError> {
        let (height, width) = size;
        let mut net = NetBuilder::new(Shape::new(height, width, 3));
        let features = arm.backbone.component.describe(&mut net)?;
        let experts = features.len();
        let mut length = 0;
        for (e, &feature) in features.iter().enumerate() {
            net.output(format!("features.{e}"), feature)?;
            length = net.shape(feature)?.channels;
        }

        let backbone_parameters = net.parameters();
        let head = &arm.head.component;
        let parameters = head.parameters(length, classes);
        let mut lowered = Vec::new();
        let mut names = Vec::new();
        for (e, &feature) in features.iter().enumerate() {
            // The names of the reference's checkpoints (`linears.0.weight`, or `linear.weight` for one expert).
            let name = if experts == 1 { "linear".to_owned() } else { format!("linears.{e}") };
            names.push(format!("{name}."));
            if arm.train.lowering == Lowering::Auto
                && let Some(logits) = head.lower(&mut net, feature, &name, classes)?
            {
                lowered.push(logits);
                continue;
            }
            for parameter in &parameters {
                net.parameter(format!("{name}.{}", parameter.name), &parameter.shape, parameter.init)?;
            }
        }
        let heads = if lowered.len() == experts {
            for (e, &logits) in lowered.iter().enumerate() {
                net.output(format!("logits.{e}"), logits)?;
            }
            Heads::Lowered
        } else {
            Heads::Plugin
        };
        let net = net.finish()?;
        let places = |name: &String| {
            let own = net.parameters().iter().enumerate().filter(|(_, p)| p.name.starts_with(name));
            own.zip(&parameters).map(|((place, _), parameter)| (place, matrix_shape(parameter))).collect()
        };
        let head_parameters = names.iter().map(places).collect();
        let pretrained = match arm.backbone.component.pretrained() {
            Some(path) => Some(Pretrained::read(path, &net, backbone_parameters)?),
            None => None,
        };
        Ok(Self { net, experts, classes, features: length, heads, head_parameters, pretrained })
    }

    /// A text that identifies the network and the weights that it starts from, apart from what the seed decides.
    pub(crate) fn identity(&self) -> String {
        let mut text = self.net.canonical_text();
        if let Some(pretrained) = &self.pretrained {
            text.push_str(&format!("pretrained {}\n", pretrained.sha256()));
        }
        text
    }
}

fn matrix_shape(parameter: &HeadParameter) -> (usize, usize) {
    match parameter.shape[..] {
        [rows, columns] => (rows, columns),
        _ => (1, parameter.shape.iter().product()),
    }
}
