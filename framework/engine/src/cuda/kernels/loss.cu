// Logit-adjusted cross-entropy with soft targets, loss and gradient in one pass.
//
// The target of a row is (1 - smoothing) (lambda e_first + (1 - lambda) e_second) + smoothing / classes. `weight` is
// 1 / (experts x images of the whole batch), so that gradients of several devices add up. Labels, lambda and smoothing are in
// memory, so that a recorded step can be replayed with others.

// Grid (rows, experts), block one-dimensional of up to 256 threads, a power of two. Tensors of an expert follow one another:
// logits and gradient [experts][rows][classes], adjustment [experts][classes], losses [experts][rows].
// A class without images may have an adjustment of minus infinity: what weighs nothing is not added, since 0 x infinity is no
// number.
extern "C" __global__ void logit_adjusted_cross_entropy(
    const float* logits, const float* adjustment, const int* first, const int* second, const float* lambda,
    const float* smoothing, float weight, float* gradient, float* losses, int rows, int classes) {
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
    float share = *smoothing / (float)classes, kept = 1.0f - *smoothing;
    float own = lambda[row] * kept, other = (1.0f - lambda[row]) * kept;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        float target = share;
        if (c == first[row]) target += own;
        if (c == second[row]) target += other;
        out[c] = weight * (expf(z[c] + bias[c] - largest) / sum - target);
    }
    if (threadIdx.x == 0) {
        float expected = 0.0f;
        if (own != 0.0f) expected += own * (z[first[row]] + bias[first[row]]);
        if (other != 0.0f) expected += other * (z[second[row]] + bias[second[row]]);
        if (share != 0.0f) expected += share * total;
        losses[(index_t)expert * rows + row] = largest + logf(sum) - expected;
    }
}

// correct[row] = lambda [prediction = first] + (1 - lambda) [prediction = second], where the prediction is the first largest of
// the sums of the experts' logits. A block a row, of up to 256 threads, a power of two.
extern "C" __global__ void mixed_correct(
    const float* logits, const int* first, const int* second, const float* lambda, float* correct, int experts, int rows,
    int classes) {
    __shared__ float room[256];
    int row = blockIdx.x;
    float best = __uint_as_float(0xff800000u);
    int place = 0;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        float sum = 0.0f;
        for (int expert = 0; expert < experts; ++expert) sum += logits[((index_t)expert * rows + row) * classes + c];
        if (sum > best) {
            best = sum;
            place = c;
        }
    }
    float largest = block_max(best, room);
    // Classes are far fewer than the integers that a float holds exactly.
    float candidate = best == largest ? -(float)place : -16777216.0f;
    int prediction = (int)-block_max(candidate, room);
    if (threadIdx.x == 0) {
        float own = prediction == first[row] ? lambda[row] : 0.0f;
        correct[row] = own + (prediction == second[row] ? 1.0f - lambda[row] : 0.0f);
    }
}

// outcome[0] = share x the sum of all losses, outcome[1] = the sum of correct[rows]. One block of 256 threads.
// A loss that is not finite stays until the host takes it away, so that nothing is updated by steps that were begun before the
// host has seen it.
extern "C" __global__ void step_outcome(
    const float* losses, const float* correct, double* outcome, int experts, int rows, double share) {
    __shared__ double room[2][256];
    double loss = 0.0, right = 0.0;
    for (int i = threadIdx.x; i < experts * rows; i += blockDim.x) loss += losses[i];
    for (int i = threadIdx.x; i < rows; i += blockDim.x) right += correct[i];
    room[0][threadIdx.x] = loss;
    room[1][threadIdx.x] = right;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            room[0][threadIdx.x] += room[0][threadIdx.x + half];
            room[1][threadIdx.x] += room[1][threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0 && outcome[0] - outcome[0] == 0.0) outcome[0] = share * room[0][0];
    if (threadIdx.x == 0) outcome[1] = room[1][0];
}
