//! What the functions of NVIDIA's libraries return.

use cudarc::cublaslt::sys::{self as cublaslt, cublasStatus_t};
use cudarc::cudnn::sys::{self as cudnn, cudnnStatus_t};
use cudarc::driver::sys::{self as driver, CUresult};
use cudarc::nccl::sys::{self as nccl, ncclResult_t};
use std::ffi::{CStr, c_char};
use std::fmt;

/// What a function returns to say whether it did what it was asked.
pub(super) trait Status: Copy + fmt::Debug {
    /// What it says, unless all went well.
    fn refusal(self) -> Option<String>;
}

impl Status for CUresult {
    fn refusal(self) -> Option<String> {
        let mut pointer = std::ptr::null();
        // SAFETY: the driver writes the address of a text that stays, or leaves the null pointer.
        let text = || unsafe {
            driver::cuGetErrorString(self, &raw mut pointer);
            text_at(pointer)
        };
        (self != Self::CUDA_SUCCESS).then(text).map(|text| named(self, text))
    }
}

impl Status for cudnnStatus_t {
    fn refusal(self) -> Option<String> {
        // SAFETY: the library gives the address of a text that stays.
        let text = || unsafe { text_at(cudnn::cudnnGetErrorString(self)) };
        (self != Self::CUDNN_STATUS_SUCCESS).then(text).map(|text| named(self, text))
    }
}

impl Status for cublasStatus_t {
    fn refusal(self) -> Option<String> {
        // SAFETY: the library gives the address of a text that stays.
        let text = || unsafe { text_at(cublaslt::cublasLtGetStatusString(self)) };
        (self != Self::CUBLAS_STATUS_SUCCESS).then(text).map(|text| named(self, text))
    }
}

impl Status for ncclResult_t {
    fn refusal(self) -> Option<String> {
        // SAFETY: the library gives the address of a text that stays.
        let text = || unsafe { text_at(nccl::ncclGetErrorString(self)) };
        (self != Self::ncclSuccess).then(text).map(|text| named(self, text))
    }
}

/// A text of a library.
///
/// # Safety
/// The pointer must be null or that of a text that ends with a zero byte.
unsafe fn text_at(pointer: *const c_char) -> Option<String> {
    // SAFETY: the caller's word.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// What the library says; the status by its name where it says nothing but that.
fn named(status: impl fmt::Debug, text: Option<String>) -> String {
    text.unwrap_or_else(|| format!("{status:?}"))
}
