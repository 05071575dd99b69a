//! Kernels compiled for the processor, with blocks and threads emulated.

use crate::machine::Machine;
use balpoe_engine::cuda::{KERNEL_FILES, Storage};
use libloading::{Library, Symbol};
use std::cell::RefCell;
use std::ffi::c_void;
use std::process::Command;
use std::sync::OnceLock;

type Entry = unsafe extern "C" fn(*const u32, *const u32, *mut *mut c_void);

pub(crate) struct Emulated {
    library: &'static Library,
    /// What was uploaded, aligned for any type.
    memory: RefCell<Vec<Vec<u64>>>,
}

impl Emulated {
    /// `None` where there is no compiler.
    pub(crate) fn build(storage: Storage) -> Option<Self> {
        static LIBRARIES: [OnceLock<Option<Library>>; 2] = [OnceLock::new(), OnceLock::new()];
        let library =
            LIBRARIES[usize::from(storage == Storage::Bf16)].get_or_init(|| compile(storage)).as_ref()?;
        Some(Self { library, memory: RefCell::default() })
    }
}

fn compile(storage: Storage) -> Option<Library> {
    if !Command::new("g++").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
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
    let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    std::fs::write(&source, text).unwrap();
    let mut compiler = Command::new("g++");
    compiler.args([
        "-std=c++17",
        "-O1",
        "-Wall",
        "-Wno-unused-function",
        "-ffp-contract=off",
        "-shared",
        "-fPIC",
        "-o",
    ]);
    let output = compiler.arg(&library).arg(&source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // SAFETY: our own library, without initialisers that do anything.
    Some(unsafe { Library::new(&library) }.unwrap())
}

impl Machine for Emulated {
    fn upload(&self, bytes: &[u8]) -> u64 {
        let mut words = vec![0u64; bytes.len().div_ceil(8).max(1)];
        // SAFETY: the words have room for the bytes.
        unsafe { words.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        let address = words.as_mut_ptr() as u64;
        self.memory.borrow_mut().push(words);
        address
    }

    fn download(&self, address: u64, bytes: &mut [u8]) {
        // SAFETY: the address is that of an upload at least as long.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(address as *const u8, bytes.len()) };
    }

    fn launch(&self, kernel: &str, grid: [u32; 3], block: [u32; 3], arguments: &mut [*mut c_void]) {
        // The emulator has one set of global variables for all tests.
        static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = format!("emulate_{kernel}");
        // SAFETY: every kernel has such an entry, of this type; the test gives the arguments that it takes.
        unsafe {
            let entry: Symbol<'_, Entry> = self.library.get(name.as_bytes()).unwrap();
            entry(grid.as_ptr(), block.as_ptr(), arguments.as_mut_ptr());
        }
    }
}
