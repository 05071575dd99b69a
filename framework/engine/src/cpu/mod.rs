mod conv;
mod simd;
