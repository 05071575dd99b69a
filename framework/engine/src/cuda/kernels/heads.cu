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

// The same for each column of weight[features][classes]. A thread a class.
extern "C" __global__ void unit_columns(const float* weight, float* unit, float* norms, int features, int classes) {
    int class_index = blockIdx.x * blockDim.x + threadIdx.x;
    if (class_index >= classes) return;
    float square = 0.0f;
    for (int i = 0; i < features; ++i) {
        float value = weight[(index_t)i * classes + class_index];
        square += value * value;
    }
    float norm = at_least_smallest(sqrtf(square));
    norms[class_index] = norm;
    for (int i = 0; i < features; ++i) {
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

// The same for each column of the weight's gradient. A thread a class.
extern "C" __global__ void project_columns(
    const float* unit, const float* gradient, const float* norms, float* weight_gradient, int features, int classes) {
    int class_index = blockIdx.x * blockDim.x + threadIdx.x;
    if (class_index >= classes) return;
    float dot = 0.0f;
    for (int i = 0; i < features; ++i) {
        index_t place = (index_t)i * classes + class_index;
        dot += unit[place] * gradient[place];
    }
    float norm = norms[class_index];
    if (!(norm > SMALLEST_NORM)) dot = 0.0f;
    for (int i = 0; i < features; ++i) {
        index_t place = (index_t)i * classes + class_index;
        weight_gradient[place] = (gradient[place] - unit[place] * dot) / norm;
    }
}
