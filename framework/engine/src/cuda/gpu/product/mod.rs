//! Matrix products by cuBLASLt.

mod layout;
mod objects;

use super::context::Context;
use super::stream::Stream;
use crate::cuda::{Address, Fault, Precision, Product};
use cudarc::cublaslt::sys::{self, cublasLtHandle_t, cublasLtMatmulAlgo_t};
use layout::ColumnMajor;
use objects::{Objects, best_algorithm};
use std::ffi::c_void;

/// cuBLASLt. It is closed with its value, while its context is entered.
pub(super) struct CublasLt(cublasLtHandle_t);

// SAFETY: the library's documentation lets any thread use a handle.
unsafe impl Send for CublasLt {}

impl CublasLt {
    /// Opens the library, which must have been found.
    pub(super) fn open(context: &Context) -> Result<Self, Fault> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library writes to a place that is there.
        context.check(unsafe { sys::cublasLtCreate(&raw mut handle) }, "open cuBLASLt")?;
        Ok(Self(handle))
    }

    /// Describes a product to cuBLASLt and takes the algorithm that it suggests.
    pub(super) fn prepare(
        &self,
        product: &Product,
        precision: Precision,
        context: &Context,
    ) -> Result<PreparedProduct, Fault> {
        let refused = |message: String| context.fault(describe(product), message);
        let layout = ColumnMajor::of(product);
        let objects = Objects::new(&layout, precision).map_err(refused)?;
        let (algorithm, workspace) = best_algorithm(self.0, &layout, &objects).map_err(refused)?;
        Ok(PreparedProduct { product: *product, layout, objects, algorithm, workspace })
    }
}

impl Drop for CublasLt {
    fn drop(&mut self) {
        // SAFETY: opened in `open`.
        let _ = unsafe { sys::cublasLtDestroy(self.0) };
    }
}

/// A product that cuBLASLt is ready to compute.
pub(super) struct PreparedProduct {
    product: Product,
    layout: ColumnMajor,
    objects: Objects,
    algorithm: cublasLtMatmulAlgo_t,
    workspace: usize,
}

impl PreparedProduct {
    /// Bytes of memory that it needs beside its matrices.
    pub(super) fn workspace(&self) -> usize {
        self.workspace
    }

    /// Begins it.
    pub(super) fn issue(
        &self,
        cublas: &CublasLt,
        workspace: Address,
        stream: &Stream,
        context: &Context,
    ) -> Result<(), Fault> {
        let place = |address: Address| address.0 as *mut c_void;
        let ColumnMajor { first, second, result } = &self.layout;
        let Objects { operation, first: a, second: b, result: c } = &self.objects;
        let (factor, zero) = (&raw const self.product.factor, 0.0f32);
        let target = place(result.address);
        // SAFETY: the objects say how the matrices lie in memory, which the command's author vouches for; the workspace has
        // as many bytes as the algorithm wants.
        let status = unsafe {
            sys::cublasLtMatmul(
                cublas.0,
                operation.0,
                factor.cast(),
                place(first.address),
                a.0,
                place(second.address),
                b.0,
                (&raw const zero).cast(),
                target,
                c.0,
                target,
                c.0,
                &raw const self.algorithm,
                place(workspace),
                self.workspace,
                stream.handle().cast(),
            )
        };
        context.check(status, format_args!("{}", describe(&self.product)))
    }
}

/// What is asked of cuBLASLt, for messages.
fn describe(product: &Product) -> String {
    let Product { rows, columns, depth, .. } = product;
    format!("multiply {rows}x{depth} by {depth}x{columns}")
}
