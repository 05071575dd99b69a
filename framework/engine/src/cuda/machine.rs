//! The GPUs of this machine.

use super::library::{Library, LibraryKind};
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{DriverError, result as driver};
use std::fmt;

/// A GPU as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuProperties {
    /// Its number, as in `cuda:0`.
    pub ordinal: usize,
    /// The product's name.
    pub name: String,
    /// Compute capability, such as `(9, 0)`.
    pub capability: (u32, u32),
    /// Bytes of memory.
    pub memory: usize,
}

impl fmt::Display for GpuProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        let memory = self.memory as f64 / f64::from(1 << 30);
        write!(f, "{}, {memory:.0} GiB, compute capability {major}.{minor}", self.name)
    }
}

/// What this machine has of CUDA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuda {
    /// Every library of [`LibraryKind::ALL`].
    pub libraries: Vec<Library>,
    /// The devices, or what the driver said instead; none where there is no driver.
    pub gpus: Result<Vec<GpuProperties>, String>,
}

impl Cuda {
    /// Looks for libraries and devices. Takes no memory on any GPU.
    pub fn probe() -> Self {
        let libraries: Vec<Library> = LibraryKind::ALL.into_iter().map(Library::find).collect();
        let has_driver =
            libraries.iter().any(|library| library.kind == LibraryKind::Driver && library.is_usable());
        let gpus = if has_driver { gpus().map_err(text) } else { Ok(Vec::new()) };
        Self { libraries, gpus }
    }

    /// Whether a library is there, with everything that is used of it.
    pub fn has(&self, kind: LibraryKind) -> bool {
        self.libraries.iter().any(|library| library.kind == kind && library.is_usable())
    }

    /// Why no GPU can be used, if none can.
    pub fn obstacle(&self) -> Option<String> {
        let needed = || self.libraries.iter().filter(|library| library.kind.is_needed_by_one_gpu());
        let missing: Vec<&str> =
            needed().filter(|library| library.path.is_none()).map(|library| library.kind.name()).collect();
        let lacking = needed().find_map(|library| Some((library.kind, library.lacks?)));
        if missing.contains(&LibraryKind::Driver.name()) {
            return Some("no NVIDIA driver library (libcuda.so.1) was found".into());
        }
        match &self.gpus {
            Err(reason) => return Some(format!("the NVIDIA driver cannot be used: {reason}")),
            Ok(_) if self.has(LibraryKind::Driver) && self.gpus.iter().flatten().next().is_none() => {
                return Some("the NVIDIA driver found no GPU".into());
            }
            Ok(_) => {}
        }
        if !missing.is_empty() {
            let (is, them) = if missing.len() == 1 { ("is", "it") } else { ("are", "them") };
            return Some(format!(
                "{} {is} missing; `balpoe doctor` says how to get {them}",
                missing.join(", ")
            ));
        }
        lacking.map(|(library, function)| {
            let article = if library == LibraryKind::Driver { "the NVIDIA " } else { "" };
            format!(
                "{article}{library} has no {function}; `balpoe doctor` says how to get a version that has it"
            )
        })
    }
}

/// Asks the driver, whose library must be there.
fn gpus() -> Result<Vec<GpuProperties>, DriverError> {
    let none = cudarc::driver::sys::CUresult::CUDA_ERROR_NO_DEVICE;
    match driver::init() {
        Err(error) if error.0 == none => return Ok(Vec::new()),
        result => result?,
    }
    let count = driver::device::get_count()?;
    let mut gpus = Vec::new();
    for ordinal in 0..count {
        let device = driver::device::get(ordinal)?;
        // SAFETY: the driver has just named the device.
        let attribute = |attribute| unsafe { driver::device::get_attribute(device, attribute) };
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        gpus.push(GpuProperties {
            ordinal: ordinal as usize,
            name: driver::device::get_name(device)?,
            capability: (major as u32, minor as u32),
            // SAFETY: as above.
            memory: unsafe { driver::device::total_mem(device)? },
        });
    }
    Ok(gpus)
}

/// What the driver says about an error.
fn text(error: DriverError) -> String {
    let text = error.error_string().map(|text| text.to_string_lossy().into_owned());
    text.unwrap_or_else(|_| format!("{:?}", error.0))
}
