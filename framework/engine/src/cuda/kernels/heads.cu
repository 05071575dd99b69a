// The cosine head around its matrix products, which are cuBLASLt's: unit vectors before, projections after. Everything but the
// features is float.

// Smallest norm that a vector is divided by; where it is reached the norm is a constant, and nothing is projected out.
#define SMALLEST_NORM 1e-12f

__device__ inline float at_least_smallest(float norm) { return norm < SMALLEST_NORM ? SMALLEST_NORM : norm; }

// unit[row] = x[row] / |x[row]|. A block a row, of up to 256 threads.
extern "C" __global__ void unit_rows(const real* x, float* unit, float* norms, int features) {
    __shared__ float room[256];
    index_t row = (index_t)blockIdx.x * features;
    float square = 0.0f;
    for (int i = threadIdx.x; i < features; i += blockDim.x) {
        float value = load(x[row + i]);
        square += value * value;
    }
    float norm = at_least_smallest(sqrtf(block_sum(square, room)));
    if (threadIdx.x == 0) norms[blockIdx.x] = norm;
    for (int i = threadIdx.x; i < features; i += blockDim.x) unit[row + i] = load(x[row + i]) / norm;
}

// The same for each column of weight[features][classes]. Grid (classes / SUM_COLUMNS), block (SUM_COLUMNS, SUM_LANES).
extern "C" __global__ void unit_columns(
    const float* __restrict__ weight, float* __restrict__ unit, float* norms, int features, int classes) {
    int class_index = blockIdx.x * SUM_COLUMNS + threadIdx.x;
    int own = class_index < classes ? features : 0;
    float square = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.y; i < own; i += SUM_LANES) {
        float value = weight[(index_t)i * classes + class_index];
        square += value * value;
    }
    float norm = at_least_smallest(sqrtf(lane_sum(square)));
    if (threadIdx.y == 0 && own > 0) norms[class_index] = norm;
#pragma unroll 4
    for (int i = threadIdx.y; i < own; i += SUM_LANES) {
        index_t place = (index_t)i * classes + class_index;
        unit[place] = weight[place] / norm;
    }
}

// dx[row] = (d - u <u, d>) / |x| for unit features u and their gradient d. A block a row, of up to 256 threads.
extern "C" __global__ void project_rows(
    const float* unit, const float* gradient, const float* norms, real* dx, int features) {
    __shared__ float room[256];
    index_t row = (index_t)blockIdx.x * features;
    float dot = 0.0f;
    for (int i = threadIdx.x; i < features; i += blockDim.x) dot += unit[row + i] * gradient[row + i];
    dot = block_sum(dot, room);
    float norm = norms[blockIdx.x];
    if (!(norm > SMALLEST_NORM)) dot = 0.0f;
    for (int i = threadIdx.x; i < features; i += blockDim.x) {
        dx[row + i] = store((gradient[row + i] - unit[row + i] * dot) / norm);
    }
}

// The same for each column of the weight's gradient. Grid and block as of unit_columns.
extern "C" __global__ void project_columns(
    const float* __restrict__ unit, const float* __restrict__ gradient, const float* norms,
    float* __restrict__ weight_gradient, int features, int classes) {
    int class_index = blockIdx.x * SUM_COLUMNS + threadIdx.x;
    int own = class_index < classes ? features : 0;
    float dot = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.y; i < own; i += SUM_LANES) {
        index_t place = (index_t)i * classes + class_index;
        dot += unit[place] * gradient[place];
    }
    dot = lane_sum(dot);
    if (own == 0) return;
    float norm = norms[class_index];
    if (!(norm > SMALLEST_NORM)) dot = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.y; i < own; i += SUM_LANES) {
        index_t place = (index_t)i * classes + class_index;
        weight_gradient[place] = (gradient[place] - unit[place] * dot) / norm;
    }
}
