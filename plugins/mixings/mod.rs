//! Ways to make training batches softer.
