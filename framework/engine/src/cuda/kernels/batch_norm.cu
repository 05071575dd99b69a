// Batch norm: sums over groups of images, the coefficients that they give, and those of the gradient.
//
// Groups and partial sums are as in the prelude. Normalising itself is part of sums.cu.

// Rows that a thread reads before it adds the first: so many bytes are on their way while it waits.
#define ROWS_AT_ONCE 4

// Values of a row, or zeros behind the last row; `row` itself is there, and read instead, so that no load waits for a branch.
template <int N>
__device__ inline void load_row(const real* x, int row, int ahead, int end, int channels, float (&values)[N]) {
    bool inside = row + ahead < end;
    load(x + (index_t)(inside ? row + ahead : row) * channels, values);
    for (int k = 0; k < N; ++k) values[k] = inside ? values[k] : 0.0f;
}

template <int N>
__device__ inline void add_moments(
    const real* x, float* partial, int rows, int channels, int group_rows, int first_row, int chunk_rows) {
    int channel = (blockIdx.x * blockDim.x + threadIdx.x) * N, lanes = blockDim.y;
    Rows chunk = rows_of_chunk(rows, group_rows, first_row, chunk_rows);
    float sum[N] = {}, squares[N] = {};
    if (channel < channels) {
        for (int row = chunk.first + threadIdx.y; row < chunk.end; row += ROWS_AT_ONCE * lanes) {
            float value[ROWS_AT_ONCE][N];
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                load_row(x + channel, row, r * lanes, chunk.end, channels, value[r]);
            }
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                for (int k = 0; k < N; ++k) {
                    sum[k] += value[r][k];
                    squares[k] += value[r][k] * value[r][k];
                }
            }
        }
    }
    write_partial(sum, squares, partial, channels);
}

template <int N>
__device__ inline void add_gradient_moments(
    const real* g, const real* x, const float* mean, float* partial, int rows, int channels, int group_rows, int first_row,
    int chunk_rows) {
    int channel = (blockIdx.x * blockDim.x + threadIdx.x) * N, lanes = blockDim.y;
    Rows chunk = rows_of_chunk(rows, group_rows, first_row, chunk_rows);
    float sum[N] = {}, weighted[N] = {};
    if (channel < channels) {
        float centre[N];
        load_floats(mean + (index_t)(first_row / group_rows + blockIdx.z) * channels + channel, centre);
        for (int row = chunk.first + threadIdx.y; row < chunk.end; row += ROWS_AT_ONCE * lanes) {
            float gradient[ROWS_AT_ONCE][N], value[ROWS_AT_ONCE][N];
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                load_row(g + channel, row, r * lanes, chunk.end, channels, gradient[r]);
                load_row(x + channel, row, r * lanes, chunk.end, channels, value[r]);
            }
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                for (int k = 0; k < N; ++k) {
                    sum[k] += gradient[r][k];
                    weighted[k] += gradient[r][k] * (value[r][k] - centre[k]);
                }
            }
        }
    }
    write_partial(sum, weighted, partial, channels);
}

// Partial sums and sums of squares of x. Grid (channels / (N columns), chunks of a group, local groups), block (columns, lanes),
// with at most MOST_COLUMNS columns, or in the wide form, where channels are a multiple of WIDE, a WIDE-th of the threads.
extern "C" __global__ void moments(
    const real* x, float* partial, int rows, int channels, int group_rows, int first_row, int chunk_rows) {
    add_moments<1>(x, partial, rows, channels, group_rows, first_row, chunk_rows);
}

extern "C" __global__ void moments_wide(
    const real* x, float* partial, int rows, int channels, int group_rows, int first_row, int chunk_rows) {
    add_moments<WIDE>(x, partial, rows, channels, group_rows, first_row, chunk_rows);
}

// Partial sums of g and of g (x - mean), mean[group][channels] being counted over the whole batch. Geometry as above.
extern "C" __global__ void gradient_moments(
    const real* g, const real* x, const float* mean, float* partial, int rows, int channels, int group_rows, int first_row,
    int chunk_rows) {
    add_gradient_moments<1>(g, x, mean, partial, rows, channels, group_rows, first_row, chunk_rows);
}

extern "C" __global__ void gradient_moments_wide(
    const real* g, const real* x, const float* mean, float* partial, int rows, int channels, int group_rows, int first_row,
    int chunk_rows) {
    add_gradient_moments<WIDE>(g, x, mean, partial, rows, channels, group_rows, first_row, chunk_rows);
}

