//! Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
//! 2016): 36 multiply-adds a tile of sixteen output pixels instead of 144.
//!
//! The map is cut into tiles of 4x4 outputs, each of which sees 6x6 inputs. With the transforms of [`transforms`],
//! `output = A^T [(G weight G^T) * (B^T input B)] A`, where the elementwise product is, over channels and tiles, one
//! matrix product for each of the 36 positions.

mod algorithm;
mod passes;
mod transforms;
mod weights;

pub(super) use algorithm::Winograd;
