// Pooling with a window, forward and backward. A thread an element; each gradient is gathered, so that none is added to by two.

struct Pooling {
    int images, height, width, channels, out_height, out_width;
    int kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
};

// Rows (or columns) of the input under a window, without padding.
__device__ inline int window_first(int out, int stride, int padding) {
    int first = out * stride - padding;
    return first < 0 ? 0 : first;
}

__device__ inline int window_end(int out, int stride, int padding, int kernel, int size) {
    int end = out * stride - padding + kernel;
    return end > size ? size : end;
}

// Windows that an input row (or column) lies under.
__device__ inline int cover_first(int in, int stride, int padding, int kernel) {
    int from = in + padding - kernel + 1;
    return from <= 0 ? 0 : (from + stride - 1) / stride;
}

__device__ inline int cover_end(int in, int stride, int padding, int out) {
    int end = (in + padding) / stride + 1;
    return end > out ? out : end;
}

// out = the largest value of each window: the first of equals; what is not a number wins and stays, as in PyTorch. Where there
// will be a backward pass, `winners` gets its place within the window, padding included; else it is null.
template <typename winner_t>
__device__ inline void largest_of_windows(const real* x, real* out, winner_t* winners, const Pooling& p) {
    index_t len = (index_t)p.images * p.out_height * p.out_width * p.channels;
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int channel = (int)(i % p.channels);
        index_t pixel = i / p.channels;
        int out_x = (int)(pixel % p.out_width), out_y = (int)(pixel / p.out_width % p.out_height);
        index_t image = pixel / p.out_width / p.out_height;
        int top = out_y * p.stride_height - p.padding_height, left = out_x * p.stride_width - p.padding_width;
        int y_end = window_end(out_y, p.stride_height, p.padding_height, p.kernel_height, p.height);
        int x_end = window_end(out_x, p.stride_width, p.padding_width, p.kernel_width, p.width);
        int winner = -1;
        float value = 0.0f;
        for (int y = window_first(out_y, p.stride_height, p.padding_height); y < y_end; ++y) {
            for (int column = window_first(out_x, p.stride_width, p.padding_width); column < x_end; ++column) {
                float candidate = load(x[((image * p.height + y) * p.width + column) * p.channels + channel]);
                if (winner < 0 || candidate > value || candidate != candidate) {
                    winner = (y - top) * p.kernel_width + column - left;
                    value = candidate;
                }
            }
        }
        out[i] = store(value);
        // No window lies in the padding alone.
        if (winners != nullptr) winners[i] = (winner_t)winner;
    }
}

// Every gradient to the winner of its window.
template <typename winner_t>
__device__ inline void gradients_of_winners(const winner_t* winners, const real* dy, real* dx, const Pooling& p) {
    index_t len = (index_t)p.images * p.height * p.width * p.channels;
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int channel = (int)(i % p.channels);
        index_t pixel = i / p.channels;
        int column = (int)(pixel % p.width), row = (int)(pixel / p.width % p.height);
        index_t image = pixel / p.width / p.height;
        float sum = 0.0f;
        int y_end = cover_end(row, p.stride_height, p.padding_height, p.out_height);
        int x_end = cover_end(column, p.stride_width, p.padding_width, p.out_width);
        for (int y = cover_first(row, p.stride_height, p.padding_height, p.kernel_height); y < y_end; ++y) {
            for (int z = cover_first(column, p.stride_width, p.padding_width, p.kernel_width); z < x_end; ++z) {
                int own_row = row + p.padding_height - y * p.stride_height;
                int own = own_row * p.kernel_width + column + p.padding_width - z * p.stride_width;
                index_t place = ((image * p.out_height + y) * p.out_width + z) * p.channels + channel;
                if (winners[place] == (winner_t)own) sum += load(dy[place]);
            }
        }
        dx[i] = store(sum);
    }
}

extern "C" __global__ void max_forward(const real* x, real* out, unsigned char* winners, Pooling p) {
    largest_of_windows(x, out, winners, p);
}

extern "C" __global__ void max_backward(const unsigned char* winners, const real* dy, real* dx, Pooling p) {
    gradients_of_winners(winners, dy, dx, p);
}

// For windows of more than 256 places.
extern "C" __global__ void max_forward_large(const real* x, real* out, int* winners, Pooling p) {
    largest_of_windows(x, out, winners, p);
}

extern "C" __global__ void max_backward_large(const int* winners, const real* dy, real* dx, Pooling p) {
    gradients_of_winners(winners, dy, dx, p);
}

// Mean of each window, padding counted as zeros.
extern "C" __global__ void average_forward(const real* x, real* out, Pooling p) {
    index_t len = (index_t)p.images * p.out_height * p.out_width * p.channels;
    float share = 1.0f / (float)(p.kernel_height * p.kernel_width);
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int channel = (int)(i % p.channels);
        index_t pixel = i / p.channels;
        int out_x = (int)(pixel % p.out_width), out_y = (int)(pixel / p.out_width % p.out_height);
        index_t image = pixel / p.out_width / p.out_height;
        float sum = 0.0f;
        int y_end = window_end(out_y, p.stride_height, p.padding_height, p.kernel_height, p.height);
        int x_end = window_end(out_x, p.stride_width, p.padding_width, p.kernel_width, p.width);
        for (int y = window_first(out_y, p.stride_height, p.padding_height); y < y_end; ++y) {
            for (int column = window_first(out_x, p.stride_width, p.padding_width); column < x_end; ++column) {
                sum += load(x[((image * p.height + y) * p.width + column) * p.channels + channel]);
            }
        }
        out[i] = store(sum * share);
    }
}

extern "C" __global__ void average_backward(const real* dy, real* dx, Pooling p) {
    index_t len = (index_t)p.images * p.height * p.width * p.channels;
    float share = 1.0f / (float)(p.kernel_height * p.kernel_width);
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int channel = (int)(i % p.channels);
        index_t pixel = i / p.channels;
        int column = (int)(pixel % p.width), row = (int)(pixel / p.width % p.height);
        index_t image = pixel / p.width / p.height;
        float sum = 0.0f;
        int y_end = cover_end(row, p.stride_height, p.padding_height, p.out_height);
        int x_end = cover_end(column, p.stride_width, p.padding_width, p.out_width);
        for (int y = cover_first(row, p.stride_height, p.padding_height, p.kernel_height); y < y_end; ++y) {
            for (int z = cover_first(column, p.stride_width, p.padding_width, p.kernel_width); z < x_end; ++z) {
                sum += load(dy[((image * p.out_height + y) * p.out_width + z) * p.channels + channel]);
            }
        }
        dx[i] = store(sum * share);
    }
}
