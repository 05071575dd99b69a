//! Networks with experts.
