//! Classifiers on top of each expert's features.
