//! Convolution kernels: the algorithm is chosen by shape.
