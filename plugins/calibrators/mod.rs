//! Corrections of predictions after training.
