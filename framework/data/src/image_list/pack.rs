//! Packs: the decoded images of a list in one file, which the system maps into memory.
//!
//! A pack has the pixels that decoding gives, so results are the same with it and without; only decoding is saved. Layout, little
//! endian: 16 bytes of magic, the number of images (u64), for each image its place in the file (u64), height and width (u32; no
//! pixels for a broken file), then the pixels, `[height, width, 3]`.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use balpoe_core::components::{DataError, Image, Place, Progress};
use balpoe_core::digest::Fingerprint;
use memmap2::Mmap;

use super::dataset::ImageList;
use super::images::{ReadError, open};
use super::list::List;
use super::parallel::in_parallel;

const MAGIC: &[u8; 16] = b"balpoe pack 2\n\0\0";
const ENTRY: usize = 16;

/// An open pack.
#[derive(Debug)]
pub(super) struct Pack {
    map: Mmap,
    images: usize,
}

impl Pack {
    /// Opens a pack of so many images.
    pub(super) fn open(path: &Path, images: usize) -> std::io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: a pack is written beside its place and renamed when it is whole, and never changed after that. Another program
        // that changes it while it is mapped breaks that promise, as it would for a shared library.
        #[allow(unsafe_code, reason = "mapping a file has no safe form")]
        let map = unsafe { Mmap::map(&file)? };
        let pack = Self { map, images };
        let head = pack.map.get(..24).filter(|head| &head[..16] == MAGIC);
        let counted = head.map(|head| u64::from_le_bytes(head[16..].try_into().unwrap_or_default()));
        let fits = counted == Some(images as u64)
            && (0..images)
                .all(|position| pack.entry(position).is_some_and(|entry| pack.pixels(entry).is_some()));
        if fits { Ok(pack) } else { Err(std::io::Error::other("not a whole pack of these images")) }
    }

    /// Pixels, height and width of an image; none for a file that was broken.
    pub(super) fn image(&self, position: usize) -> Option<(&[u8], (usize, usize))> {
        let entry = self.entry(position)?;
        let pixels = self.pixels(entry)?;
        (!pixels.is_empty()).then_some((pixels, (entry.1, entry.2)))
    }

    /// Place, height and width.
    fn entry(&self, position: usize) -> Option<(usize, usize, usize)> {
        let start = MAGIC.len() + 8 + position * ENTRY;
        let entry = self.map.get(start..start + ENTRY).filter(|_| position < self.images)?;
        let place = u64::from_le_bytes(entry[..8].try_into().ok()?);
        let side = |at: usize| Some(u32::from_le_bytes(entry[at..at + 4].try_into().ok()?) as usize);
        Some((usize::try_from(place).ok()?, side(8)?, side(12)?))
    }

    fn pixels(&self, (place, height, width): (usize, usize, usize)) -> Option<&[u8]> {
        let bytes = height.checked_mul(width)?.checked_mul(3)?;
        self.map.get(place..place.checked_add(bytes)?)
    }
}

impl ImageList {
    /// Where the pack of a list is: its name is a digest of the list and of what is done to the images.
    pub(super) fn pack_path(&self, place: Place<'_>, list: &List) -> PathBuf {
        let view = self.view();
        let mut digest = Fingerprint::default();
        digest.part(list.digest().as_bytes());
        digest.part(format!("{:?} {}", view.reduce, view.upright).as_bytes());
        place.root.join("packs").join(format!("{}.pack", &digest.hex()[..16]))
    }

    /// Decodes all images and writes the packs of both lists; gives their paths. Packs that are there already are kept.
    ///
    /// # Errors
    /// If a list cannot be read or a pack not be written. Broken images are left out.
    pub fn pack(
        &self,
        place: Place<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<PathBuf>, DataError> {
        let lists = self.lists(place)?;
        let total = (lists.train.len() + lists.test.len()) as u64;
        let mut done = 0;
        let mut paths = Vec::new();
        for list in [&lists.train, &lists.test] {
            let path = self.pack_path(place, list);
            let before = done;
            if Pack::open(&path, list.len()).is_err() {
                let mut count = |images: usize| progress(Progress { done: before + images as u64, total });
                self.write_pack(place, list, &path, &mut count)
                    .map_err(|source| DataError::Io { path: path.clone(), source })?;
            }
            done += list.len() as u64;
            paths.push(path);
        }
        Ok(paths)
    }

    fn write_pack(
        &self,
        place: Place<'_>,
        list: &List,
        path: &Path,
        progress: &mut dyn FnMut(usize),
    ) -> std::io::Result<()> {
        let folder = place.root.join(&self.folder);
        let view = self.view();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let beside = path.with_extension("part");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&beside)?);
        let mut index = vec![0; list.len() * ENTRY];
        file.write_all(MAGIC)?;
        file.write_all(&(list.len() as u64).to_le_bytes())?;
        file.write_all(&index)?;
        let mut at = (MAGIC.len() + 8 + index.len()) as u64;
        let mut done = 0;
        let decode = |position: usize| -> Result<Image, ReadError> {
            view.whole(open(&folder.join(&*list.paths[position]))?)
        };
        in_parallel(list.len(), decode, |position, image| -> std::io::Result<()> {
            let image = image.unwrap_or_else(|_| Image::black(0, 0));
            let entry = &mut index[position * ENTRY..][..ENTRY];
            entry[..8].copy_from_slice(&at.to_le_bytes());
            entry[8..12].copy_from_slice(&(image.height as u32).to_le_bytes());
            entry[12..].copy_from_slice(&(image.width as u32).to_le_bytes());
            at += image.pixels.len() as u64;
            done += 1;
            progress(done);
            file.write_all(&image.pixels)
        })?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64 + 8))?;
        file.write_all(&index)?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    }
}
