//! Which of cuDNN's algorithms computes a convolution.

use super::descriptors::{Descriptors, arithmetic};
use crate::cuda::{ConvolutionPass, Precision};
use cudarc::cudnn::sys::{
    self, cudnnConvolutionBwdDataAlgo_t as InputAlgorithm,
    cudnnConvolutionBwdFilterAlgo_t as WeightAlgorithm, cudnnConvolutionFwdAlgo_t as ForwardAlgorithm,
    cudnnDeterminism_t as Determinism, cudnnHandle_t, cudnnMathType_t as Arithmetic, cudnnStatus_t as Status,
};

/// Bytes that an algorithm may take beside the tensors. A number of its own, not what is free: the choice must not depend on
/// what else the GPU does.
const WORKSPACE: usize = 512 << 20;

/// cuDNN knows fewer algorithms of a kind than this.
const SUGGESTIONS: usize = 16;

/// An algorithm of one of the three passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Forward(ForwardAlgorithm),
    Input(InputAlgorithm),
    Weight(WeightAlgorithm),
}

/// The first of the algorithms that cuDNN suggests, fastest first by its own rules, that gives the same result each time,
/// and bytes of its workspace. Nothing is timed: the fastest of two that are as fast would change from run to run, and with
/// it the last bits of every result.
///
/// cuDNN suggests pairs of an algorithm and its arithmetic, and leaves it to the caller to describe the convolution with that
/// arithmetic (PyTorch's `Conv_v7.cpp`, note "behavior of cudnnFind and cudnnGet"); so this leaves it in the description.
pub(super) fn choose(
    cudnn: cudnnHandle_t,
    pass: ConvolutionPass,
    descriptors: &Descriptors,
    precision: Precision,
) -> Option<(Algorithm, usize)> {
    let Descriptors { x, weight, y, convolution } = descriptors;
    let (x, weight, y, window) = (x.0, weight.0, y.0, convolution.0);
    let workspace = |(algorithm, arithmetic): (Algorithm, Arithmetic)| {
        descriptors.convolution.set_arithmetic(arithmetic).ok()?;
        let mut bytes = 0;
        let room = &raw mut bytes;
        // SAFETY: handle and descriptions are there; the library writes to a place that is there.
        let status = unsafe {
            match algorithm {
                Algorithm::Forward(algorithm) => {
                    sys::cudnnGetConvolutionForwardWorkspaceSize(cudnn, x, weight, window, y, algorithm, room)
                }
                Algorithm::Input(algorithm) => sys::cudnnGetConvolutionBackwardDataWorkspaceSize(
                    cudnn, weight, y, window, x, algorithm, room,
                ),
                Algorithm::Weight(algorithm) => sys::cudnnGetConvolutionBackwardFilterWorkspaceSize(
                    cudnn, x, y, window, weight, algorithm, room,
                ),
            }
        };
        (status == Status::CUDNN_STATUS_SUCCESS).then_some(bytes)
    };
    let wanted = SUGGESTIONS as i32;
    // SAFETY: handle and descriptions are there; the library fills as many suggestions as it counts, and at most `wanted`.
    let suggested = unsafe {
        match pass {
            ConvolutionPass::Forward => suggestions(
                |count, room| {
                    sys::cudnnGetConvolutionForwardAlgorithm_v7(
                        cudnn, x, weight, window, y, wanted, count, room,
                    )
                },
                |suggestion| {
                    reproducible(suggestion.status, suggestion.determinism)
                        .then_some((Algorithm::Forward(suggestion.algo), suggestion.mathType))
                },
            ),
            ConvolutionPass::Input => suggestions(
                |count, room| {
                    sys::cudnnGetConvolutionBackwardDataAlgorithm_v7(
                        cudnn, weight, y, window, x, wanted, count, room,
                    )
                },
                |suggestion| {
                    reproducible(suggestion.status, suggestion.determinism)
                        .then_some((Algorithm::Input(suggestion.algo), suggestion.mathType))
                },
            ),
            ConvolutionPass::Weight => suggestions(
                |count, room| {
                    sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                        cudnn, x, y, window, weight, wanted, count, room,
                    )
                },
                |suggestion| {
                    reproducible(suggestion.status, suggestion.determinism)
                        .then_some((Algorithm::Weight(suggestion.algo), suggestion.mathType))
                },
            ),
        }
    };
    let fallback: Vec<Suggestion> =
        fallback(pass).iter().map(|&algorithm| (algorithm, arithmetic(precision))).collect();
    first_that_fits(&in_precision(suggested, precision), &fallback, workspace)
}

