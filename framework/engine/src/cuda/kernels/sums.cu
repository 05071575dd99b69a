// Sums of up to four values or gradients, each changed on its way: batch norm with ReLU and residual in one pass.

// What enters a sum. Places that a kind does not use are not read.
struct Piece {
    const real* x;             // the value, or for NORMALISED what was normalised
    const real* g;             // gradients of NORMALISED and SPREAD
    const float* coefficients; // AFFINE: scale[group][channels]; NORMALISED: [group][3][channels]
    const float* shift;        // AFFINE: [group][channels]
    int kind, height, width, channels, stride, before;
};

struct Pieces {
    Piece piece[4];
    int count;
};

// x
#define COPY 0
// scale x + shift
#define AFFINE 1
// every stride-th pixel of x, a map of height x width x channels, behind `before` zero channels
#define SUBSAMPLE 2
// a g + b x + c, the gradient of a batch norm
#define NORMALISED 3
// the gradient of SUBSAMPLE: g is a map of height x width x channels
#define SPREAD 4

// A map of `images` images, and how they are grouped: this device's first image is image `first` of the whole batch.
struct Extent {
    int images, height, width, channels, group_images, first;
};

__device__ inline float value_of(const Piece& piece, const Extent& extent, index_t i) {
    if (piece.kind == COPY) return load(piece.x[i]);
    index_t pixels = (index_t)extent.height * extent.width;
    int channel = (int)(i % extent.channels);
    index_t image = i / extent.channels / pixels;
    index_t group = (extent.first + image) / extent.group_images;
    if (piece.kind == AFFINE) {
        index_t place = group * extent.channels + channel;
        return piece.coefficients[place] * load(piece.x[i]) + piece.shift[place];
    }
    if (piece.kind == NORMALISED) {
        const float* own = piece.coefficients + group * 3 * extent.channels + channel;
        return own[0] * load(piece.g[i]) + own[extent.channels] * load(piece.x[i]) + own[2 * extent.channels];
    }
    int pixel = (int)(i / extent.channels % pixels);
    int y = pixel / extent.width, x = pixel % extent.width;
    if (piece.kind == SUBSAMPLE) {
        int source = channel - piece.before;
        if (source < 0 || source >= piece.channels) return 0.0f;
        index_t place = (image * piece.height + y * piece.stride) * piece.width + x * piece.stride;
        return load(piece.x[place * piece.channels + source]);
    }
    if (y % piece.stride != 0 || x % piece.stride != 0) return 0.0f;
    index_t place = (image * piece.height + y / piece.stride) * piece.width + x / piece.stride;
    return load(piece.g[place * piece.channels + channel + piece.before]);
}

__device__ inline float sum_of(const Pieces& pieces, const Extent& extent, index_t i) {
    float sum = 0.0f;
    for (int piece = 0; piece < pieces.count; ++piece) sum += value_of(pieces.piece[piece], extent, i);
    return sum;
}

__device__ inline index_t len_of(const Extent& extent) {
    return (index_t)extent.images * extent.height * extent.width * extent.channels;
}

// out = sum, or below zero slope times the sum; a slope of 1 is no activation, of 0 ReLU.
extern "C" __global__ void sum_forward(Pieces pieces, real* out, Extent extent, float slope) {
    for (index_t i = first_index(); i < len_of(extent); i += index_stride()) {
        float sum = sum_of(pieces, extent, i);
        // What is not a number stays so; ReLU of minus infinity is zero.
        if (sum < 0.0f) sum = slope == 0.0f ? 0.0f : slope * sum;
        out[i] = store(sum);
    }
}

// out = sum, times slope where the activation's value (null without one) is not above zero. `out` may be the x of a COPY.
extern "C" __global__ void sum_backward(Pieces pieces, const real* value, real* out, Extent extent, float slope) {
    for (index_t i = first_index(); i < len_of(extent); i += index_stride()) {
        float sum = sum_of(pieces, extent, i);
        bool below = value != nullptr && !(load(value[i]) > 0.0f);
        out[i] = store(below ? slope * sum : sum);
    }
}
