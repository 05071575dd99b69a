//! The arrays of a file, whatever its format.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use zip::{CompressionMethod, ZipArchive};

use super::array::{Array, Content, Element, raw, unreadable};
use super::npy;
use crate::error::LabError;

/// All arrays of a file, in the order in which they are written; those of safetensors files, which have none, by name.
pub(super) fn arrays(path: &Path) -> Result<Vec<Array>, LabError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let arrays = match extension {
        "npy" => vec![npy_array(path)?],
        "npz" => npz(path)?,
        "safetensors" => safetensors(path)?,
        _ => match raw(path)? {
            Some(array) => vec![array],
            None => {
                let message = format!(
                    "unknown extension `.{extension}`; expected .npy, .npz, .safetensors, or plain numbers as .f32, .f64, .u8, .u16, \
                     .u32, .i32 or .i64"
                );
                return Err(LabError::damaged(path, message));
            }
        },
    };
    arrays.into_iter().map(Array::checked).collect()
}

fn open(path: &Path) -> Result<File, LabError> {
    File::open(path).map_err(unreadable(path))
}

fn npy_array(path: &Path) -> Result<Array, LabError> {
    let mut start = Vec::new();
    let read = open(path)?.take(npy::LONGEST_HEADER as u64).read_to_end(&mut start);
    read.map_err(unreadable(path))?;
    let header = npy::header(path, &start)?;
    let content = Content::File(header.length as u64);
    Ok(Array { path: path.to_path_buf(), name: None, element: header.element, shape: header.shape, content })
}

fn npz(path: &Path) -> Result<Vec<Array>, LabError> {
    let wrong =
        |error: zip::result::ZipError| LabError::damaged(path, format!("not a whole .npz file: {error}"));
    let mut archive = ZipArchive::new(BufReader::new(open(path)?)).map_err(wrong)?;
    let mut arrays = Vec::new();
    for position in 0..archive.len() {
        let mut member = archive.by_index(position).map_err(wrong)?;
        let name = member.name().map_err(wrong)?.trim_end_matches(".npy").to_owned();
        let stored = member.compression() == CompressionMethod::Stored;
        let start = member.data_start();
        let mut bytes = Vec::new();
        // Stored numbers are read when they are needed, compressed ones now.
        let read = match (stored, start) {
            (true, Some(_)) => (&mut member).take(npy::LONGEST_HEADER as u64).read_to_end(&mut bytes),
            _ => member.read_to_end(&mut bytes),
        };
        read.map_err(|error| LabError::damaged(path, format!("array `{name}` is damaged: {error}")))?;
        let header = npy::header(path, &bytes)?;
        let content = match (stored, start) {
            (true, Some(start)) => Content::File(start + header.length as u64),
            _ => Content::Memory(Arc::from(&bytes[header.length..])),
        };
        let (path, name) = (path.to_path_buf(), Some(name));
        arrays.push(Array { path, name, element: header.element, shape: header.shape, content });
    }
    Ok(arrays)
}

/// The longest header that the format allows.
const LONGEST_SAFETENSORS_HEADER: u64 = 100_000_000;

fn safetensors(path: &Path) -> Result<Vec<Array>, LabError> {
    let wrong = |message: &str| LabError::damaged(path, format!("not a whole safetensors file: {message}"));
    let mut file = open(path)?;
    let mut length = [0_u8; 8];
    file.read_exact(&mut length).map_err(|_| wrong("it has no header"))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_SAFETENSORS_HEADER {
        return Err(wrong("its header is too long"));
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).map_err(unreadable(path))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    // `logits.2` before `logits.10`.
    tensors.sort_by_key(|(name, _)| (name.len(), name.clone()));
    let array = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let element = match info.dtype {
            Dtype::F32 => Element::F32,
            Dtype::F64 => Element::F64,
            Dtype::BOOL | Dtype::U8 => Element::Unsigned(1),
            Dtype::U16 => Element::Unsigned(2),
            Dtype::U32 => Element::Unsigned(4),
            Dtype::U64 => Element::Unsigned(8),
            Dtype::I8 => Element::Signed(1),
            Dtype::I16 => Element::Signed(2),
            Dtype::I32 => Element::Signed(4),
            Dtype::I64 => Element::Signed(8),
            other => {
                let message = format!(
                    "tensor `{name}` is {other:?}; expected F32, F64 or whole numbers: save it as float32"
                );
                return Err(LabError::damaged(path, message));
            }
        };
        let content = Content::File(8 + length + info.data_offsets.0 as u64);
        Ok(Array { path: path.to_path_buf(), name: Some(name), element, shape: info.shape.clone(), content })
    };
    tensors.into_iter().map(array).collect()
}
