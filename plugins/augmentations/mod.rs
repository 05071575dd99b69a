//! Changes of single training images.
