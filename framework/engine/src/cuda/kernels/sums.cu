// Sums of up to four values or gradients, each changed on its way: batch norm with ReLU and residual in one pass.

// What enters a sum. Places that a kind does not use are not read.
struct Piece {
    const real* x;             // the value, or for NORMALISED what was normalised
    const real* g;             // gradients of NORMALISED and SPREAD
    const float* coefficients; // AFFINE: scale[group][channels]; NORMALISED: [group][3][channels]
    const float* shift;        // AFFINE: [group][channels]
    int kind, height, width, channels, stride, before;
};

struct Pieces {
    Piece piece[4];
    int count;
};

// x
#define COPY 0
// scale x + shift
#define AFFINE 1
// every stride-th pixel of x, a map of height x width x channels, behind `before` zero channels
#define SUBSAMPLE 2
// a g + b x + c, the gradient of a batch norm
#define NORMALISED 3
// the gradient of SUBSAMPLE: g is a map of height x width x channels
#define SPREAD 4

// A map of `images` images, and how they are grouped: this device's first image is image `first` of the whole batch.
struct Extent {
    int images, height, width, channels, group_images, first;
};

// Adds what a piece has for N neighbouring channels, the `unit`-th such run of the map, to their sums. A unit is counted in 32
// bits in wide kernels, where a thread divides once for all of them, and in 64 bits where a run is one value.
template <int N, typename unit_t>
__device__ inline void add_piece(const Piece& piece, const Extent& extent, unit_t unit, float (&sum)[N]) {
    float x[N];
    index_t i = (index_t)unit * N;
    if (piece.kind == COPY) {
        load(piece.x + i, x);
        for (int k = 0; k < N; ++k) sum[k] += x[k];
        return;
    }
    unit_t units = extent.channels / N, pixels = (unit_t)extent.height * extent.width;
    unit_t pixel = unit / units, image = pixel / pixels;
    int channel = (int)(unit - pixel * units) * N;
    if (piece.kind == AFFINE || piece.kind == NORMALISED) {
        index_t group = (extent.first + image) / extent.group_images;
        load(piece.x + i, x);
        if (piece.kind == AFFINE) {
            float scale[N], shift[N];
            index_t place = group * extent.channels + channel;
            load_floats(piece.coefficients + place, scale);
            load_floats(piece.shift + place, shift);
            for (int k = 0; k < N; ++k) sum[k] += scale[k] * x[k] + shift[k];
            return;
        }
        float g[N], a[N], b[N], c[N];
        const float* own = piece.coefficients + group * 3 * extent.channels + channel;
        load(piece.g + i, g);
        load_floats(own, a);
        load_floats(own + extent.channels, b);
        load_floats(own + 2 * extent.channels, c);
        for (int k = 0; k < N; ++k) sum[k] += a[k] * g[k] + b[k] * x[k] + c[k];
        return;
    }
    unit_t row = pixel - image * pixels, y = row / extent.width, column = row - y * extent.width, stride = piece.stride;
    int source = channel;
    if (piece.kind == SUBSAMPLE) {
        source -= piece.before;
        if (source < 0 || source >= piece.channels) return;
        y *= stride;
        column *= stride;
    } else {
        source += piece.before;
        if (y % stride != 0 || column % stride != 0) return;
        y /= stride;
        column /= stride;
    }
    index_t place = (image * piece.height + y) * piece.width + column;
    load((piece.kind == SUBSAMPLE ? piece.x : piece.g) + place * piece.channels + source, x);
    for (int k = 0; k < N; ++k) sum[k] += x[k];
}

template <int N, typename unit_t>
__device__ inline void sum_of(const Pieces& pieces, const Extent& extent, unit_t unit, float (&sum)[N]) {
    for (int k = 0; k < N; ++k) sum[k] = 0.0f;
    for (int piece = 0; piece < pieces.count; ++piece) add_piece(pieces.piece[piece], extent, unit, sum);
}

// Runs of N channels in a map.
template <int N>
__device__ inline index_t units_of(const Extent& extent) {
    return (index_t)extent.images * extent.height * extent.width * (extent.channels / N);
}

// out = sum, or below zero slope times the sum; a slope of 1 is no activation, of 0 ReLU.
template <int N, typename unit_t>
__device__ inline void forward_sums(const Pieces& pieces, real* out, const Extent& extent, float slope) {
    unit_t units = (unit_t)units_of<N>(extent);
    for (unit_t unit = (unit_t)first_index(); unit < units; unit += (unit_t)index_stride()) {
        float sum[N];
        sum_of(pieces, extent, unit, sum);
        // What is not a number stays so; ReLU of minus infinity is zero.
        for (int k = 0; k < N; ++k) {
            if (sum[k] < 0.0f) sum[k] = slope == 0.0f ? 0.0f : slope * sum[k];
        }
        store(out + (index_t)unit * N, sum);
    }
}

