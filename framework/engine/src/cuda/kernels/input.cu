// Input: images that lie on the device as bytes; their pixels are moved, normalised and blended.

// Where each pixel of a changed image comes from, drawn by the host, so that it is the same on every device: the pixel at (x, y)
// is the one at (origin + x column_step + y row_step) >> 16, and black outside. Pairs are (column, row).
struct PixelMap {
    long long origin[2], column_step[2], row_step[2];
};

// Inside a box, `weight` of an image is left, and the rest is its partner's. In memory, so that a recorded step can be replayed
// with another one.
struct Blend {
    float weight;
    int top, bottom, left, right;
};

// Where the pixel at (x, y) is in the bytes of an image whose pixels were moved by `steps` maps, the first one first; less than
// zero where one of them leads outside.
__device__ inline int source_of(const PixelMap* maps, int steps, int x, int y, int height, int width) {
    for (int step = steps - 1; step >= 0; --step) {
        const PixelMap& map = maps[step];
        long long column = (map.origin[0] + x * map.column_step[0] + y * map.row_step[0]) >> 16;
        long long row = (map.origin[1] + x * map.column_step[1] + y * map.row_step[1]) >> 16;
        if (column < 0 || column >= width || row < 0 || row >= height) return -1;
        x = (int)column;
        y = (int)row;
    }
    return (y * width + x) * 3;
}

// out[image][y][x][3] from images[][y][x][3]. positions[2][count] says which images are seen, and which are their partners,
// maps[2][count][steps] how their pixels are moved; `table` is the normalised value of each byte, [256][3]. A thread a pixel.
extern "C" __global__ void view_images(
    const unsigned char* images, const int* positions, const PixelMap* maps, const Blend* blend, const float* table, real* out,
    int count, int steps, int height, int width) {
    int pixels = height * width;
    index_t len = (index_t)count * pixels;
    for (index_t i = first_index(); i < len; i += index_stride()) {
        int image = (int)(i / pixels), pixel = (int)(i - (index_t)image * pixels);
        int y = pixel / width, x = pixel - y * width;
        const unsigned char* own = images + (index_t)positions[image] * pixels * 3;
        int source = source_of(maps + (index_t)image * steps, steps, x, y, height, width);
        bool blends = y >= blend->top && y < blend->bottom && x >= blend->left && x < blend->right;
        float weight = blends ? blend->weight : 1.0f;
        int partner = count + image;
        const unsigned char* other = images + (index_t)positions[partner] * pixels * 3;
        int other_source = blends ? source_of(maps + (index_t)partner * steps, steps, x, y, height, width) : -1;
        for (int channel = 0; channel < 3; ++channel) {
            float value = table[(source < 0 ? 0 : own[source + channel]) * 3 + channel];
            if (blends) {
                float its = table[(other_source < 0 ? 0 : other[other_source + channel]) * 3 + channel];
                value = weight * value + (1.0f - weight) * its;
            }
            out[i * 3 + channel] = store(value);
        }
    }
}