/// An algorithm, and how it multiplies.
type Suggestion = (Algorithm, Arithmetic);

/// What of the suggestions is for a precision, the best first: nothing that loses digits on the way (Winograd, Fourier); in `f32`
/// nothing that rounds before it multiplies (tensor cores); in bf16 tensor cores before everything else, which has a tenth of
/// their speed.
fn in_precision(mut suggested: Vec<Suggestion>, precision: Precision) -> Vec<Suggestion> {
    let on_tensor_cores = |&(_, arithmetic): &Suggestion| {
        matches!(
            arithmetic,
            Arithmetic::CUDNN_TENSOR_OP_MATH | Arithmetic::CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
        )
    };
    suggested.retain(|suggestion| !transforms(suggestion.0));
    match precision {
        Precision::F32 => suggested.retain_mut(|suggestion| {
            let keeps = !on_tensor_cores(suggestion);
            // The default would let cuDNN take TensorFloat-32.
            suggestion.1 = Arithmetic::CUDNN_FMA_MATH;
            keeps
        }),
        Precision::Tf32 => {}
        Precision::Bf16 => suggested.sort_by_key(|suggestion| !on_tensor_cores(suggestion)),
    }
    suggested
}

/// Whether an algorithm computes on transformed images.
fn transforms(algorithm: Algorithm) -> bool {
    use ForwardAlgorithm as Forward;
    use InputAlgorithm as Input;
    use WeightAlgorithm as Weight;
    match algorithm {
        Algorithm::Forward(algorithm) => matches!(
            algorithm,
            Forward::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD
                | Forward::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED
                | Forward::CUDNN_CONVOLUTION_FWD_ALGO_FFT
                | Forward::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING
        ),
        Algorithm::Input(algorithm) => matches!(
            algorithm,
            Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD
                | Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED
                | Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT
                | Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING
        ),
        Algorithm::Weight(algorithm) => matches!(
            algorithm,
            Weight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD
                | Weight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED
                | Weight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT
                | Weight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING
        ),
    }
}

/// What a function of cuDNN suggests.
///
/// # Safety
/// `ask` fills as many places as it counts, and has room for [`SUGGESTIONS`].
unsafe fn suggestions<S>(
    ask: impl FnOnce(*mut i32, *mut S) -> Status,
    suggestion: impl FnMut(&S) -> Option<Suggestion>,
) -> Vec<Suggestion> {
    let mut count = 0;
    let mut room = Vec::<S>::with_capacity(SUGGESTIONS);
    let status = ask(&raw mut count, room.as_mut_ptr());
    if status == Status::CUDNN_STATUS_SUCCESS {
        // SAFETY: the caller's word.
        unsafe { room.set_len((count.max(0) as usize).min(SUGGESTIONS)) };
    }
    room.iter().filter_map(suggestion).collect()
}

fn reproducible(status: Status, determinism: Determinism) -> bool {
    status == Status::CUDNN_STATUS_SUCCESS && determinism == Determinism::CUDNN_DETERMINISTIC
}