// sum, times slope where the activation's value (null without one) is not above zero.
template <int N, typename unit_t>
__device__ inline void backward_sum_of(
    const Pieces& pieces, const real* value, const Extent& extent, float slope, unit_t unit, float (&sum)[N]) {
    sum_of(pieces, extent, unit, sum);
    if (value == nullptr) return;
    float activation[N];
    load(value + (index_t)unit * N, activation);
    for (int k = 0; k < N; ++k) {
        if (!(activation[k] > 0.0f)) sum[k] *= slope;
    }
}

// out = that. `out` may be the x of a COPY.
template <int N, typename unit_t>
__device__ inline void backward_sums(
    const Pieces& pieces, const real* value, real* out, const Extent& extent, float slope) {
    unit_t units = (unit_t)units_of<N>(extent);
    for (unit_t unit = (unit_t)first_index(); unit < units; unit += (unit_t)index_stride()) {
        float sum[N];
        backward_sum_of(pieces, value, extent, slope, unit, sum);
        store(out + (index_t)unit * N, sum);
    }
}

// The same, and in passing the partial sums of g and of g (x - mean) of what is stored, as gradient_moments forms them of it.
template <int N, typename unit_t>
__device__ inline void backward_sums_and_moments(
    const Pieces& pieces, const real* value, real* out, const Extent& extent, float slope, const real* x,
    const float* mean, float* partial, int chunk_rows) {
    int pixels = extent.height * extent.width, channels = extent.channels;
    int group_rows = extent.group_images * pixels, first_row = extent.first * pixels;
    Rows chunk = rows_of_chunk(extent.images * pixels, group_rows, first_row, chunk_rows);
    int channel = (blockIdx.x * blockDim.x + threadIdx.x) * N;
    float total[N] = {}, weighted[N] = {};
    if (channel < channels) {
        mean += (index_t)(first_row / group_rows + blockIdx.z) * channels + channel;
        for (int row = chunk.first + threadIdx.y; row < chunk.end; row += blockDim.y) {
            unit_t unit = (unit_t)row * (channels / N) + channel / N;
            float normalised[N], sum[N], centre[N];
            load(x + (index_t)unit * N, normalised);
            backward_sum_of(pieces, value, extent, slope, unit, sum);
            store(out + (index_t)unit * N, sum);
            // Read again for every row, from the nearest cache, since there are no registers to keep it.
            load_floats(mean, centre);
            for (int k = 0; k < N; ++k) {
                float g = load(store(sum[k]));
                total[k] += g;
                weighted[k] += g * (normalised[k] - centre[k]);
            }
        }
    }
    write_partial(total, weighted, partial, channels);
}

extern "C" __global__ void sum_forward(Pieces pieces, real* out, Extent extent, float slope) {
    forward_sums<1, index_t>(pieces, out, extent, slope);
}

// Where the channels of the map and of every piece, and the channels before it, are multiples of WIDE; fewer than 2^31 units.
extern "C" __global__ void sum_forward_wide(Pieces pieces, real* out, Extent extent, float slope) {
    forward_sums<WIDE, unsigned int>(pieces, out, extent, slope);
}

extern "C" __global__ void sum_backward(Pieces pieces, const real* value, real* out, Extent extent, float slope) {
    backward_sums<1, index_t>(pieces, value, out, extent, slope);
}

extern "C" __global__ void sum_backward_wide(Pieces pieces, const real* value, real* out, Extent extent, float slope) {
    backward_sums<WIDE, unsigned int>(pieces, value, out, extent, slope);
}

// Grid and block as of gradient_moments. Registers suffice for so many blocks of it on a multiprocessor, with none spilled.
#ifdef BF16
#define SUM_BLOCKS 3
#else
#define SUM_BLOCKS 2
#endif

extern "C" __global__ void __launch_bounds__(MOMENT_THREADS, SUM_BLOCKS) sum_backward_moments(
    Pieces pieces, const real* value, real* out, Extent extent, float slope, const real* x, const float* mean,
    float* partial, int chunk_rows) {
    backward_sums_and_moments<1, index_t>(pieces, value, out, extent, slope, x, mean, partial, chunk_rows);
}

extern "C" __global__ void __launch_bounds__(MOMENT_THREADS, SUM_BLOCKS) sum_backward_moments_wide(
    Pieces pieces, const real* value, real* out, Extent extent, float slope, const real* x, const float* mean,
    float* partial, int chunk_rows) {
    backward_sums_and_moments<WIDE, unsigned int>(pieces, value, out, extent, slope, x, mean, partial, chunk_rows);
}
