//! Losses that train the experts.
