//! Learning rates over time.
