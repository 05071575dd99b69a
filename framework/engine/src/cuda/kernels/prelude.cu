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

// Channels that a thread of a wide kernel takes at once: 16 bytes of bfloat16, 32 of float. Wide kernels serve maps whose
// channels are a multiple of it, so that all places are aligned; the same source serves one channel at a time elsewhere.
#define WIDE 8

// One value, or a run of them at a place that is aligned to 16 bytes.
__device__ inline void load_floats(const float* x, float (&values)[1]) { values[0] = x[0]; }
__device__ inline void load_floats(const float* x, float (&values)[WIDE]) {
    float4 first = ((const float4*)x)[0], second = ((const float4*)x)[1];
    values[0] = first.x, values[1] = first.y, values[2] = first.z, values[3] = first.w;
    values[4] = second.x, values[5] = second.y, values[6] = second.z, values[7] = second.w;
}

// The same of feature maps, and back.
__device__ inline void load(const real* x, float (&values)[1]) { values[0] = load(x[0]); }
__device__ inline void store(real* out, const float (&values)[1]) { out[0] = store(values[0]); }
#ifdef BF16
__device__ inline void load(const real* x, float (&values)[WIDE]) {
    uint4 words = *(const uint4*)x;
    unsigned int pairs[WIDE / 2] = {words.x, words.y, words.z, words.w};
    for (int pair = 0; pair < WIDE / 2; ++pair) {
        values[2 * pair] = __uint_as_float(pairs[pair] << 16);
        values[2 * pair + 1] = __uint_as_float(pairs[pair] & 0xffff0000u);
    }
}
__device__ inline void store(real* out, const float (&values)[WIDE]) {
    unsigned int pairs[WIDE / 2];
    for (int pair = 0; pair < WIDE / 2; ++pair) {
        pairs[pair] = store(values[2 * pair]) | (unsigned int)store(values[2 * pair + 1]) << 16;
    }
    *(uint4*)out = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}
#else
__device__ inline void load(const real* x, float (&values)[WIDE]) { load_floats(x, values); }
__device__ inline void store(real* out, const float (&values)[WIDE]) {
    ((float4*)out)[0] = make_float4(values[0], values[1], values[2], values[3]);
    ((float4*)out)[1] = make_float4(values[4], values[5], values[6], values[7]);
}
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

// Columns, and threads for each, of a block that adds up the columns of a matrix.
#define SUM_COLUMNS 32
#define SUM_LANES 16

// Sum over the threads of a column of such a block, in the order of its lanes; all of the column get it. Once in a kernel.
template <typename T>
__device__ inline T lane_sum(T value) {
    __shared__ T room[SUM_LANES][SUM_COLUMNS];
    room[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    T sum = room[0][threadIdx.x];
    for (int lane = 1; lane < SUM_LANES; ++lane) sum += room[lane][threadIdx.x];
    return sum;
}

// Partial sums over groups of images, of which batch norms are made. A group is `group_rows` consecutive rows (pixels) of the
// whole batch; this device has `rows` of them, from `first_row` on, and its local group 0 is the one that its first row lies in.

// Threads of a block that forms partial sums: (columns, lanes), columns being a power of two. Each takes N neighbouring channels
// of every lanes-th row.
#define MOMENT_THREADS 256
#define MOST_COLUMNS 32

__device__ inline int first_of_group(int group, int group_rows, int first_row) {
    index_t first = (index_t)(first_row / group_rows + group) * group_rows - first_row;
    return first < 0 ? 0 : (int)first;
}

__device__ inline int end_of_group(int group, int group_rows, int first_row, int rows) {
    index_t end = (index_t)(first_row / group_rows + group + 1) * group_rows - first_row;
    return end > rows ? rows : (int)end;
}

// Adds up the sums of a block's threads over its lanes, always in the same order, and writes them to
// partial[group][chunk][2][channels].
template <int N>
__device__ inline void write_partial(const float (&first)[N], const float (&second)[N], float* partial, int channels) {
    // A row for each of the 2 N values of a thread, longer by the columns than the threads are, so that threads that stand side
    // by side never meet in a bank of memory.
    __shared__ float room[2 * N * (MOMENT_THREADS + MOST_COLUMNS)];
    int columns = blockDim.x, thread = threadIdx.y * columns + threadIdx.x, row = MOMENT_THREADS + columns;
    for (int k = 0; k < N; ++k) {
        room[k * row + thread] = first[k];
        room[(N + k) * row + thread] = second[k];
    }
    __syncthreads();
    // There are 2 N columns sums, and as many threads for each as there are parts of 2 N lanes.
    int places = 2 * N * columns, place = thread % places, part = thread / places;
    const float* own = room + place / columns * row + place % columns;
    float sum = 0.0f;
    for (int lane = 0; lane < 2 * N; ++lane) sum += own[(part * 2 * N + lane) * columns];
    __syncthreads();
    room[thread] = sum;
    __syncthreads();
    int channel = (blockIdx.x * columns + place % columns) * N + place / columns % N;
    if (part > 0 || channel >= channels) return;
    for (int other = thread + places; other < MOMENT_THREADS; other += places) sum += room[other];
    index_t target = ((index_t)blockIdx.z * gridDim.y + blockIdx.y) * 2 + place / (N * columns);
    partial[target * channels + channel] = sum;
}

// The rows of the block's chunk of its group.
struct Rows {
    int first, end;
};

__device__ inline Rows rows_of_chunk(int rows, int group_rows, int first_row, int chunk_rows) {
    int first = first_of_group(blockIdx.z, group_rows, first_row) + blockIdx.y * chunk_rows;
    int end = end_of_group(blockIdx.z, group_rows, first_row, rows);
    return {first, end > first + chunk_rows ? first + chunk_rows : end};
}
