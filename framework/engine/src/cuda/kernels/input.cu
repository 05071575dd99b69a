// Input: CIFAR images that stay on the device, cropped, flipped, turned, normalised; and mixup.

// How one image is changed; drawn by the host, so that it is the same on every device. The turn is in 16.16 fixed point: the
// source of pixel (y, x) is (row_x + y row_step_x + x column_step_x) >> 16, and so on, as Pillow steps it.
struct Change {
    int top, left, flip;
    int turn; // 0: no turn, and the rest is not read
    long long row_x, row_y, column_step_x, column_step_y, row_step_x, row_step_y;
};

// out[image][y][x][3] from images[position[image]], bytes. Order: pad with black and crop, flip, turn. `table` is the
// normalised value of each byte, [256][3].
extern "C" __global__ void augment(
    const unsigned char* images, const int* position, const Change* changes, const float* table, real* out, int count,
    int height, int width, int padding) {
    index_t len = (index_t)count * height * width;
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int x = (int)(i % width), y = (int)(i / width % height);
        int image = (int)(i / width / height);
        const Change change = changes[image];
        long long column = x, row = y;
        if (change.turn) {
            column = (change.row_x + y * change.row_step_x + x * change.column_step_x) >> 16;
            row = (change.row_y + y * change.row_step_y + x * change.column_step_y) >> 16;
        }
        bool inside = column >= 0 && column < width && row >= 0 && row < height;
        if (change.flip) column = width - 1 - column;
        column += change.left - padding;
        row += change.top - padding;
        inside = inside && column >= 0 && column < width && row >= 0 && row < height;
        const unsigned char* source = images + (((index_t)position[image] * height + row) * width + column) * 3;
        for (int channel = 0; channel < 3; ++channel) {
            int byte = inside ? source[channel] : 0;
            out[i * 3 + channel] = store(table[byte * 3 + channel]);
        }
    }
}

// out = lambda x + (1 - lambda) x[partner], image by image of `len` values; `out` is not `x`.
extern "C" __global__ void mixup(
    const real* x, const int* partner, const float* lambda, real* out, int images, int len) {
    index_t all = (index_t)images * len;
    for (index_t i = first_index(); i < all; i += index_stride()) {
        int image = (int)(i / len);
        float weight = lambda[image];
        float other = load(x[(index_t)partner[image] * len + i % len]);
        out[i] = store(weight * load(x[i]) + (1.0f - weight) * other);
    }
}
