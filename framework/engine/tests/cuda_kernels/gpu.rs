//! The first GPU. Never run as of this version: no GPU was there.

use crate::machine::Machine;
use balpoe_engine::cuda::{Cuda, KERNEL_FILES, Launch, Storage};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr as _, result};
use cudarc::nvrtc::Ptx;
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;

pub(crate) struct GpuMachine {
    stream: Arc<CudaStream>,
    modules: Vec<Arc<CudaModule>>,
    memory: RefCell<Vec<CudaSlice<u8>>>,
}

impl GpuMachine {
    /// `None` where there is no GPU, or a library is missing.
    pub(crate) fn open(storage: Storage) -> Option<Self> {
        let cuda = Cuda::probe();
        if cuda.obstacle().is_some() {
            return None;
        }
        let capability = cuda.gpus.ok()?.first()?.capability;
        let context = CudaContext::new(0).unwrap();
        let load = |file: &balpoe_engine::cuda::KernelFile| {
            context.load_module(Ptx::from_binary(file.compile(storage, capability).unwrap())).unwrap()
        };
        let modules = KERNEL_FILES.iter().map(load).collect();
        Some(Self { stream: context.default_stream(), modules, memory: RefCell::default() })
    }

    fn function(&self, kernel: &str) -> CudaFunction {
        let place = KERNEL_FILES.iter().position(|file| file.kernels.contains(&kernel)).unwrap();
        self.modules[place].load_function(kernel).unwrap()
    }
}

impl Machine for GpuMachine {
    fn upload(&self, bytes: &[u8]) -> u64 {
        let slice = self.stream.clone_htod(bytes).unwrap();
        let address = slice.device_ptr(&self.stream).0;
        self.memory.borrow_mut().push(slice);
        address
    }

    fn download(&self, address: u64, bytes: &mut [u8]) {
        self.stream.synchronize().unwrap();
        // SAFETY: the address is that of an upload at least as long.
        unsafe { result::memcpy_dtoh_sync(bytes, address) }.unwrap();
    }

    fn launch(&self, launch: Launch) {
        let Launch { kernel, grid, block, arguments } = launch;
        let function = self.function(kernel);
        let mut arguments: Vec<*mut c_void> =
            arguments.iter().map(|argument| argument.as_ptr().cast_mut().cast()).collect();
        // SAFETY: the test gives the arguments that the kernel takes, and memory that it may use.
        unsafe {
            let (grid, block) = (grid.into(), block.into());
            result::launch_kernel(
                function.cu_function(),
                grid,
                block,
                0,
                self.stream.cu_stream(),
                &mut arguments,
            )
            .unwrap();
        }
        self.stream.synchronize().unwrap();
    }
}
