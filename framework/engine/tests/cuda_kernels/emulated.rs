//! Kernels in an emulation of blocks and threads on the processor.

use crate::machine::Machine;
use balpoe_emulation::EmulatedGpu;
use balpoe_engine::cuda::{Address, Command, Device as _, Launch, Storage};
use std::cell::RefCell;

pub(crate) struct Emulated {
    gpu: EmulatedGpu,
    memory: RefCell<Vec<Address>>,
}

impl Emulated {
    /// `None` where there is no compiler.
    pub(crate) fn build(storage: Storage) -> Option<Self> {
        let gpu = EmulatedGpu::group(1, storage)?.remove(0);
        Some(Self { gpu, memory: RefCell::default() })
    }
}

impl Machine for Emulated {
    fn upload(&self, bytes: &[u8]) -> u64 {
        let address = self.gpu.allocate(bytes.len()).unwrap();
        self.gpu.upload(bytes, address).unwrap();
        self.memory.borrow_mut().push(address);
        address.0
    }

    fn download(&self, address: u64, bytes: &mut [u8]) {
        self.gpu.download(Address(address), bytes).unwrap();
    }

    fn launch(&self, launch: Launch) {
        self.gpu.prepare(vec![Command::Launch(launch)]).unwrap().run().unwrap();
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // This shows whether a kernel wrote behind an array.
        self.memory.borrow().iter().for_each(|&address| self.gpu.release(address));
    }
}
