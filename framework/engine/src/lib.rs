//! Runs network descriptions: memory plan and CPU kernels.

mod cpu;
