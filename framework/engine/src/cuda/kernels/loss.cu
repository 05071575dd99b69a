// Logit-adjusted cross-entropy with soft targets, loss and gradient in one pass.
//
// The target of a row is (1 - smoothing) (lambda e_first + (1 - lambda) e_second) + smoothing / classes. `weight` is
// 1 / (experts x images of the whole batch), so that gradients of several devices add up.

// Grid (rows, experts), block one-dimensional of up to 256 threads, a power of two. Tensors of an expert follow one another:
// logits and gradient [experts][rows][classes], adjustment [experts][classes], losses [experts][rows].
extern "C" __global__ void logit_adjusted_cross_entropy(
    const float* logits, const float* adjustment, const int* first, const int* second, const float* lambda, float smoothing,
    float weight, float* gradient, float* losses, int rows, int classes) {
    __shared__ float room[256];
    int row = blockIdx.x, expert = blockIdx.y;
    const float* z = logits + ((index_t)expert * rows + row) * classes;
    const float* bias = adjustment + (index_t)expert * classes;
    float* out = gradient + ((index_t)expert * rows + row) * classes;
    float largest = __uint_as_float(0xff800000u), total = 0.0f;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        largest = fmaxf(largest, z[c] + bias[c]);
        total += z[c] + bias[c];
    }
    largest = block_max(largest, room);
    float sum = 0.0f;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) sum += expf(z[c] + bias[c] - largest);
    sum = block_sum(sum, room);
    total = block_sum(total, room);
    float share = smoothing / (float)classes, kept = 1.0f - smoothing;
    float own = lambda[row] * kept, other = (1.0f - lambda[row]) * kept;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        float target = share;
        if (c == first[row]) target += own;
        if (c == second[row]) target += other;
        out[c] = weight * (expf(z[c] + bias[c] - largest) / sum - target);
    }
    if (threadIdx.x == 0) {
        float expected = own * (z[first[row]] + bias[first[row]]) + other * (z[second[row]] + bias[second[row]]);
        losses[(index_t)expert * rows + row] = largest + logf(sum) - (expected + share * total);
    }
}
