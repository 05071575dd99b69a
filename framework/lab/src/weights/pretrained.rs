//! Weights that a backbone starts from.

use std::path::Path;

use balpoe_engine::EngineError;
use balpoe_net::Net;

use super::file::WeightFile;
use super::fit::{Lookup, Weights};
use crate::error::LabError;
use crate::executor::Executor;

/// A backbone's first values, and what they are known by.
#[derive(Debug)]
pub(crate) struct Pretrained {
    sha256: String,
    weights: Weights,
}

impl Pretrained {
    /// Reads them from a file for the first `parameters` of a network, which are those of its backbone.
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors are not those of the backbone.
    pub(crate) fn read(path: &Path, net: &Net, parameters: usize) -> Result<Self, LabError> {
        let file = WeightFile::read(path)?;
        let help =
            "`pretrained` needs every tensor of the backbone, under torchvision's names or the reference's";
        let lookup = Lookup { parameters, names: own_or_shared, spare: is_head, help };
        let weights = Weights::fit(net, &file, &lookup)?;
        Ok(Self { sha256: file.sha256, weights })
    }

    /// SHA-256 of the file.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Puts the values into an executor of the network.
    pub(crate) fn load_into(&self, executor: &mut Executor) -> Result<(), EngineError> {
        self.weights.load_into(executor)
    }
}

/// A tensor's own name, and the one without the expert's number: `layer3s.2.0.bn1.weight`, `layer3.0.bn1.weight`.
fn own_or_shared(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    let mut parts = name.splitn(3, '.');
    if let (Some(stage), Some(expert), Some(rest)) = (parts.next(), parts.next(), parts.next())
        && let Some(stage) = stage.strip_suffix('s')
        && expert.bytes().all(|b| b.is_ascii_digit())
    {
        names.push(format!("{stage}.{rest}"));
    }
    names
}

/// Whether a tensor belongs to a classifier: torchvision's `fc`, the reference's `linear` and `linears.0`.
fn is_head(name: &str) -> bool {
    ["fc.", "linear.", "linears."].iter().any(|head| name.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_start_from_the_stage_that_there_is_one_of() {
        assert_eq!(
            own_or_shared("layer3s.2.0.bn1.weight"),
            ["layer3s.2.0.bn1.weight", "layer3.0.bn1.weight"]
        );
        assert_eq!(own_or_shared("layer1.0.bn1.weight"), ["layer1.0.bn1.weight"]);
        assert_eq!(own_or_shared("bn1.running_mean"), ["bn1.running_mean"]);
    }
}
