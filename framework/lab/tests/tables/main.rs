//! Tables from made-up metrics, in every format.

mod differences;
mod fixtures;
mod properties;
mod reference;
mod snapshots;
