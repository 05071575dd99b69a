//! Every CUDA kernel against a plain reference, on whatever can run it: an emulation on the processor (where there is a C++
//! compiler), and the first GPU (where there is one). And every kernel through NVRTC, where that is installed.

#![expect(unsafe_code, reason = "kernels are called through pointers")]
#![expect(clippy::print_stdout, reason = "tests say what they skip")]
#![cfg(target_os = "linux")]

mod batch_norm;
mod bias;
mod emulated;
mod gpu;
mod heads;
mod input;
mod loss;
mod machine;
mod pooling;
mod sums;
mod update;

use balpoe_engine::cuda::{Cuda, KERNEL_FILES, LibraryKind, Storage};

/// The kernels in a file of machine code, sorted: each has a section of its own.
fn kernels_in(code: &[u8]) -> Vec<&str> {
    let names = code.split(|&byte| byte == 0).filter_map(|text| text.strip_prefix(b".text."));
    let mut names: Vec<&str> = names.filter_map(|name| std::str::from_utf8(name).ok()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn every_file_compiles_for_every_generation() {
    let found = Cuda::probe()
        .libraries
        .into_iter()
        .any(|library| library.kind == LibraryKind::Nvrtc && library.is_usable());
    if !found {
        println!("skipped: NVRTC is not installed (pip install 'nvidia-cuda-nvrtc==13.0.*')");
        return;
    }
    for file in KERNEL_FILES {
        for storage in [Storage::F32, Storage::Bf16] {
            // Ampere, Ada, Hopper, Blackwell.
            for capability in [(8, 0), (8, 9), (9, 0), (10, 0)] {
                let code = file.compile(storage, capability).unwrap();
                let mut expected = file.kernels.to_vec();
                expected.sort_unstable();
                assert_eq!(kernels_in(&code), expected, "{} lists its kernels", file.name);
            }
        }
    }
}
