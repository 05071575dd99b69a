//! Our kernels, compiled for the processor.

use balpoe_engine::cuda::{KERNEL_FILES, Launch, Storage};
use libloading::{Library, Symbol};
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

type Entry = unsafe extern "C" fn(*const u32, *const u32, *mut *mut c_void);

const FLAGS: [&str; 12] = [
    "-std=c++17",
    "-O2",
    "-Wall",
    "-Wno-unused-function",
    "-Wno-unknown-pragmas",
    "-ffp-contract=off",
    "-fsanitize=alignment",
    "-fsanitize-undefined-trap-on-error", // without a library of the sanitizer's
    "-U_FORTIFY_SOURCE",                  // it takes coroutines for a damaged stack
    "-shared",
    "-fPIC",
    "-o",
];

/// All kernels, for one way of storing feature maps.
pub(crate) struct Kernels {
    library: Library,
}

impl Kernels {
    /// `None` where there is no compiler, or `BALPOE_EMULATION` is `off`.
    ///
    /// # Panics
    /// If the kernels do not compile.
    pub(crate) fn get(storage: Storage) -> Option<&'static Self> {
        static LIBRARIES: [OnceLock<Option<Kernels>>; 2] = [OnceLock::new(), OnceLock::new()];
        LIBRARIES[usize::from(storage == Storage::Bf16)].get_or_init(|| Self::compile(storage)).as_ref()
    }

    fn compile(storage: Storage) -> Option<Self> {
        // On a machine that was lent for its GPU, time is not for the emulation.
        if std::env::var_os("BALPOE_EMULATION").is_some_and(|wish| wish == "off") {
            return None;
        }
        if !Command::new("g++").arg("--version").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let path = library(&source(storage));
        // SAFETY: our own library, without initialisers that do anything.
        Some(Self { library: unsafe { Library::new(&path) }.expect("what was compiled can be opened") })
    }

    /// How many parameters a kernel has, if there is such a kernel.
    pub(crate) fn parameters(&self, kernel: &str) -> Option<usize> {
        // SAFETY: every kernel has such an entry, of this type.
        unsafe {
            let name = format!("parameters_{kernel}");
            let count: Symbol<'_, unsafe extern "C" fn() -> u32> = self.library.get(name.as_bytes()).ok()?;
            Some(count() as usize)
        }
    }

    /// Runs a kernel to its end.
    pub(crate) fn launch(&self, launch: &Launch) {
        // The emulation has one set of global variables.
        static TURN: Mutex<()> = Mutex::new(());
        let mut pointers: Vec<*mut c_void> =
            launch.arguments.iter().map(|argument| argument.as_ptr().cast_mut().cast()).collect();
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("emulate_{}", launch.kernel);
        // SAFETY: every kernel has such an entry, of this type; their number was checked when the launch was prepared, and
        // that their values are what the kernel takes is what is tested.
        unsafe {
            let entry: Symbol<'_, Entry> = self.library.get(name.as_bytes()).expect("it was prepared");
            entry(launch.grid.as_ptr(), launch.block.as_ptr(), pointers.as_mut_ptr());
        }
    }
}

/// All kernels as one C++ file.
fn source(storage: Storage) -> String {
    let mut text = include_str!("emulation.hpp").to_owned();
    for (i, file) in KERNEL_FILES.iter().enumerate() {
        let source = file.source(storage);
        // The prelude comes with every file and is wanted once.
        let own = source.find("#line 1").filter(|_| i > 0).unwrap_or(0);
        text += &source[own..];
    }
    for kernel in KERNEL_FILES.iter().flat_map(|file| file.kernels) {
        text += &format!("EMULATE({kernel})\n");
    }
    text
}

/// The library of a source, kept between processes, each of which may run one test only.
fn library(source: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (source, FLAGS).hash(&mut hasher);
    let kept = std::env::temp_dir().join(format!("balpoe-kernels-{:016x}.so", hasher.finish()));
    if !kept.exists() {
        build(source, &kept);
    }
    kept
}

fn build(source: &str, target: &Path) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (text, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    std::fs::write(&text, source).expect("a file can be written");
    let output = Command::new("g++").args(FLAGS).arg(&library).arg(&text).output().expect("g++ runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Renamed within its file system, so that another process finds all of it or nothing.
    let beside = target.with_extension(format!("{}.new", std::process::id()));
    std::fs::copy(&library, &beside).expect("a file can be written");
    std::fs::rename(&beside, target).expect("a file can be renamed");
}
