//! The functions that are called in NVIDIA's libraries. `cudarc` panics where one is missing; so a library that lacks one
//! counts as missing, and nothing is called in it.

use super::LibraryKind;
use libloading::{Library, Symbol};

/// By the names that libraries export.
const DRIVER: &[&str] = &[
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventQuery",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuGetErrorString",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAllocHost_v2",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
    "cuStreamQuery",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
];

const NVRTC: &[&str] = &[
    "nvrtcCompileProgram",
    "nvrtcCreateProgram",
    "nvrtcDestroyProgram",
    "nvrtcGetCUBIN",
    "nvrtcGetCUBINSize",
    "nvrtcGetNumSupportedArchs",
    "nvrtcGetPTX",
    "nvrtcGetPTXSize",
    "nvrtcGetProgramLog",
    "nvrtcGetProgramLogSize",
    "nvrtcGetSupportedArchs",
];

const CUBLAS_LT: &[&str] = &[
    "cublasLtCreate",
    "cublasLtDestroy",
    "cublasLtGetStatusString",
    "cublasLtMatmul",
    "cublasLtMatmulAlgoGetHeuristic",
    "cublasLtMatmulDescCreate",
    "cublasLtMatmulDescDestroy",
    "cublasLtMatmulDescSetAttribute",
    "cublasLtMatmulPreferenceCreate",
    "cublasLtMatmulPreferenceDestroy",
    "cublasLtMatmulPreferenceSetAttribute",
    "cublasLtMatrixLayoutCreate",
    "cublasLtMatrixLayoutDestroy",
];

const CUDNN: &[&str] = &[
    "cudnnConvolutionBackwardData",
    "cudnnConvolutionBackwardFilter",
    "cudnnConvolutionForward",
    "cudnnCreate",
    "cudnnCreateConvolutionDescriptor",
    "cudnnCreateFilterDescriptor",
    "cudnnCreateTensorDescriptor",
    "cudnnDestroy",
    "cudnnDestroyConvolutionDescriptor",
    "cudnnDestroyFilterDescriptor",
    "cudnnDestroyTensorDescriptor",
    "cudnnGetConvolutionBackwardDataAlgorithm_v7",
    "cudnnGetConvolutionBackwardDataWorkspaceSize",
    "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
    "cudnnGetConvolutionBackwardFilterWorkspaceSize",
    "cudnnGetConvolutionForwardAlgorithm_v7",
    "cudnnGetConvolutionForwardWorkspaceSize",
    "cudnnGetErrorString",
    "cudnnSetConvolution2dDescriptor",
    "cudnnSetConvolutionGroupCount",
    "cudnnSetConvolutionMathType",
    "cudnnSetFilter4dDescriptor",
    "cudnnSetStream",
    "cudnnSetTensor4dDescriptor",
];

const NCCL: &[&str] = &["ncclAllReduce", "ncclCommAbort", "ncclCommInitAll", "ncclGetErrorString"];

/// What is called in a library.
pub(super) fn of(kind: LibraryKind) -> &'static [&'static str] {
    match kind {
        LibraryKind::Driver => DRIVER,
        LibraryKind::Nvrtc => NVRTC,
        LibraryKind::CublasLt => CUBLAS_LT,
        LibraryKind::Cudnn => CUDNN,
        LibraryKind::Nccl => NCCL,
    }
}

/// A function that an open library lacks.
pub(super) fn first_missing(library: &Library, kind: LibraryKind) -> Option<&'static str> {
    let is_missing = |name: &&str| {
        // SAFETY: the address is looked up and not used.
        let found: Result<Symbol<'_, *const ()>, _> = unsafe { library.get(name.as_bytes()) };
        found.is_err()
    };
    of(kind).iter().copied().find(is_missing)
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "tests say what they skip")]
mod tests {
    use super::*;
    use crate::cuda::Cuda;
    use std::path::Path;

    /// Functions that are named in a text behind one of the modules that `cudarc` has them in.
    fn named_in(text: &str) -> Vec<&str> {
        let tested = text.find("#[cfg(test)]").unwrap_or(text.len());
        let behind = ["sys::", "driver::", "cudnn::", "cublaslt::", "nccl::"];
        let starts = behind.iter().flat_map(|module| text[..tested].match_indices(module));
        let names = starts.map(|(start, module)| {
            let rest = &text[start + module.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        });
        let is_function = |name: &&str| {
            let prefix =
                ["cudnn", "cublasLt", "nccl", "cu"].into_iter().find(|prefix| name.starts_with(prefix));
            let rest = prefix.and_then(|prefix| name.strip_prefix(prefix));
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
                && !name.ends_with("_t")
        };
        names.filter(is_function).collect()
    }

    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, texts);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_function_that_is_called_is_looked_for_first() {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda"), &mut texts);
        let called: Vec<&str> = texts.iter().flat_map(|text| named_in(text)).collect();
        assert!(called.len() > 60, "{called:?}");
        let listed: Vec<&str> = LibraryKind::ALL.into_iter().flat_map(of).copied().collect();
        for function in called {
            assert!(listed.contains(&function), "{function} is not listed");
        }
    }

    #[test]
    fn libraries_of_this_machine_have_what_is_called() {
        for library in Cuda::probe().libraries {
            if library.path.is_none() {
                println!("skipped: {} is not installed", library.kind);
            }
            assert_eq!(library.lacks, None, "{}", library.kind);
        }
    }
}
