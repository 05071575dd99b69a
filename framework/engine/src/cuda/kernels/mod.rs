//! Our kernels: CUDA C++ as text, compiled by NVRTC on the machine that runs it, with no header.
//!
//! They are held against plain references by tests that run them in an emulation of blocks and threads on the processor, and
//! on a GPU where there is one. As of this version they have never run on a GPU.

mod compiler;

use compiler::Target;
use thiserror::Error;

/// How feature maps are stored; arithmetic is in `f32` either way, sums over many values in `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32 bits.
    F32,
    /// The upper half of an `f32`.
    Bf16,
}

/// A source file and the kernels in it.
#[derive(Clone, Copy, Debug)]
pub struct KernelFile {
    /// Name of the file.
    pub name: &'static str,
    text: &'static str,
    /// Its entry points.
    pub kernels: &'static [&'static str],
}

/// What stands in front of every file.
const PRELUDE: &str = include_str!("prelude.cu");

/// All files.
pub const KERNEL_FILES: [KernelFile; 8] = [
    KernelFile {
        name: "batch_norm.cu",
        text: include_str!("batch_norm.cu"),
        kernels: &[
            "moments",
            "moments_wide",
            "gradient_moments",
            "gradient_moments_wide",
            "sum_chunks",
            "batch_norm_coefficients",
            "batch_norm_coefficients_of_chunks",
            "running_coefficients",
            "batch_norm_gradient_coefficients",
            "batch_norm_gradient_coefficients_of_chunks",
        ],
    },
    KernelFile {
        name: "sums.cu",
        text: include_str!("sums.cu"),
        kernels: &[
            "sum_forward",
            "sum_forward_wide",
            "sum_backward",
            "sum_backward_wide",
            "sum_backward_moments",
            "sum_backward_moments_wide",
        ],
    },
    KernelFile {
        name: "pooling.cu",
        text: include_str!("pooling.cu"),
        kernels: &[
            "max_forward",
            "max_backward",
            "max_forward_large",
            "max_backward_large",
            "average_forward",
            "average_backward",
        ],
    },
    KernelFile {
        name: "heads.cu",
        text: include_str!("heads.cu"),
        kernels: &["unit_rows", "unit_columns", "project_rows", "project_columns"],
    },
    KernelFile {
        name: "bias.cu",
        text: include_str!("bias.cu"),
        kernels: &["add_bias", "bias_gradient", "add_map_bias", "map_bias_gradient"],
    },
    KernelFile {
        name: "loss.cu",
        text: include_str!("loss.cu"),
        kernels: &["logit_adjusted_cross_entropy", "mixed_correct", "step_outcome"],
    },
    KernelFile { name: "input.cu", text: include_str!("input.cu"), kernels: &["view_images"] },
    KernelFile {
        name: "update.cu",
        text: include_str!("update.cu"),
        kernels: &["sgd", "to_real", "to_float"],
    },
];

/// Why a file of kernels was not compiled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("cannot compile {file} for {architecture}: {message}")]
pub struct KernelError {
    /// Name of the file.
    pub file: &'static str,
    /// The architecture.
    pub architecture: String,
    /// What the compiler said.
    pub message: String,
}

impl KernelFile {
    /// What the compiler reads.
    pub fn source(&self, storage: Storage) -> String {
        let definition = match storage {
            Storage::F32 => "",
            Storage::Bf16 => "#define BF16\n",
        };
        format!("{definition}{PRELUDE}\n#line 1 \"{}\"\n{}", self.name, self.text)
    }

    /// Compiles the file for a compute capability such as `(9, 0)`, to what the driver loads: machine code, or PTX where the
    /// compiler does not know so new a GPU. NVRTC's library must have been found.
    ///
    /// # Errors
    /// If the compiler refuses, or every GPU that it knows is newer.
    pub fn compile(&self, storage: Storage, capability: (u32, u32)) -> Result<Vec<u8>, KernelError> {
        let (major, minor) = capability;
        let refused =
            |architecture: String| move |message| KernelError { file: self.name, architecture, message };
        let wanted = format!("compute capability {major}.{minor}");
        let known = compiler::known_capabilities().map_err(refused(wanted.clone()))?;
        let target = Target::choose(capability, &known)
            .ok_or_else(|| "this version of NVRTC knows newer GPUs only; install an older one".to_owned())
            .map_err(refused(wanted))?;
        compiler::compile(&self.source(storage), target).map_err(refused(target.architecture()))
    }
}
