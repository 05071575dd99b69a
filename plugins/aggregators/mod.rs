//! Ways to make one prediction out of the experts'.
