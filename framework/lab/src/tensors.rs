//! Named `f32` tensors in safetensors files.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::LabError;

/// A named tensor: shape and values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedTensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, NamedTensor>;

/// The bytes of a safetensors file.
pub(crate) fn encode(tensors: &Tensors) -> Result<Vec<u8>, LabError> {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, t)| (name, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name]);
        views.push((name, view.map_err(|error| LabError::damaged(Path::new(name), error.to_string()))?));
    }
    safetensors::serialize(views, None)
        .map_err(|error| LabError::damaged(Path::new("safetensors"), error.to_string()))
}

/// The tensors of a safetensors file; `path` is for messages.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Tensors, LabError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| LabError::damaged(path, format!("not a whole safetensors file: {error}")))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(LabError::damaged(
                path,
                format!("tensor `{name}` is {:?}, expected F32", view.dtype()),
            ));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        tensors.insert(name, NamedTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}
