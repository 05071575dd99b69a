//! NVRTC, the compiler of our kernels. Its library must have been found before anything here is called.

use cudarc::nvrtc::result::{self, NvrtcError};
use cudarc::nvrtc::sys::{self, nvrtcProgram};
use std::ffi::CString;

/// What a text is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Machine code of a generation of GPUs. A driver takes it however new the compiler is, where the text in between (PTX) of a
    /// newer compiler is refused (CUDA C++ Best Practices Guide, "Dynamic code generation").
    MachineCode(u32),
    /// For GPUs newer than the compiler: the text in between for the newest that it knows, which the driver translates.
    Ptx(u32),
}

impl Target {
    /// For a compute capability such as `(9, 0)`, with a compiler that knows these (90 stands for `(9, 0)`).
    pub(super) fn choose(capability: (u32, u32), known: &[u32]) -> Option<Self> {
        let wanted = capability.0 * 10 + capability.1;
        if known.contains(&wanted) {
            return Some(Self::MachineCode(wanted));
        }
        known.iter().copied().filter(|&known| known < wanted).max().map(Self::Ptx)
    }

    /// As the compiler calls it.
    pub(super) fn architecture(self) -> String {
        match self {
            Self::MachineCode(capability) => format!("sm_{capability}"),
            Self::Ptx(capability) => format!("compute_{capability}"),
        }
    }
}

/// The compute capabilities that the compiler knows; 90 stands for `(9, 0)`.
pub(super) fn known_capabilities() -> Result<Vec<u32>, String> {
    let mut count = 0;
    // SAFETY: the library writes to a place that is there.
    done(unsafe { sys::nvrtcGetNumSupportedArchs(&raw mut count) }.result())?;
    let mut known = vec![0i32; count.max(0) as usize];
    // SAFETY: there is room for as many as the library has counted.
    done(unsafe { sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) }.result())?;
    Ok(known.into_iter().filter_map(|capability| u32::try_from(capability).ok()).collect())
}

/// Compiles a text to what `cuModuleLoadData` takes.
pub(super) fn compile(source: &str, target: Target) -> Result<Vec<u8>, String> {
    let source = CString::new(source).map_err(|error| error.to_string())?;
    let program = Program(done(result::create_program(&source, None))?);
    let options = [format!("--gpu-architecture={}", target.architecture())];
    // SAFETY: the program was made above, and is destroyed with its value.
    unsafe {
        if let Err(error) = result::compile_program(program.0, &options) {
            let log = result::get_program_log(program.0).unwrap_or_default();
            let log: Vec<u8> = log.into_iter().map(i8::cast_unsigned).take_while(|&byte| byte != 0).collect();
            return Err(format!("{error}: {}", String::from_utf8_lossy(&log).trim_end()));
        }
        match target {
            Target::MachineCode(_) => {
                let mut size = 0;
                done(sys::nvrtcGetCUBINSize(program.0, &raw mut size).result())?;
                let mut code = vec![0u8; size];
                done(sys::nvrtcGetCUBIN(program.0, code.as_mut_ptr().cast()).result())?;
                Ok(code)
            }
            // The text ends with a zero byte.
            Target::Ptx(_) => {
                done(result::get_ptx(program.0)).map(|text| text.into_iter().map(i8::cast_unsigned).collect())
            }
        }
    }
}

/// A program of the compiler's. It is destroyed with its value.
struct Program(nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by the compiler, and nobody else's.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn done<T>(result: Result<T, NvrtcError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_newer_than_the_compiler_gets_what_its_driver_translates() {
        let known = [75, 80, 86, 89, 90, 100, 103, 120];
        assert_eq!(Target::choose((9, 0), &known), Some(Target::MachineCode(90)));
        assert_eq!(Target::choose((10, 3), &known), Some(Target::MachineCode(103)));
        assert_eq!(Target::choose((12, 1), &known), Some(Target::Ptx(120)));
        assert_eq!(Target::choose((8, 7), &known), Some(Target::Ptx(86)));
        assert_eq!(Target::choose((7, 0), &known), None);
        assert_eq!(Target::MachineCode(90).architecture(), "sm_90");
        assert_eq!(Target::Ptx(120).architecture(), "compute_120");
    }
}
