//! Samples over seeds: intervals, tests and effect sizes.
//!
//! ```
//! use balpoe_stats::statistics::{Level, Paired, Sample};
//!
//! let balanced = Sample::new([52.1, 51.8, 52.4, 51.6, 52.0])?; // one accuracy per seed
//! let softmax = Sample::new([38.9, 38.2, 39.1, 38.4, 38.8])?;
//! let gain = Paired::new(&balanced, &softmax)?;
//! let interval = gain.t_interval(Level::P95).expect("five seeds have a spread");
//! assert!(interval.low > 13.0 && interval.high < 13.6);
//! assert_eq!(gain.wilcoxon()?.smallest_attainable_p, 0.0625); // five seeds can never reach 0.05
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bootstrap;
mod effect;
mod images;
mod interval;
mod mcnemar;
mod multiple;
mod normal;
mod paired;
mod permutation;
mod power;
mod resampling;
mod sample;
mod stochastic_order;
mod student;
mod wilcoxon;

pub use bootstrap::Bootstrap;
pub use images::{Averaging, ImageScores, ImageScoresError};
pub use interval::{Interval, Level, LevelError};
pub use mcnemar::{McNemar, McNemarError};
pub use multiple::{PValueError, benjamini_hochberg, holm};
pub use paired::{Paired, PairedError};
pub use permutation::{PermutationTest, smallest_permutation_p, smallest_sign_flip_p};
pub use power::{Design, power, seeds_needed};
pub use resampling::Resampling;
pub use sample::{Sample, SampleError};
pub use stochastic_order::StochasticOrder;
pub use student::TTest;
pub use wilcoxon::{WilcoxonError, WilcoxonTest};
