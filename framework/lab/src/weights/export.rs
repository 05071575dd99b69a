//! A cell's weights for other programs.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::file::{COUNTER, WeightFile};
use crate::error::LabError;
use crate::files;
use crate::store::CellFolder;
use crate::tensors::Tensors;

/// How tensors are called in an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightNames {
    /// As in the state of the reference's PyTorch model: `backbone.layer1.0.conv1.weight`, with the counters of batch norms.
    PyTorch,
    /// As here: the same without prefix and counters.
    Plain,
}

/// Writes the weights in a file (that of a cell, or any under these names) to another under other names.
///
/// PyTorch's counters of batches are those of the cell that the file lies in, and zero for a file elsewhere; only a batch norm
/// without momentum uses them.
///
/// # Errors
/// If the weights cannot be read or the file cannot be written.
pub fn export_weights(source: &Path, names: WeightNames, to: &Path) -> Result<(), LabError> {
    let file = WeightFile::read(source)?;
    let steps = source.parent().map_or(Ok(0), steps_of)?;
    let bytes = match names {
        WeightNames::Plain => crate::tensors::encode(&file.tensors)?,
        WeightNames::PyTorch => encode_for_pytorch(&file.tensors, steps)
            .map_err(|error| LabError::damaged(to, format!("cannot be written as safetensors: {error}")))?,
    };
    files::write_atomically(to, &bytes)
}

/// Updates that a finished cell took; 0 for a folder that is no cell.
fn steps_of(folder: &Path) -> Result<i64, LabError> {
    let Some(manifest) = CellFolder::at(folder).manifest()? else { return Ok(0) };
    let train = &manifest.settings["train"];
    let setting = |name: &str| train[name].as_u64().unwrap_or(0) as usize;
    let batches = manifest.images.div_ceil(setting("batch_size").max(1));
    Ok((setting("epochs") * batches) as i64)
}

fn encode_for_pytorch(tensors: &Tensors, steps: i64) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let steps = steps.to_le_bytes();
    let values: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, tensor)| (name, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &values[name])?;
        views.push((format!("backbone.{name}"), view));
        if let Some(norm) = name.strip_suffix("running_var") {
            views.push((
                format!("backbone.{norm}{COUNTER}"),
                TensorView::new(Dtype::I64, Vec::new(), &steps)?,
            ));
        }
    }
    safetensors::serialize(views, None)
}
