//! Orders in which images are seen.
