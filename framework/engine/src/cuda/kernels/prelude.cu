// In front of every kernel file. No header is included, so that NVRTC needs nothing beside itself.
//
// Feature maps are dense, [images, height, width, channels], and stored as `real`: float, or bfloat16 with -DBF16. All
// arithmetic is in float; sums over many values are in double. No kernel uses atomics: results do not depend on the order in
// which blocks run.

typedef long long index_t;

#ifdef BF16
typedef unsigned short real;

__device__ inline float load(real value) { return __uint_as_float((unsigned int)value << 16); }

// To nearest, ties to even; what is not a number stays so.
__device__ inline real store(float value) {
    unsigned int bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (real)((bits >> 16) | 0x40u);
    return (real)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#else
typedef float real;

__device__ inline float load(real value) { return value; }
__device__ inline real store(float value) { return value; }
#endif

// The first index of this thread in a one-dimensional loop over the grid, and the distance to its next one.
__device__ inline index_t first_index() { return (index_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline index_t index_stride() { return (index_t)gridDim.x * blockDim.x; }

// Sum over the threads of a block of at most 1024, a power of two; all get the result. `room` has a value for each thread.
__device__ inline float block_sum(float value, float* room) {
    room[threadIdx.x] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) room[threadIdx.x] += room[threadIdx.x + half];
        __syncthreads();
    }
    float sum = room[0];
    __syncthreads();
    return sum;
}

// The largest value over the threads of a block, in the same way.
__device__ inline float block_max(float value, float* room) {
    room[threadIdx.x] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) room[threadIdx.x] = fmaxf(room[threadIdx.x], room[threadIdx.x + half]);
        __syncthreads();
    }
    float largest = room[0];
    __syncthreads();
    return largest;
}
