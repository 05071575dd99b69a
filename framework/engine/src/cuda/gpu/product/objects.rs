//! cuBLASLt's descriptions of matrices and products.

use super::super::status::Status;
use super::layout::{ColumnMajor, Matrix};
use crate::cuda::Precision;
use cudarc::cublaslt::sys::{
    self, cublasComputeType_t, cublasLtHandle_t, cublasLtMatmulAlgo_t, cublasLtMatmulDesc_t,
    cublasLtMatmulDescAttributes_t as OperationAttribute, cublasLtMatmulHeuristicResult_t,
    cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute,
    cublasLtMatrixLayout_t, cudaDataType_t,
};
use std::mem::MaybeUninit;

/// Bytes that a product may take beside its matrices: what NVIDIA recommends for its newer chips.
const WORKSPACE: usize = 32 << 20;

const FLOAT: cudaDataType_t = cudaDataType_t::CUDA_R_32F;

/// An object of the library that goes with its value.
macro_rules! object {
    ($name:ident, $handle:ty, $destroy:path) => {
        pub(super) struct $name(pub(super) $handle);

        // SAFETY: the object is the host's memory, which one thread uses at a time.
        unsafe impl Send for $name {}

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made with the value.
                let _ = unsafe { $destroy(self.0) };
            }
        }
    };
}

object!(Operation, cublasLtMatmulDesc_t, sys::cublasLtMatmulDescDestroy);
object!(Layout, cublasLtMatrixLayout_t, sys::cublasLtMatrixLayoutDestroy);
object!(Preference, cublasLtMatmulPreference_t, sys::cublasLtMatmulPreferenceDestroy);

/// All that cuBLASLt is told about a product.
pub(super) struct Objects {
    pub(super) operation: Operation,
    pub(super) first: Layout,
    pub(super) second: Layout,
    pub(super) result: Layout,
}

impl Objects {
    /// Describes a product, or says what cuBLASLt refuses.
    pub(super) fn new(layout: &ColumnMajor, precision: Precision) -> Result<Self, String> {
        let operation = Operation::new(precision)?;
        operation.set(OperationAttribute::CUBLASLT_MATMUL_DESC_TRANSA, &transposition(&layout.first))?;
        operation.set(OperationAttribute::CUBLASLT_MATMUL_DESC_TRANSB, &transposition(&layout.second))?;
        Ok(Self {
            operation,
            first: Layout::new(&layout.first)?,
            second: Layout::new(&layout.second)?,
            result: Layout::new(&layout.result)?,
        })
    }
}

impl Operation {
    fn new(precision: Precision) -> Result<Self, String> {
        let arithmetic = match precision {
            Precision::F32 => cublasComputeType_t::CUBLAS_COMPUTE_32F,
            Precision::Tf32 | Precision::Bf16 => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        };
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library writes to a place that is there.
        done(unsafe { sys::cublasLtMatmulDescCreate(&raw mut handle, arithmetic, FLOAT) })?;
        Ok(Self(handle))
    }

    fn set<T>(&self, attribute: OperationAttribute, value: &T) -> Result<(), String> {
        let value = std::ptr::from_ref(value).cast();
        // SAFETY: the library reads as many bytes as it is told are there.
        done(unsafe { sys::cublasLtMatmulDescSetAttribute(self.0, attribute, value, size_of::<T>()) })
    }
}

impl Layout {
    fn new(matrix: &Matrix) -> Result<Self, String> {
        let (rows, columns) = (matrix.rows as u64, matrix.columns as u64);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library writes to a place that is there.
        done(unsafe { sys::cublasLtMatrixLayoutCreate(&raw mut handle, FLOAT, rows, columns, rows as i64) })?;
        Ok(Self(handle))
    }
}

impl Preference {
    fn new() -> Result<Self, String> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library writes to a place that is there.
        done(unsafe { sys::cublasLtMatmulPreferenceCreate(&raw mut handle) })?;
        Ok(Self(handle))
    }

    fn set<T>(&self, attribute: PreferenceAttribute, value: &T) -> Result<(), String> {
        let value = std::ptr::from_ref(value).cast();
        // SAFETY: the library reads as many bytes as it is told are there.
        done(unsafe { sys::cublasLtMatmulPreferenceSetAttribute(self.0, attribute, value, size_of::<T>()) })
    }
}

/// What cuBLASLt suggests by its own rules, without timing anything, and bytes of its workspace.
pub(super) fn best_algorithm(
    cublas: cublasLtHandle_t,
    layout: &ColumnMajor,
    objects: &Objects,
) -> Result<(cublasLtMatmulAlgo_t, usize), String> {
    use PreferenceAttribute::{
        CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES as MOST,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES as FIRST,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES as SECOND,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES as ADDED,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES as RESULT,
    };
    let preference = Preference::new()?;
    preference.set(MOST, &WORKSPACE)?;
    let ColumnMajor { first, second, result } = layout;
    for (attribute, matrix) in [(FIRST, first), (SECOND, second), (ADDED, result), (RESULT, result)] {
        preference.set(attribute, &matrix.alignment())?;
    }
    let Objects { operation, first, second, result } = objects;
    let mut found = MaybeUninit::<cublasLtMatmulHeuristicResult_t>::uninit();
    let mut count = 0;
    // SAFETY: the objects are there; the library fills at most the one result that it is asked for.
    done(unsafe {
        sys::cublasLtMatmulAlgoGetHeuristic(
            cublas,
            operation.0,
            first.0,
            second.0,
            result.0,
            result.0,
            preference.0,
            1,
            found.as_mut_ptr(),
            &raw mut count,
        )
    })?;
    if count < 1 {
        return Err("cuBLASLt has no algorithm for it".into());
    }
    // SAFETY: the library has filled it.
    let found = unsafe { found.assume_init() };
    done(found.state)?;
    Ok((found.algo, found.workspaceSize))
}

/// `CUBLAS_OP_T` or `CUBLAS_OP_N`, which `cudarc` has for cuBLAS only.
fn transposition(matrix: &Matrix) -> u32 {
    u32::from(matrix.transposed)
}

fn done(status: impl Status) -> Result<(), String> {
    status.refusal().map_or(Ok(()), Err)
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "tests say what they skip")]
mod tests {
    use super::*;
    use crate::cuda::{Address, Cuda, LibraryKind, Product};

    #[test]
    fn cublaslt_takes_the_descriptions() {
        if !Cuda::probe().has(LibraryKind::CublasLt) {
            println!("skipped: cuBLASLt is not installed (pip install 'nvidia-cublas==13.*')");
            return;
        }
        for transposed in [[false, false], [false, true], [true, false], [true, true]] {
            let [a, b, c] = [Address(256); 3];
            let (rows, columns, depth, factor) = (128, 100, 64, 30.0);
            let product = Product { a, b, c, rows, columns, depth, transposed, factor };
            for precision in Precision::ALL {
                Objects::new(&ColumnMajor::of(&product), precision).unwrap();
            }
        }
        assert!(
            Preference::new()
                .unwrap()
                .set(PreferenceAttribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &WORKSPACE)
                .is_ok()
        );
    }
}
