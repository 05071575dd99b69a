//! Stages that every expert has for itself, or that experts share.

use balpoe_net::{NetBuilder, NetError, NodeId};

/// A stage for each expert, on its own input or all on the only one; or one stage for all. Gives one value for each stage.
///
/// A stage is called `{name}s.{expert}` where experts have their own, and `name` where there is only one of it: the names of
/// the reference implementation. (The reference computes some shared stages anew for every expert, with the same result.)
pub(super) fn branch(
    net: &mut NetBuilder,
    experts: usize,
    shared: bool,
    inputs: &[NodeId],
    name: &str,
    stage: impl Fn(&mut NetBuilder, NodeId, &str) -> Result<NodeId, NetError>,
) -> Result<Vec<NodeId>, NetError> {
    if shared || experts == 1 {
        return Ok(vec![stage(net, inputs[0], name)?]);
    }
    (0..experts)
        .map(|expert| stage(net, inputs[expert % inputs.len()], &format!("{name}s.{expert}")))
        .collect()
}

/// One feature vector for each expert: the mean over all pixels of its last stage.
pub(super) fn pool(net: &mut NetBuilder, experts: usize, inputs: &[NodeId]) -> Result<Vec<NodeId>, NetError> {
    let pooled = inputs.iter().map(|&x| net.global_average_pool(x)).collect::<Result<Vec<_>, NetError>>()?;
    Ok((0..experts).map(|expert| pooled[expert % pooled.len()]).collect())
}
