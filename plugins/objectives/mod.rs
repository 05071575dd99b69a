//! Losses that train the experts.

mod balanced_experts;
mod balanced_softmax;
mod cross_entropy;
mod logit_adjusted;
mod logit_adjustment;
mod tau;

pub use balanced_experts::BalancedExperts;
pub use balanced_softmax::BalancedSoftmax;
pub use cross_entropy::CrossEntropy;
pub use logit_adjustment::LogitAdjustment;
pub use tau::Tau;
