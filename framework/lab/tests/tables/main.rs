//! Tables from made-up metrics, in every format.

mod fixtures;
mod properties;
mod reference;
mod snapshots;
