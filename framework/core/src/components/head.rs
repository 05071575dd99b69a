//! Heads: how a feature vector becomes class logits.

use std::fmt::Debug;

use balpoe_net::{Init, NetBuilder, NetError, NodeId};

use crate::tensor::{Matrix, TracedMatrix};

/// A parameter of a head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadParameter {
    /// Name within the head, such as `weight`.
    pub name: &'static str,
    /// Logical shape; a vector `[n]` reaches [`ExpertHead::forward`] as a matrix `[1, n]`.
    pub shape: Vec<usize>,
    /// Initial values.
    pub init: Init,
}

/// How does a feature vector become class logits. Every expert has a head of its own, with parameters of its own.
pub trait ExpertHead: Debug + Send + Sync {
    /// The parameters of one expert's head.
    fn parameters(&self, features: usize, classes: usize) -> Vec<HeadParameter>;

    /// Logits `[batch, classes]` from features `[batch, features]`, in dfdx. The parameters come in the order of
    /// [`Self::parameters`]; their gradients are found through dfdx's tensor identities.
    fn forward(&self, parameters: &[Matrix], features: TracedMatrix) -> TracedMatrix;

    /// The same as an operation of the engine, added to the description under this name with the same parameters in the
    /// same order; `None` if there is none, and the head then runs through dfdx.
    ///
    /// # Errors
    /// If the shapes do not fit.
    fn lower(
        &self,
        net: &mut NetBuilder,
        feature: NodeId,
        name: &str,
        classes: usize,
    ) -> Result<Option<NodeId>, NetError> {
        let _ = (net, feature, name, classes);
        Ok(None)
    }
}
