// Batch norm: sums over groups of images, the coefficients that they give, and those of the gradient.
//
// A group is `group_rows` consecutive rows (pixels) of the whole batch; this device has `rows` of them, from `first_row` on.
// Its local group 0 is the one that its first row lies in. Normalising itself is part of sums.cu.

// Columns and rows of a block that forms partial sums.
#define COLUMNS 32
#define LANES 8

__device__ inline int first_of_group(int group, int group_rows, int first_row) {
    index_t first = (index_t)(first_row / group_rows + group) * group_rows - first_row;
    return first < 0 ? 0 : (int)first;
}

__device__ inline int end_of_group(int group, int group_rows, int first_row, int rows) {
    index_t end = (index_t)(first_row / group_rows + group + 1) * group_rows - first_row;
    return end > rows ? rows : (int)end;
}

// Adds up each thread's two sums over the block's lanes, and writes them to partial[group][chunk][2][channels].
__device__ inline void write_partial(float first, float second, float* partial, int channels) {
    __shared__ float room[2][LANES][COLUMNS];
    room[0][threadIdx.y][threadIdx.x] = first;
    room[1][threadIdx.y][threadIdx.x] = second;
    __syncthreads();
    int channel = blockIdx.x * COLUMNS + threadIdx.x;
    if (threadIdx.y < 2 && channel < channels) {
        float sum = 0.0f;
        for (int lane = 0; lane < LANES; ++lane) sum += room[threadIdx.y][lane][threadIdx.x];
        index_t place = ((index_t)blockIdx.z * gridDim.y + blockIdx.y) * 2 + threadIdx.y;
        partial[place * channels + channel] = sum;
    }
}

// Partial sums and sums of squares of x.
// Grid (channels / COLUMNS, chunks of a group, local groups), block (COLUMNS, LANES).
extern "C" __global__ void moments(
    const real* x, float* partial, int rows, int channels, int group_rows, int first_row, int chunk_rows) {
    int channel = blockIdx.x * COLUMNS + threadIdx.x;
    int first = first_of_group(blockIdx.z, group_rows, first_row) + blockIdx.y * chunk_rows;
    int end = end_of_group(blockIdx.z, group_rows, first_row, rows);
    if (end > first + chunk_rows) end = first + chunk_rows;
    float sum = 0.0f, squares = 0.0f;
    if (channel < channels) {
        for (int row = first + threadIdx.y; row < end; row += LANES) {
            float value = load(x[(index_t)row * channels + channel]);
            sum += value;
            squares += value * value;
        }
    }
    write_partial(sum, squares, partial, channels);
}

// Partial sums of g and of g (x - mean), mean[group][channels] being counted over the whole batch. Geometry as above.
extern "C" __global__ void gradient_moments(
    const real* g, const real* x, const float* mean, float* partial, int rows, int channels, int group_rows, int first_row,
    int chunk_rows) {
    int channel = blockIdx.x * COLUMNS + threadIdx.x;
    int first = first_of_group(blockIdx.z, group_rows, first_row) + blockIdx.y * chunk_rows;
    int end = end_of_group(blockIdx.z, group_rows, first_row, rows);
    if (end > first + chunk_rows) end = first + chunk_rows;
    float sum = 0.0f, weighted = 0.0f;
    if (channel < channels) {
        float centre = mean[(index_t)(first_row / group_rows + blockIdx.z) * channels + channel];
        for (int row = first + threadIdx.y; row < end; row += LANES) {
            index_t place = (index_t)row * channels + channel;
            float gradient = load(g[place]);
            sum += gradient;
            weighted += gradient * (load(x[place]) - centre);
        }
    }
    write_partial(sum, weighted, partial, channels);
}

// sums[group][2][channels], groups counted over the whole batch, from the chunks of the local groups.
// Grid (2 channels / 8, local groups), block (8, 32): 32 threads add up every 32nd chunk of a sum, and then each other's, always in
// the same order. One thread alone would wait for every chunk in turn, which takes longer than all the reading.
extern "C" __global__ void sum_chunks(const float* partial, double* sums, int chunks, int channels, int first_group) {
    __shared__ double room[32][8];
    int place = blockIdx.x * 8 + threadIdx.x, lane = threadIdx.y;
    double sum = 0.0;
    if (place < 2 * channels) {
        for (int chunk = lane; chunk < chunks; chunk += 32) {
            sum += partial[((index_t)blockIdx.y * chunks + chunk) * 2 * channels + place];
        }
    }
    room[lane][threadIdx.x] = sum;
    __syncthreads();
    for (int half = 16; half > 0; half /= 2) {
        if (lane < half) room[lane][threadIdx.x] += room[lane + half][threadIdx.x];
        __syncthreads();
    }
    if (lane == 0 && place < 2 * channels) {
        sums[(index_t)(first_group + blockIdx.y) * 2 * channels + place] = room[0][threadIdx.x];
    }
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

// scale, shift, mean and inverse_std, [group][channels] each, from sums and sums of squares; running statistics from group 0,
// with the unbiased variance. A thread a channel.
extern "C" __global__ void batch_norm_coefficients(
    const double* sums, const float* gamma, const float* beta, float* running_mean, float* running_variance, float* scale,
    float* shift, float* mean, double* inverse_std, int channels, Groups groups, double epsilon, double momentum) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    for (int group = groups.first_group; group < groups.end_group; ++group) {
        double count = count_of(groups, group);
        const double* own = sums + (index_t)group * 2 * channels;
        double average = own[channel] / count;
        double variance = own[channels + channel] / count - average * average;
        if (variance < 0.0) variance = 0.0;
        double inverse = 1.0 / sqrt(variance + epsilon);
        double factor = gamma[channel] * inverse;
        index_t place = (index_t)group * channels + channel;
        scale[place] = (float)factor;
        shift[place] = (float)(beta[channel] - average * factor);
        mean[place] = (float)average;
        inverse_std[place] = inverse;
        if (group == 0) {
            double unbiased = variance * count / (count - 1.0);
            running_mean[channel] = (float)(running_mean[channel] * (1.0 - momentum) + average * momentum);
            running_variance[channel] = (float)(running_variance[channel] * (1.0 - momentum) + unbiased * momentum);
        }
    }
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

// The coefficients a, b, c of dx = a g + b x + c, coefficients[group][3][channels], from `all` (sums over all devices), and
// this device's part of the gradients of gamma and beta from `own`. A thread a channel.
extern "C" __global__ void batch_norm_gradient_coefficients(
    const double* own, const double* all, const float* gamma, const float* mean, const double* inverse_std,
    float* coefficients, float* gamma_gradient, float* beta_gradient, int channels, Groups groups) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double gamma_total = 0.0, beta_total = 0.0;
    for (int group = groups.first_group; group < groups.end_group; ++group) {
        index_t place = (index_t)group * channels + channel, sum = (index_t)group * 2 * channels + channel;
        double count = count_of(groups, group), inverse = inverse_std[place];
        gamma_total += own[sum + channels] * inverse;
        beta_total += own[sum];
        double a = gamma[channel] * inverse;
        double b = -a * inverse * (all[sum + channels] * inverse) / count;
        double c = -a * all[sum] / count - b * mean[place];
        float* target = coefficients + (index_t)group * 3 * channels + channel;
        target[0] = (float)a;
        target[channels] = (float)b;
        target[2 * channels] = (float)c;
    }
    gamma_gradient[channel] = (float)gamma_total;
    beta_gradient[channel] = (float)beta_total;
}
