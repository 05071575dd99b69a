// The update, and conversions between master weights and what the kernels read.

// What an update is made with; in memory, so that a recorded step can be replayed with another rate.
struct Sgd {
    float rate, momentum, weight_decay;
    int nesterov;
};

// SGD with momentum and weight decay as PyTorch defines it, on master weights; `copy` (null in float) receives what kernels
// read. Where there is a loss and it is not finite, nothing changes.
extern "C" __global__ void sgd(
    float* parameter, float* velocity, const float* gradient, real* copy, const Sgd* settings, const double* loss, index_t len) {
    if (loss != nullptr && !(*loss - *loss == 0.0)) return;
    float rate = settings->rate, momentum = settings->momentum, weight_decay = settings->weight_decay;
    bool nesterov = settings->nesterov != 0;
    for (index_t i = first_index(); i < len; i += index_stride()) {
        float value = parameter[i];
        float g = gradient[i] + weight_decay * value;
        float v = momentum * velocity[i] + g;
        velocity[i] = v;
        value -= rate * (nesterov ? g + momentum * v : v);
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