/// Algorithms that are asked for where nothing that was suggested will do: those that cuDNN's documentation calls
/// deterministic and gives for NHWC.
fn fallback(pass: ConvolutionPass) -> &'static [Algorithm] {
    match pass {
        ConvolutionPass::Forward => &[
            Algorithm::Forward(ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM),
            Algorithm::Forward(ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM),
        ],
        ConvolutionPass::Input => &[Algorithm::Input(InputAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)],
        ConvolutionPass::Weight => &[Algorithm::Weight(WeightAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1)],
    }
}

/// The first algorithm that takes this convolution (a suggestion may be for other arithmetic than what was asked for) with a
/// workspace within bounds.
fn first_that_fits(
    suggested: &[Suggestion],
    fallback: &[Suggestion],
    workspace: impl Fn(Suggestion) -> Option<usize>,
) -> Option<(Algorithm, usize)> {
    let all = suggested.iter().chain(fallback);
    all.copied().find_map(|suggestion| {
        let bytes = workspace(suggestion)?;
        (bytes <= WORKSPACE).then_some((suggestion.0, bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_suggestion_with_a_workspace_within_bounds_is_taken() {
        use ForwardAlgorithm::{
            CUDNN_CONVOLUTION_FWD_ALGO_FFT as FFT, CUDNN_CONVOLUTION_FWD_ALGO_GEMM as GEMM,
            CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD as WINOGRAD,
        };
        let with = |algorithm| (algorithm, Arithmetic::CUDNN_DEFAULT_MATH);
        let [fft, gemm, winograd] = [FFT, GEMM, WINOGRAD].map(|it| with(Algorithm::Forward(it)));
        let last: Vec<Suggestion> = fallback(ConvolutionPass::Forward).iter().copied().map(with).collect();
        let workspace = |(algorithm, _): Suggestion| match algorithm {
            Algorithm::Forward(FFT) => None,
            Algorithm::Forward(GEMM) => Some(WORKSPACE + 1),
            _ => Some(12),
        };
        let choose = |suggested: &[Suggestion]| first_that_fits(suggested, &last, workspace);
        assert_eq!(choose(&[fft, gemm, winograd]), Some((winograd.0, 12)));
        assert_eq!(choose(&[gemm, fft]), Some((last[0].0, 12)));
        assert_eq!(first_that_fits(&[gemm], &[], workspace), None);
    }

    #[test]
    fn suggestions_are_for_the_precision() {
        use Arithmetic::{
            CUDNN_DEFAULT_MATH as DEFAULT, CUDNN_FMA_MATH as FMA, CUDNN_TENSOR_OP_MATH as TENSOR,
        };
        use ForwardAlgorithm::{
            CUDNN_CONVOLUTION_FWD_ALGO_GEMM as GEMM, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM as IMPLICIT,
            CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD as WINOGRAD,
        };
        let [gemm, implicit, winograd] = [GEMM, IMPLICIT, WINOGRAD].map(Algorithm::Forward);
        let suggested = vec![(winograd, DEFAULT), (gemm, FMA), (implicit, TENSOR), (gemm, DEFAULT)];
        let of = |precision| in_precision(suggested.clone(), precision);
        assert_eq!(of(Precision::F32), [(gemm, FMA), (gemm, FMA)]);
        assert_eq!(of(Precision::Tf32), [(gemm, FMA), (implicit, TENSOR), (gemm, DEFAULT)]);
        assert_eq!(of(Precision::Bf16), [(implicit, TENSOR), (gemm, FMA), (gemm, DEFAULT)]);
    }

    #[test]
    fn what_changes_from_run_to_run_is_not_suggested() {
        use Determinism::{CUDNN_DETERMINISTIC as SAME, CUDNN_NON_DETERMINISTIC as CHANGING};
        assert!(reproducible(Status::CUDNN_STATUS_SUCCESS, SAME));
        assert!(!reproducible(Status::CUDNN_STATUS_SUCCESS, CHANGING));
        assert!(!reproducible(Status::CUDNN_STATUS_NOT_SUPPORTED, SAME));
    }
}
