//! Fusion of experts by Dempster's rule, an aggregator for `balpoe`.

mod evidential_fusion;

pub use evidential_fusion::EvidentialFusion;
