//! Ways to make one prediction out of the experts'.

mod bbse;
mod best_expert;
mod em_prior;
mod majority_vote;
mod mean_logits;
mod mean_probabilities;
mod prior_corrected;
mod product_of_experts;
mod sade_weights;
mod shifted;
mod weighted;
mod weighting;

pub use bbse::Bbse;
pub use best_expert::{BestExpert, Criterion};
pub use em_prior::EmPrior;
pub use majority_vote::MajorityVote;
pub use mean_logits::MeanLogits;
pub use mean_probabilities::MeanProbabilities;
pub use prior_corrected::PriorCorrected;
pub use product_of_experts::ProductOfExperts;
pub use sade_weights::SadeWeights;
pub use shifted::TrainedFor;
pub use weighted::Weighted;
