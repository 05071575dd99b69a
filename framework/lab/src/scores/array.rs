//! An array in a file: where its numbers are and how they are written. Numbers are read when they are needed.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::LabError;

/// How one number is written; always little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F64,
    /// A whole number of so many bytes.
    Unsigned(usize),
    /// The same in two's complement.
    Signed(usize),
}

impl Element {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Unsigned(bytes) | Self::Signed(bytes) => bytes,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// Row-major numbers in a file.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) path: PathBuf,
    /// Its name in a file with several arrays.
    pub(super) name: Option<String>,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    pub(super) content: Content,
}

/// Where the numbers are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// In the file, from this byte on.
    File(u64),
    /// Here, since the file has them compressed.
    Memory(Arc<[u8]>),
}

impl Array {
    /// Checks that the file ends where the shape says.
    pub(super) fn checked(self) -> Result<Self, LabError> {
        let wanted = self.shape.iter().try_fold(self.element.bytes(), |size, &n| size.checked_mul(n));
        let found = match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(offset) => {
                let length = std::fs::metadata(&self.path).map_err(unreadable(&self.path))?.len();
                length.saturating_sub(*offset)
            }
        };
        match wanted.map(|wanted| wanted as u64) {
            Some(wanted) if found >= wanted => Ok(self),
            Some(wanted) => Err(self.wrong(&format!(
                "shape {:?} needs {wanted} bytes of numbers, found {found}: the file is cut off",
                self.shape
            ))),
            None => Err(self.wrong(&format!("shape {:?} is too large", self.shape))),
        }
    }

    /// An error about this array.
    pub(super) fn wrong(&self, message: &str) -> LabError {
        match &self.name {
            Some(name) => LabError::damaged(&self.path, format!("array `{name}`: {message}")),
            None => LabError::damaged(&self.path, message),
        }
    }

    /// A reader of its own for a thread.
    pub(super) fn reader(&self) -> Result<Reader<'_>, LabError> {
        let file = match self.content {
            Content::File(_) => Some(File::open(&self.path).map_err(unreadable(&self.path))?),
            Content::Memory(_) => None,
        };
        Ok(Reader { array: self, file, bytes: Vec::new() })
    }

    /// All numbers as whole numbers of at least 0; floats must be whole as well.
    pub(super) fn whole_numbers(&self) -> Result<Vec<u64>, LabError> {
        let count: usize = self.shape.iter().product();
        let mut reader = self.reader()?;
        let element = self.element;
        let bytes = reader.read(0, count)?;
        let numbers: Option<Vec<u64>> =
            bytes.chunks_exact(element.bytes()).map(|bytes| whole_number(element, bytes)).collect();
        numbers.ok_or_else(|| self.wrong("expected whole numbers of at least 0"))
    }
}

/// A file that the user named cannot be read: the data are to blame, not the run.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> LabError {
    move |error| LabError::damaged(path, format!("cannot be read: {error}"))
}

/// Reads numbers of one array.
pub(super) struct Reader<'a> {
    array: &'a Array,
    file: Option<File>,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    /// Writes the `into.len()` numbers from position `first` on.
    pub(super) fn read_floats(&mut self, first: usize, into: &mut [f32]) -> Result<(), LabError> {
        let element = self.array.element;
        let bytes = self.read(first, into.len())?;
        match element {
            Element::F32 => {
                for (value, bytes) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Element::F64 => {
                for (value, bytes) in into.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *value = f64::from_le_bytes(*bytes) as f32;
                }
            }
            Element::Unsigned(_) | Element::Signed(_) => {
                return Err(self.array.wrong("expected float32 or float64, found whole numbers"));
            }
        }
        Ok(())
    }

    /// The bytes of `count` numbers from position `first` on.
    pub(super) fn read(&mut self, first: usize, count: usize) -> Result<&[u8], LabError> {
        let size = self.array.element.bytes();
        let (start, length) = (first * size, count * size);
        match (&self.array.content, &mut self.file) {
            (Content::File(offset), Some(file)) => {
                self.bytes.resize(length, 0);
                file.seek(SeekFrom::Start(offset + start as u64))
                    .and_then(|_| file.read_exact(&mut self.bytes))
                    .map_err(unreadable(&self.array.path))?;
                Ok(&self.bytes)
            }
            (Content::Memory(bytes), _) => Ok(&bytes[start..start + length]),
            (Content::File(_), None) => Ok(&[]),
        }
    }
}

fn whole_number(element: Element, bytes: &[u8]) -> Option<u64> {
    let mut wide = [0_u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let number = u64::from_le_bytes(wide);
    let float = |value: f64| (value >= 0.0 && value.fract() == 0.0 && value < 9e15).then_some(value as u64);
    match element {
        Element::Unsigned(_) => Some(number),
        Element::Signed(size) => (number >> (8 * size - 1) == 0).then_some(number),
        Element::F32 => float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        Element::F64 => float(f64::from_le_bytes(bytes.try_into().ok()?)),
    }
}

/// The element of a raw file by its extension: `f32`, `f64`, `u8` to `u64`, `i8` to `i64`.
fn raw_element(path: &Path) -> Option<Element> {
    Some(match path.extension()?.to_str()? {
        "f32" => Element::F32,
        "f64" => Element::F64,
        "u8" => Element::Unsigned(1),
        "u16" => Element::Unsigned(2),
        "u32" => Element::Unsigned(4),
        "u64" => Element::Unsigned(8),
        "i8" => Element::Signed(1),
        "i16" => Element::Signed(2),
        "i32" => Element::Signed(4),
        "i64" => Element::Signed(8),
        _ => return None,
    })
}

/// A file that is nothing but numbers, as a vector; none if its extension names no kind of number.
pub(super) fn raw(path: &Path) -> Result<Option<Array>, LabError> {
    let Some(element) = raw_element(path) else { return Ok(None) };
    let length = std::fs::metadata(path).map_err(unreadable(path))?.len() as usize;
    let path = path.to_path_buf();
    let shape = vec![length / element.bytes()];
    let array = Array { path, name: None, element, shape, content: Content::File(0) };
    if length.is_multiple_of(element.bytes()) {
        return Ok(Some(array));
    }
    let message = format!("expected numbers of {} bytes, found {length} bytes", element.bytes());
    Err(array.wrong(&format!("{message}: the file is cut off or of another type")))
}
