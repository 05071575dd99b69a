//! Plots of made-up results: snapshots of small ones, and what holds for all.

mod properties;
mod snapshots;
