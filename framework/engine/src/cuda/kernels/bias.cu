// Biases of classifiers, in float, and of convolutions, on feature maps.

// values[row][channel] += bias[channel].
extern "C" __global__ void add_bias(float* values, const float* bias, int rows, int channels) {
    index_t len = (index_t)rows * channels;
    for (index_t i = first_index(); i < len; i += index_stride()) values[i] += bias[i % channels];
}

// gradient[channel] = sum of g over rows. Grid (channels / SUM_COLUMNS), block (SUM_COLUMNS, SUM_LANES).
extern "C" __global__ void bias_gradient(const float* g, float* gradient, int rows, int channels) {
    int channel = blockIdx.x * SUM_COLUMNS + threadIdx.x;
    double sum = 0.0;
    if (channel < channels) {
#pragma unroll 4
        for (int row = threadIdx.y; row < rows; row += SUM_LANES) sum += g[(index_t)row * channels + channel];
    }
    sum = lane_sum(sum);
    if (threadIdx.y == 0 && channel < channels) gradient[channel] = (float)sum;
}

// map[pixel][channel] += bias[channel].
extern "C" __global__ void add_map_bias(real* map, const float* bias, int pixels, int channels) {
    index_t len = (index_t)pixels * channels;
    for (index_t i = first_index(); i < len; i += index_stride()) map[i] = store(load(map[i]) + bias[i % channels]);
}

// gradient[channel] from the sums of `sum_chunks` over one group that is everything, sums[2][channels]. A thread a channel.
extern "C" __global__ void map_bias_gradient(const double* sums, float* gradient, int channels) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel < channels) gradient[channel] = (float)sums[channel];
}
