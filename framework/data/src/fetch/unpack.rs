//! Unpacking archives, and refusing those that reach outside their folder.

use std::fs::File;
use std::io::BufReader;
use std::path::{Component, Path};

use balpoe_core::components::DataError;
use flate2::read::GzDecoder;
use tar::EntryType;

use super::failed;

/// Unpacks the files of a gzip-compressed tar, which must all lie directly in `folder`, into `root/folder`.
///
/// They are written beside it first and then moved, so that an interrupted unpacking leaves no half-written file there.
pub(super) fn unpack(archive: &Path, folder: &str, root: &Path) -> Result<(), DataError> {
    let partial = root.join(format!("{folder}.partial"));
    let _ = std::fs::remove_dir_all(&partial);
    std::fs::create_dir_all(&partial).map_err(failed(&partial))?;
    let outcome = extract(archive, folder, &partial).and_then(|()| move_files(&partial, &root.join(folder)));
    let _ = std::fs::remove_dir_all(&partial);
    outcome
}

fn extract(archive: &Path, folder: &str, partial: &Path) -> Result<(), DataError> {
    let file = BufReader::new(File::open(archive).map_err(failed(archive))?);
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries().map_err(failed(archive))? {
        let mut entry = entry.map_err(failed(archive))?;
        let path = entry.path().map_err(failed(archive))?.into_owned();
        let parts: Vec<Component<'_>> = path.components().filter(|part| *part != Component::CurDir).collect();
        match (entry.header().entry_type(), parts.as_slice()) {
            (EntryType::Directory, [Component::Normal(first)]) if *first == folder => {}
            (EntryType::Regular, [Component::Normal(first), Component::Normal(name)]) if *first == folder => {
                let target = partial.join(name);
                let mut file = File::create(&target).map_err(failed(&target))?;
                std::io::copy(&mut entry, &mut file).map_err(failed(&target))?;
            }
            (kind, _) => {
                return Err(DataError::Other(format!(
                    "`{}` holds `{}` ({kind:?}), expected only plain files in `{folder}`; it is not the official archive: \
                     remove it",
                    archive.display(),
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

fn move_files(from: &Path, to: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(to).map_err(failed(to))?;
    for entry in std::fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let target = to.join(entry.file_name());
        std::fs::rename(entry.path(), &target).map_err(failed(&target))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// An archive with one entry, whose name is written as it stands.
    fn archive(root: &Path, name: &str, kind: EntryType) -> std::path::PathBuf {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        let content: &[u8] = if kind == EntryType::Regular { b"content" } else { b"" };
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind == EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, content).unwrap();
        let path = root.join("archive.tar.gz");
        let mut gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap();
        path
    }

    #[test]
    fn only_plain_files_inside_the_folder_are_taken() {
        for (name, kind) in [
            ("/set/file", EntryType::Regular),
            ("set/../../file", EntryType::Regular),
            ("../set/file", EntryType::Regular),
            ("other/file", EntryType::Regular),
            ("file", EntryType::Regular),
            ("set/link", EntryType::Symlink),
            ("set/link", EntryType::Link),
            ("set/deeper", EntryType::Directory),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = archive(root.path(), name, kind);
            let error = unpack(&path, "set", root.path()).unwrap_err().to_string();
            assert!(error.contains("expected only plain files in `set`"), "{name}: {error}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "{name} left something behind");
        }
    }

    #[test]
    fn files_replace_those_of_the_same_name_and_leave_others() {
        let root = tempfile::tempdir().unwrap();
        let set = root.path().join("set");
        std::fs::create_dir(&set).unwrap();
        std::fs::write(set.join("file"), "old").unwrap();
        std::fs::write(set.join("mine"), "kept").unwrap();
        unpack(&archive(root.path(), "set/file", EntryType::Regular), "set", root.path()).unwrap();
        assert_eq!(std::fs::read_to_string(set.join("file")).unwrap(), "content");
        assert_eq!(std::fs::read_to_string(set.join("mine")).unwrap(), "kept");
    }

    #[test]
    fn a_cut_archive_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let path = archive(root.path(), "set/file", EntryType::Regular);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(unpack(&path, "set", root.path()).is_err());
        assert!(!root.path().join("set").exists());
    }
}
