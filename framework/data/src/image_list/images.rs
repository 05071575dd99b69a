//! The images of a list, read when they are wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use balpoe_core::components::{ChooseWindow, DataError, Image, Images, Window};

use super::dataset::Broken;
use super::list::List;
use super::pack::Pack;
use crate::decode::{DecodeError, Encoded};
use crate::imaging::{self, scaled_size};

/// How files become images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Height and width for tests.
    pub(super) size: usize,
    /// What the shorter side is scaled to before that is cut out.
    pub(super) test_shorter_side: usize,
    /// Larger images are reduced to this shorter side first.
    pub(super) reduce: Option<usize>,
    /// Whether images are turned as EXIF says.
    pub(super) upright: bool,
    /// Whether the decoder may leave out detail that the crop does not need.
    pub(super) scaled_decoding: bool,
}

/// Why a file gives no image.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("missing")]
    Missing,
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// When the pack was made.
    #[error("was missing or broken when the images were packed")]
    NotPacked,
}

/// Reads a file and its header.
pub(super) fn open(path: &Path) -> Result<Encoded, ReadError> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Io(error),
    })?;
    Ok(Encoded::new(bytes)?)
}

impl View {
    /// The whole image: turned and reduced.
    pub(super) fn whole(&self, encoded: Encoded) -> Result<Image, ReadError> {
        let orientation = encoded.header().orientation;
        let mut image = encoded.decode()?;
        if self.upright {
            image = imaging::orient(image, orientation);
        }
        match self.reduce {
            Some(side) if image.height.min(image.width) > side => {
                let size = scaled_size((image.height, image.width), side);
                Ok(imaging::resize(&image, size))
            }
            _ => Ok(image),
        }
    }

    /// A window of the image; no more than needed is decoded where the image is taken as it is stored.
    fn window(&self, encoded: Encoded, choose: &mut ChooseWindow<'_>) -> Result<Image, ReadError> {
        let header = encoded.header();
        let (height, width) = (header.height, header.width);
        let reduced = self.reduce.is_some_and(|side| height.min(width) > side);
        if reduced || (self.upright && header.orientation != 1) {
            let image = self.whole(encoded)?;
            let window = choose(image.height, image.width);
            return Ok(imaging::cut(&image, window));
        }
        let window = choose(height, width);
        let image = if self.scaled_decoding {
            encoded.decode_window_coarsely(window)
        } else {
            encoded.decode_window(window)
        };
        Ok(image?)
    }
}

/// The images of a list.
#[derive(Debug)]
pub(super) struct ListImages {
    folder: PathBuf,
    list: Arc<List>,
    view: View,
    broken: Broken,
    /// Whether another image of the class may stand for a broken one.
    training: bool,
    pack: Option<Pack>,
    /// Why files gave no image, by position.
    failures: Mutex<BTreeMap<usize, String>>,
}

impl ListImages {
    pub(super) fn new(
        folder: PathBuf,
        list: Arc<List>,
        view: View,
        broken: Broken,
        training: bool,
        pack: Option<Pack>,
    ) -> Self {
        // Scaled decoding gives other pixels than the pack has.
        let pack = pack.filter(|_| !view.scaled_decoding);
        Self { folder, list, view, broken, training, pack, failures: Mutex::new(BTreeMap::new()) }
    }

    /// What `read` makes of the image at this position, or of the one that stands for it if its file is broken; none if nothing
    /// does.
    fn with_substitutes(
        &self,
        position: usize,
        read: &mut dyn FnMut(usize) -> Result<Image, ReadError>,
    ) -> Result<Option<Image>, DataError> {
        let list = &*self.list;
        let label = *list.labels.get(position).ok_or_else(|| {
            DataError::Other(format!("there is no image {position}, only {} images", list.len()))
        })?;
        let candidates = (position..list.len()).chain(0..position).filter(|&at| list.labels[at] == label);
        for at in candidates {
            let error = match read(at) {
                Ok(image) => return Ok(Some(image)),
                Err(error) => error,
            };
            if self.broken == Broken::Stop {
                let path = self.folder.join(&*list.paths[at]);
                return Err(DataError::Other(format!(
                    "image `{}`: {error}; replace it, take it off the list, or set broken = \"replace\"",
                    path.display()
                )));
            }
            self.failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(at)
                .or_insert_with(|| error.to_string());
            if !self.training {
                break;
            }
        }
        Ok(None)
    }

    fn open(&self, position: usize) -> Result<Encoded, ReadError> {
        open(&self.folder.join(&*self.list.paths[position]))
    }

    fn whole(&self, position: usize) -> Result<Image, ReadError> {
        match &self.pack {
            Some(pack) => {
                let (pixels, (height, width)) = pack.image(position).ok_or(ReadError::NotPacked)?;
                Ok(Image { height, width, pixels: pixels.to_vec() })
            }
            None => self.view.whole(self.open(position)?),
        }
    }

    fn black(&self) -> Image {
        Image::black(self.view.size, self.view.size)
    }
}

impl Images for ListImages {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        Ok(self.with_substitutes(position, &mut |at| self.whole(at))?.unwrap_or_else(|| self.black()))
    }

    fn read_window(
        &self,
        position: usize,
        choose: &mut ChooseWindow<'_>,
    ) -> Result<Option<Image>, DataError> {
        let mut read = |at: usize| match &self.pack {
            Some(pack) => {
                let (pixels, size) = pack.image(at).ok_or(ReadError::NotPacked)?;
                Ok(imaging::cut_pixels(pixels, size, choose(size.0, size.1)))
            }
            None => self.view.window(self.open(at)?, choose),
        };
        if let Some(image) = self.with_substitutes(position, &mut read)? {
            return Ok(Some(image));
        }
        let Window { size, .. } = choose(self.view.size, self.view.size);
        Ok(Some(Image::black(size.0, size.1)))
    }

    fn read_for_test(&self, position: usize) -> Result<Image, DataError> {
        let View { size, test_shorter_side, .. } = self.view;
        let mut read =
            |at: usize| Ok(imaging::fit_and_crop(&self.whole(at)?, test_shorter_side, (size, size)));
        Ok(self.with_substitutes(position, &mut read)?.unwrap_or_else(|| self.black()))
    }

    fn notices(&self) -> Vec<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((&position, reason)) = failures.first_key_value() else { return Vec::new() };
        let stand_in =
            if self.training { "other images of their classes stood for them" } else { "they were black" };
        vec![format!(
            "{} of {} image files gave no image, and {stand_in}; the first: `{}`: {reason}; `balpoe data verify` lists all",
            failures.len(),
            self.list.len(),
            self.folder.join(&*self.list.paths[position]).display()
        )]
    }
}