// Channels and threads for each of a block that adds up chunks.
#define CHUNK_CHANNELS 8
#define CHUNK_LANES 32

// The two sums of a channel, a thread's column, over all chunks of a local group, for the threads of lane 0: every lane adds up
// every 32nd chunk, and then they each other's, always in the same order. One thread alone would wait for every chunk in turn,
// which takes longer than all the reading. All threads of the block take part.
__device__ inline void add_chunks(
    const float* partial, int chunks, int channels, int group, int channel, double (&sums)[2]) {
    __shared__ double room[2][CHUNK_LANES][CHUNK_CHANNELS];
    int column = threadIdx.x, lane = threadIdx.y;
    sums[0] = sums[1] = 0.0;
    if (channel < channels) {
        const float* own = partial + (index_t)group * chunks * 2 * channels + channel;
#pragma unroll 4
        for (int chunk = lane; chunk < chunks; chunk += CHUNK_LANES) {
            const float* pair = own + (index_t)chunk * 2 * channels;
            sums[0] += pair[0];
            sums[1] += pair[channels];
        }
    }
    // Whoever still reads what an earlier group left here.
    __syncthreads();
    room[0][lane][column] = sums[0];
    room[1][lane][column] = sums[1];
    __syncthreads();
    for (int half = CHUNK_LANES / 2; half > 0; half /= 2) {
        if (lane < half) {
            room[0][lane][column] += room[0][lane + half][column];
            room[1][lane][column] += room[1][lane + half][column];
        }
        __syncthreads();
    }
    sums[0] = room[0][0][column];
    sums[1] = room[1][0][column];
}

// sums[group][2][channels], groups counted over the whole batch, from the chunks of the local groups.
// Grid (channels / CHUNK_CHANNELS, local groups), block (CHUNK_CHANNELS, CHUNK_LANES).
extern "C" __global__ void sum_chunks(const float* partial, double* sums, int chunks, int channels, int first_group) {
    int channel = blockIdx.x * CHUNK_CHANNELS + threadIdx.x;
    double own[2];
    add_chunks(partial, chunks, channels, blockIdx.y, channel, own);
    if (threadIdx.y > 0 || channel >= channels) return;
    index_t place = (index_t)(first_group + blockIdx.y) * 2 * channels + channel;
    sums[place] = own[0];
    sums[place + channels] = own[1];
}

// The batch whose groups are meant: `group_images` images of `pixels` pixels a group, `batch` images in all, of which this
// device has parts of the groups from `first_group` to before `end_group`.
struct Groups {
    int group_images, pixels, batch, first_group, end_group;
};

__device__ inline double count_of(Groups groups, int group) {
    int images = groups.batch - group * groups.group_images;
    if (images > groups.group_images) images = groups.group_images;
    return (double)images * groups.pixels;
}

// What a batch norm has for each channel: parameters and running statistics [channels], and what its coefficients are written
// to, [group][channels] each.
struct Norm {
    const float *gamma, *beta;
    float *running_mean, *running_variance, *scale, *shift, *mean;
    double* inverse_std;
    double epsilon, momentum;
};

// scale, shift, mean and inverse_std of a group's channel from its sum and sum of squares; running statistics from group 0, with
// the unbiased variance.
__device__ inline void write_coefficients(
    const Norm& norm, double sum, double squares, double count, int group, int channel, int channels) {
    double average = sum / count;
    double variance = squares / count - average * average;
    if (variance < 0.0) variance = 0.0;
    double inverse = 1.0 / sqrt(variance + norm.epsilon);
    double factor = norm.gamma[channel] * inverse;
    index_t place = (index_t)group * channels + channel;
    norm.scale[place] = (float)factor;
    norm.shift[place] = (float)(norm.beta[channel] - average * factor);
    norm.mean[place] = (float)average;
    norm.inverse_std[place] = inverse;
    if (group > 0) return;
    double unbiased = variance * count / (count - 1.0), kept = 1.0 - norm.momentum;
    norm.running_mean[channel] = (float)(norm.running_mean[channel] * kept + average * norm.momentum);
    norm.running_variance[channel] = (float)(norm.running_variance[channel] * kept + unbiased * norm.momentum);
}

