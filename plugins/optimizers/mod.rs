//! Parameter updates.
