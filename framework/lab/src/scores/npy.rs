//! NumPy's format (NEP 1): a magic string, a header that is a Python dictionary, the numbers.

use std::path::Path;

use super::array::Element;
use crate::error::LabError;

/// Starts every file.
const MAGIC: &[u8] = b"\x93NUMPY";
/// More than any header has; a larger length is damage.
pub(super) const LONGEST_HEADER: usize = 1 << 16;

/// What a header says, and how long it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    /// Where the numbers begin.
    pub(super) length: usize,
}

/// Reads the header at the beginning of `bytes`, of which the first [`LONGEST_HEADER`] suffice; `path` is for messages.
pub(super) fn header(path: &Path, bytes: &[u8]) -> Result<Header, LabError> {
    let wrong = |message: &str| LabError::damaged(path, message);
    let cut_off = || wrong("the header of the .npy file is cut off");
    if !bytes.starts_with(MAGIC) {
        return Err(wrong("expected a .npy file, found something else"));
    }
    let (major, rest) = (bytes.get(6).ok_or_else(cut_off)?, bytes.get(8..).ok_or_else(cut_off)?);
    let (start, size) = match major {
        1 => (10, usize::from(u16::from_le_bytes(*rest.first_chunk().ok_or_else(cut_off)?))),
        2 | 3 => (12, u32::from_le_bytes(*rest.first_chunk().ok_or_else(cut_off)?) as usize),
        other => return Err(wrong(&format!("version {other} of the .npy format is not known"))),
    };
    let text = bytes.get(start..start + size).ok_or_else(cut_off)?;
    let text = std::str::from_utf8(text).map_err(|_| wrong("the header of the .npy file is no text"))?;
    let field = |name: &str| {
        let after = &text[text.find(&format!("'{name}':"))? + name.len() + 3..];
        Some(after.trim_start())
    };
    let missing = |name: &str| wrong(&format!("the header of the .npy file has no `{name}`"));
    if field("fortran_order").ok_or_else(|| missing("fortran_order"))?.starts_with("True") {
        return Err(wrong(
            "the array is in Fortran order; save it with np.save(path, np.ascontiguousarray(array))",
        ));
    }
    let descr = field("descr").ok_or_else(|| missing("descr"))?;
    let descr = descr.trim_start_matches('\'').split('\'').next().unwrap_or_default();
    let element = element(descr).ok_or_else(|| {
        wrong(&format!(
            "numbers of type `{descr}` are not read; expected little-endian float32, float64 or whole numbers: save it with \
             array.astype('float32') or array.astype('int64')"
        ))
    })?;
    let shape = field("shape").ok_or_else(|| missing("shape"))?;
    let shape = shape.trim_start_matches('(').split(')').next().unwrap_or_default();
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let shape: Result<Vec<usize>, _> = extents.map(str::parse).collect();
    let shape = shape.map_err(|_| wrong("the header of the .npy file has no readable shape"))?;
    Ok(Header { element, shape, length: start + size })
}

fn element(descr: &str) -> Option<Element> {
    Some(match descr {
        "<f4" => Element::F32,
        "<f8" => Element::F64,
        "|u1" | "<u1" | "|b1" => Element::Unsigned(1),
        "<u2" => Element::Unsigned(2),
        "<u4" => Element::Unsigned(4),
        "<u8" => Element::Unsigned(8),
        "|i1" | "<i1" => Element::Signed(1),
        "<i2" => Element::Signed(2),
        "<i4" => Element::Signed(4),
        "<i8" => Element::Signed(8),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, dictionary: &str) -> Vec<u8> {
        let mut bytes = [MAGIC, &[version, 0]].concat();
        match version {
            1 => bytes.extend((dictionary.len() as u16).to_le_bytes()),
            _ => bytes.extend((dictionary.len() as u32).to_le_bytes()),
        }
        bytes.extend(dictionary.as_bytes());
        bytes
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        // np.lib.format.header_data_from_array_1_0 of NumPy 2.4, padded with spaces to a multiple of 64.
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 10000, 100), }          \n";
        for version in [1, 2, 3] {
            let bytes = file(version, text);
            let read = header(Path::new("a.npy"), &bytes).unwrap();
            let expected = Header { element: Element::F32, shape: vec![3, 10_000, 100], length: bytes.len() };
            assert_eq!(read, expected);
            assert!(header(Path::new("a.npy"), &bytes[..bytes.len() - 1]).is_err());
        }
        let text = "{'descr': '<i8', 'fortran_order': False, 'shape': (10000,), }\n";
        assert_eq!(header(Path::new("a.npy"), &file(1, text)).unwrap().shape, [10_000]);
        let text = "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n";
        assert!(header(Path::new("a.npy"), &file(1, text)).unwrap().shape.is_empty());
    }

    #[test]
    fn what_is_not_read_is_refused_with_advice() {
        for (dictionary, advice) in [
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }", "ascontiguousarray"),
            ("{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }", "astype('float32')"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", "little-endian"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "`|O`"),
            ("{'fortran_order': False, 'shape': (3,), }", "`descr`"),
        ] {
            let error = header(Path::new("a.npy"), &file(1, dictionary)).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }
}
