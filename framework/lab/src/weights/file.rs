//! A safetensors file that another program may have written.

use std::path::{Path, PathBuf};

use balpoe_core::digest::sha256;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::error::LabError;
use crate::tensors::{NamedTensor, Tensors};

/// The count of batches that PyTorch keeps with a batch norm of fixed momentum, and never uses.
pub(super) const COUNTER: &str = "num_batches_tracked";

/// Weights by name, read whole.
///
/// Names come without PyTorch's prefixes `module.` (several GPUs) and `backbone.` (the reference's model), and without the
/// counters of batch norms.
#[derive(Debug)]
pub struct WeightFile {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) tensors: Tensors,
}

impl WeightFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no whole safetensors file, or holds other numbers than `F32` and `F64`.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let bytes = std::fs::read(path)
            .map_err(|error| LabError::damaged(path, format!("cannot be read: {error}")))?;
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 2]) {
            let message = "this is a PyTorch pickle, which can run programs when it is opened; expected safetensors: \
                           convert it with the script in the chapter \"Weights\"";
            return Err(LabError::damaged(path, message));
        }
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| LabError::damaged(path, format!("not a whole safetensors file: {error}")))?;
        let mut tensors = Tensors::new();
        for (full, view) in file.tensors() {
            let name = plain_name(&full);
            if name.ends_with(COUNTER) {
                continue;
            }
            let values = match view.dtype() {
                Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::F64 => {
                    view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
                }
                other => {
                    let message =
                        format!("tensor `{full}` is {other:?}, expected F32 or F64; convert it first");
                    return Err(LabError::damaged(path, message));
                }
            };
            let tensor = NamedTensor { shape: view.shape().to_vec(), values };
            if tensors.insert(name.to_owned(), tensor).is_some() {
                let message = format!("has the tensor `{name}` twice, with a prefix and without");
                return Err(LabError::damaged(path, message));
            }
        }
        Ok(Self { path: path.to_path_buf(), sha256: sha256(&bytes), tensors })
    }

    /// SHA-256 of the file's bytes, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// A name without the prefixes of PyTorch's wrappers.
fn plain_name(name: &str) -> &str {
    let name = name.strip_prefix("module.").unwrap_or(name);
    name.strip_prefix("backbone.").unwrap_or(name)
}