// From sums[group][2][channels]. A thread a channel.
extern "C" __global__ void batch_norm_coefficients(const double* sums, Norm norm, int channels, Groups groups) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    for (int group = groups.first_group; group < groups.end_group; ++group) {
        const double* own = sums + (index_t)group * 2 * channels + channel;
        write_coefficients(norm, own[0], own[channels], count_of(groups, group), group, channel, channels);
    }
}

// From the chunks at once, where no other device has a part of the groups. Grid and block as of sum_chunks.
extern "C" __global__ void batch_norm_coefficients_of_chunks(
    const float* partial, int chunks, Norm norm, int channels, Groups groups) {
    int channel = blockIdx.x * CHUNK_CHANNELS + threadIdx.x, group = groups.first_group + blockIdx.y;
    double own[2];
    add_chunks(partial, chunks, channels, blockIdx.y, channel, own);
    if (threadIdx.y > 0 || channel >= channels) return;
    write_coefficients(norm, own[0], own[1], count_of(groups, group), group, channel, channels);
}

// scale and shift, [channels], from the running statistics. A thread a channel.
extern "C" __global__ void running_coefficients(
    const float* gamma, const float* beta, const float* running_mean, const float* running_variance, float* scale,
    float* shift, int channels, double epsilon) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double factor = gamma[channel] / sqrt(running_variance[channel] + epsilon);
    scale[channel] = (float)factor;
    shift[channel] = (float)(beta[channel] - running_mean[channel] * factor);
}

// What the gradient of a batch norm is made of, and what is written of it: the coefficients a, b, c of dx = a g + b x + c,
// coefficients[group][3][channels], and this device's part of the gradients of gamma and beta.
struct NormGradient {
    const float *gamma, *mean;
    const double* inverse_std;
    float *coefficients, *gamma_gradient, *beta_gradient;
};

// The coefficients of a group's channel from its sums of g and g (x - mean) over all devices.
__device__ inline void write_gradient_coefficients(
    const NormGradient& norm, double sum, double weighted, double count, int group, int channel, int channels) {
    index_t place = (index_t)group * channels + channel;
    double inverse = norm.inverse_std[place];
    double a = norm.gamma[channel] * inverse;
    double b = -a * inverse * (weighted * inverse) / count;
    double c = -a * sum / count - b * norm.mean[place];
    float* target = norm.coefficients + (index_t)group * 3 * channels + channel;
    target[0] = (float)a;
    target[channels] = (float)b;
    target[2 * channels] = (float)c;
}

// From `all`, sums over all devices, and `own`, this one's, [group][2][channels] each. A thread a channel.
extern "C" __global__ void batch_norm_gradient_coefficients(
    const double* own, const double* all, NormGradient norm, int channels, Groups groups) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double gamma_total = 0.0, beta_total = 0.0;
    for (int group = groups.first_group; group < groups.end_group; ++group) {
        index_t sum = (index_t)group * 2 * channels + channel;
        gamma_total += own[sum + channels] * norm.inverse_std[(index_t)group * channels + channel];
        beta_total += own[sum];
        double count = count_of(groups, group);
        write_gradient_coefficients(norm, all[sum], all[sum + channels], count, group, channel, channels);
    }
    norm.gamma_gradient[channel] = (float)gamma_total;
    norm.beta_gradient[channel] = (float)beta_total;
}

// From the chunks at once, where no other device has a part of the groups. Grid (channels / CHUNK_CHANNELS), block as of
// sum_chunks: the gradients of gamma and beta are sums over the groups.
extern "C" __global__ void batch_norm_gradient_coefficients_of_chunks(
    const float* partial, int chunks, NormGradient norm, int channels, Groups groups) {
    int channel = blockIdx.x * CHUNK_CHANNELS + threadIdx.x;
    bool writes = threadIdx.y == 0 && channel < channels;
    double gamma_total = 0.0, beta_total = 0.0;
    for (int group = groups.first_group; group < groups.end_group; ++group) {
        double own[2];
        add_chunks(partial, chunks, channels, group - groups.first_group, channel, own);
        if (!writes) continue;
        gamma_total += own[1] * norm.inverse_std[(index_t)group * channels + channel];
        beta_total += own[0];
        write_gradient_coefficients(norm, own[0], own[1], count_of(groups, group), group, channel, channels);
    }
    if (!writes) return;
    norm.gamma_gradient[channel] = (float)gamma_total;
    norm.beta_gradient[channel] = (float)beta_total;
}
