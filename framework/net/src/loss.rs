/// Description of the logit-adjusted cross-entropy with soft targets, the objective that engines compute themselves.
///
/// The loss is the mean over experts of the mean over the batch of the cross-entropy between the row's soft target and
/// the softmax of `logits + adjustments[expert]`. With `adjustments[e][c] = tau_e ln p_c` it is the balanced-experts
/// objective of `BalPoE` (Sanchez Aimar et al., CVPR 2023); Menon et al. 2021 (equation 10) and the balanced softmax are
/// its one-expert cases, and zeros give the plain cross-entropy.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitAdjustedCrossEntropy {
    /// Added to the logits, `[experts][classes]`.
    pub adjustments: Vec<Vec<f32>>,
}
