//! Our kernels on a GPU: compiled once in a process for each compute capability, loaded by each device.

use super::context::Context;
use crate::cuda::{Fault, KERNEL_FILES, KernelError, Storage};
use cudarc::driver::sys::{self, CUfunction, CUmodule};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// Loaded kernels. They are unloaded with this value, while its context is entered.
pub(super) struct Modules {
    modules: Vec<CUmodule>,
    functions: BTreeMap<&'static str, CUfunction>,
}

// SAFETY: the driver lets any thread use a module's functions.
unsafe impl Send for Modules {}

impl Modules {
    /// Compiles, if nobody has, and loads. NVRTC must have been found.
    pub(super) fn load(capability: (u32, u32), storage: Storage, context: &Context) -> Result<Self, Fault> {
        let compiled = compiled(capability, storage)
            .map_err(|error| context.fault("take the kernels", error.to_string()))?;
        let mut loaded = Self { modules: Vec::new(), functions: BTreeMap::new() };
        for (file, code) in KERNEL_FILES.iter().zip(compiled.iter()) {
            let mut module = std::ptr::null_mut();
            // SAFETY: it is machine code, or text that ends with a zero byte; the driver writes to a place that is there.
            let status = unsafe { sys::cuModuleLoadData(&raw mut module, code.as_ptr().cast()) };
            context.check(status, format_args!("load {}", file.name))?;
            loaded.modules.push(module);
            for &kernel in file.kernels {
                let name = CString::new(kernel).expect("names of kernels have no zero bytes");
                let mut function = std::ptr::null_mut();
                // SAFETY: as above.
                let status = unsafe { sys::cuModuleGetFunction(&raw mut function, module, name.as_ptr()) };
                context.check(status, format_args!("find the kernel {kernel}"))?;
                loaded.functions.insert(kernel, function);
            }
        }
        Ok(loaded)
    }

    /// A kernel.
    pub(super) fn function(&self, kernel: &'static str, context: &Context) -> Result<CUfunction, Fault> {
        let found = self.functions.get(kernel).copied();
        found.ok_or_else(|| context.fault(format_args!("find the kernel {kernel}"), "there is none"))
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        for &module in &self.modules {
            // SAFETY: loaded in `load`; whoever drops it has waited for what uses it.
            let _ = unsafe { sys::cuModuleUnload(module) };
        }
    }
}

/// Every file, compiled.
fn compiled(capability: (u32, u32), storage: Storage) -> Result<Arc<Vec<Vec<u8>>>, KernelError> {
    type Key = ((u32, u32), bool);
    static COMPILED: Mutex<BTreeMap<Key, Arc<Vec<Vec<u8>>>>> = Mutex::new(BTreeMap::new());
    let key = (capability, storage == Storage::Bf16);
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(codes) = known.get(&key) {
        return Ok(Arc::clone(codes));
    }
    let codes = KERNEL_FILES.iter().map(|file| file.compile(storage, capability));
    let codes = Arc::new(codes.collect::<Result<Vec<_>, _>>()?);
    known.insert(key, Arc::clone(&codes));
    Ok(codes)
}
