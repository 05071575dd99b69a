// The update, and conversions between master weights and what the kernels read.

// SGD with momentum and weight decay as PyTorch defines it, on master weights; `copy` (null in float) receives what kernels
// read. The rate is in memory, so that a recorded step can be replayed with another.
extern "C" __global__ void sgd(
    float* parameter, float* velocity, const float* gradient, real* copy, const float* rate, float momentum,
    float weight_decay, int nesterov, index_t len) {
    for (index_t i = first_index(); i < len; i += index_stride()) {
        float value = parameter[i];
        float g = gradient[i] + weight_decay * value;
        float v = momentum * velocity[i] + g;
        velocity[i] = v;
        value -= *rate * (nesterov ? g + momentum * v : v);
        parameter[i] = value;
        if (copy != nullptr) copy[i] = store(value);
    }
}

extern "C" __global__ void to_real(const float* x, real* out, index_t len) {
    for (index_t i = first_index(); i < len; i += index_stride()) out[i] = store(x[i]);
}

extern "C" __global__ void to_float(const real* x, float* out, index_t len) {
    for (index_t i = first_index(); i < len; i += index_stride()) out[i] = load(x[i]);
}
