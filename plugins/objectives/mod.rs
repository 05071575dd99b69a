//! Losses that train the experts.

mod balanced_experts;
mod balanced_softmax;
mod class_balanced;
mod cross_entropy;
mod effective_number;
mod focal;
mod ldam;
mod logit_adjusted;
mod logit_adjustment;
mod margin;
mod ride;
mod sade;
mod tau;

pub use balanced_experts::BalancedExperts;
pub use balanced_softmax::BalancedSoftmax;
pub use class_balanced::ClassBalanced;
pub use cross_entropy::CrossEntropy;
pub use focal::Focal;
pub use ldam::Ldam;
pub use logit_adjustment::LogitAdjustment;
pub use ride::Ride;
pub use sade::Sade;
pub use tau::Tau;
