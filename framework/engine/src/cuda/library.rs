//! The shared libraries that computing on a GPU takes.

use super::functions;
use libloading::Library as Handle;
use std::fmt;
use std::path::PathBuf;

/// What a library is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibraryKind {
    /// The driver's own library.
    Driver,
    /// The compiler of our kernels.
    Nvrtc,
    /// Matrix products.
    CublasLt,
    /// Convolutions.
    Cudnn,
    /// Sums between GPUs.
    Nccl,
}

impl LibraryKind {
    /// All, the driver first.
    pub const ALL: [Self; 5] = [Self::Driver, Self::Nvrtc, Self::CublasLt, Self::Cudnn, Self::Nccl];

    /// What NVIDIA calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Nvrtc => "NVRTC",
            Self::CublasLt => "cuBLASLt",
            Self::Cudnn => "cuDNN",
            Self::Nccl => "NCCL",
        }
    }

    /// What it is needed for.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Driver => "everything on a GPU",
            Self::Nvrtc => "compiling kernels",
            Self::CublasLt => "matrix products",
            Self::Cudnn => "convolutions",
            Self::Nccl => "training on several GPUs",
        }
    }

    /// Where it comes from.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Driver => "install the NVIDIA driver, version 580 or newer",
            Self::Nvrtc => "pip install 'nvidia-cuda-nvrtc==13.0.*', and put its folder on LD_LIBRARY_PATH",
            Self::CublasLt => "pip install 'nvidia-cublas==13.*', and put its folder on LD_LIBRARY_PATH",
            Self::Cudnn => "pip install nvidia-cudnn-cu13, and put its folder on LD_LIBRARY_PATH",
            Self::Nccl => {
                "pip install nvidia-nccl-cu13, link its libnccl.so.2 as libnccl.so, and put the folder on LD_LIBRARY_PATH"
            }
        }
    }

    /// Whether one GPU needs it.
    pub fn is_needed_by_one_gpu(self) -> bool {
        self != Self::Nccl
    }

    /// Names without prefix and suffix, as `cudarc` looks for them.
    fn stems(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &["cuda", "nvcuda"],
            Self::Nvrtc => &["nvrtc"],
            Self::CublasLt => &["cublasLt"],
            Self::Cudnn => &["cudnn"],
            Self::Nccl => &["nccl"],
        }
    }
}

impl fmt::Display for LibraryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this machine has a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Which.
    pub kind: LibraryKind,
    /// Its file, or the name that the system found it by; `None` if it is missing.
    pub path: Option<PathBuf>,
    /// A function that is used and that this version of it lacks.
    pub lacks: Option<&'static str>,
}

impl Library {
    /// Looks for a library as `cudarc` will, by opening it.
    pub(super) fn find(kind: LibraryKind) -> Self {
        let names = kind.stems().iter().flat_map(|stem| cudarc::get_lib_name_candidates(stem));
        for name in names {
            // SAFETY: NVIDIA's libraries may be opened at any time; they are opened once and for all when used.
            let Ok(handle) = (unsafe { Handle::new(&name) }) else { continue };
            let path = opened_file(&name).unwrap_or_else(|| PathBuf::from(&name));
            let lacks = functions::first_missing(&handle, kind);
            // It stays open: some start threads, and opening hundreds of megabytes again takes its time.
            std::mem::forget(handle);
            return Self { kind, path: Some(path), lacks };
        }
        Self { kind, path: None, lacks: None }
    }

    /// Whether it is there, with everything that is used of it.
    pub fn is_usable(&self) -> bool {
        self.path.is_some() && self.lacks.is_none()
    }
}

/// The file behind an open library, where the system lists what a process has mapped.
fn opened_file(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    file_of(&maps, name)
}

/// Finds the file of a library in the text of `/proc/self/maps`: a version may follow the name that it was opened by.
fn file_of(maps: &str, name: &str) -> Option<PathBuf> {
    maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        let file = path.rsplit('/').next()?;
        let rest = file.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_an_open_library_is_found_with_its_version() {
        let maps = "7f01-7f02 r--p 00000000 fe:01 12   /usr/lib/libcudart.so.12\n\
                    7f02-7f03 r-xp 00000000 00:00 0\n\
                    7f03-7f04 r-xp 00001000 fe:01 13   /usr/lib/x86_64-linux-gnu/libcuda.so.580.65.06\n\
                    7f04-7f05 r--p 00000000 fe:01 14   /home/me/py env/libcudnn.so.9\n";
        let found = |name| file_of(maps, name).map(|path| path.display().to_string());
        assert_eq!(found("libcuda.so").as_deref(), Some("/usr/lib/x86_64-linux-gnu/libcuda.so.580.65.06"));
        assert_eq!(found("libcudnn.so.9").as_deref(), Some("/home/me/py env/libcudnn.so.9"));
        assert_eq!(found("libnccl.so"), None);
    }

    #[test]
    fn a_library_that_no_machine_has_is_missing_and_nothing_panics() {
        for kind in LibraryKind::ALL {
            let library = Library::find(kind);
            assert!(library.path.is_some() || (!library.is_usable() && library.lacks.is_none()));
        }
    }
}
