//! Lists of iNaturalist 2018 from the annotations that its authors publish.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use balpoe_core::components::DataError;
use serde::Deserialize;

/// What an import wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLists {
    /// The lists, training images first, with their numbers of images.
    pub lists: Vec<(PathBuf, usize)>,
    /// Number of classes.
    pub classes: usize,
}

/// The parts of `train2018.json` and `val2018.json` that lists are made of (the layout of COCO).
#[derive(Deserialize)]
struct Annotations {
    images: Vec<ImageEntry>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u32,
}

/// Writes `iNaturalist18_train.txt` and `iNaturalist18_val.txt` to a folder, from the official `train2018.json` and
/// `val2018.json`: paths and labels as in the published lists, images in the order of the JSON files.
///
/// # Errors
/// If a file cannot be read, is not of that layout, or a list cannot be written.
pub fn import_inaturalist(
    train: &Path,
    validation: &Path,
    folder: &Path,
) -> Result<ImportedLists, DataError> {
    std::fs::create_dir_all(folder).map_err(|source| DataError::Io { path: folder.to_owned(), source })?;
    let mut lists = Vec::new();
    let mut classes = 0;
    for (json, name) in [(train, "iNaturalist18_train.txt"), (validation, "iNaturalist18_val.txt")] {
        let (text, images, most) = list_of(json)?;
        let path = folder.join(name);
        let beside = folder.join(format!("{name}.part"));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|source| DataError::Io { path: path.clone(), source })?;
        lists.push((path, images));
        classes = classes.max(most);
    }
    Ok(ImportedLists { lists, classes })
}

/// The list's text, its number of images, and the smallest number of classes that its labels allow.
fn list_of(json: &Path) -> Result<(String, usize, usize), DataError> {
    let file = File::open(json).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing {
            path: json.to_owned(),
            remedy: "get the annotations of iNaturalist 2018 (train2018.json, val2018.json) from the pages of its competition"
                .to_owned(),
        },
        _ => DataError::Io { path: json.to_owned(), source },
    })?;
    let broken = |message: String| DataError::Other(format!("`{}`: {message}", json.display()));
    let Annotations { images, annotations } =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| {
            broken(format!(
                "not the annotations of iNaturalist 2018 (\"images\" and \"annotations\"): {error}"
            ))
        })?;
    let labels: BTreeMap<u64, u32> = annotations.iter().map(|a| (a.image_id, a.category_id)).collect();
    if labels.len() != annotations.len() {
        let twice = annotations.len() - labels.len();
        return Err(broken(format!("{twice} images have several labels, expected one each")));
    }
    let mut text = String::new();
    let mut classes = 0;
    for ImageEntry { id, file_name } in &images {
        let label =
            labels.get(id).ok_or_else(|| broken(format!("image {id}, `{file_name}`, has no label")))?;
        // The official paths are train_val2018/GROUP/LABEL/NAME.jpg.
        if let Some(part) = file_name.split('/').nth(2)
            && part.parse::<u32>().is_ok_and(|part| part != *label)
        {
            return Err(broken(format!("`{file_name}` has label {label}; its folder says another one")));
        }
        let _ = writeln!(text, "{file_name} {label}");
        classes = classes.max(*label as usize + 1);
    }
    Ok((text, images.len(), classes))
}
