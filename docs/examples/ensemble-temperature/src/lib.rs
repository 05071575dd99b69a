//! Ensemble temperature scaling, a calibrator for `balpoe`.

mod ensemble_temperature;

pub use ensemble_temperature::EnsembleTemperature;
