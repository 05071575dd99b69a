//! A GPU as the driver knows it.

use super::status::Status;
use crate::cuda::Fault;
use cudarc::driver::sys::{self, CUcontext, CUdevice};
use std::fmt;

/// The context of a GPU that all parts of the process share, and the GPU's name for messages. It stays open as long as the
/// process: the last to release it would reset it, and every library would load its kernels again for the next cell.
pub(super) struct Context {
    name: String,
    handle: CUcontext,
}

// SAFETY: the driver lets any thread use a context, one after the other or at the same time.
unsafe impl Send for Context {}

impl Context {
    /// Opens a GPU. The driver must have been found.
    pub(super) fn open(ordinal: usize, name: String) -> Result<Self, Fault> {
        let mut context = Self { name, handle: std::ptr::null_mut() };
        let mut device: CUdevice = 0;
        let handle = &raw mut context.handle;
        // SAFETY: the driver writes to places that are there.
        unsafe {
            context.check(sys::cuInit(0), "start the driver")?;
            context.check(sys::cuDeviceGet(&raw mut device, ordinal as i32), "open the device")?;
            context.check(sys::cuDevicePrimaryCtxRetain(handle, device), "open a context")?;
        }
        context.enter()?;
        Ok(context)
    }

    /// Makes what this thread asks of the driver concern this GPU.
    pub(super) fn enter(&self) -> Result<(), Fault> {
        // SAFETY: the context stays open.
        self.check(unsafe { sys::cuCtxSetCurrent(self.handle) }, "enter the context")
    }

    /// A text for people, such as `cuda:0 (NVIDIA H200)`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Turns a status into a fault that names the device and the action, a fragment such as "copy 12 bytes".
    pub(super) fn check(&self, status: impl Status, action: impl fmt::Display) -> Result<(), Fault> {
        match status.refusal() {
            None => Ok(()),
            Some(message) => Err(self.fault(action, message)),
        }
    }

    /// A fault of this device.
    pub(super) fn fault(&self, action: impl fmt::Display, message: impl Into<String>) -> Fault {
        Fault::Failed { device: self.name.clone(), action: action.to_string(), message: message.into() }
    }
}
