// Runs CUDA kernels on the processor: the blocks of a grid one after the other, the threads of a block as coroutines that
// change at __syncthreads. What is emulated is what our kernels use, and a thread sees no other order than a GPU may choose.

#include <ucontext.h>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static // one block runs at a time

struct Dim3 {
    unsigned x, y, z;
};
static Dim3 threadIdx, blockIdx, blockDim, gridDim;

static float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
static unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

struct Coroutine {
    ucontext_t context;
    std::vector<char> stack;
    Dim3 place;
    bool done;
};
static ucontext_t scheduler;
static Coroutine* current;
static const std::function<void()>* kernel_body;

static void __syncthreads() { swapcontext(&current->context, &scheduler); }

static void enter() {
    (*kernel_body)();
    current->done = true;
    swapcontext(&current->context, &scheduler);
}

static void run_block(std::vector<Coroutine>& threads) {
    unsigned at = 0;
    for (unsigned z = 0; z < blockDim.z; ++z)
        for (unsigned y = 0; y < blockDim.y; ++y)
            for (unsigned x = 0; x < blockDim.x; ++x) {
                Coroutine& thread = threads[at++];
                thread.place = {x, y, z};
                thread.done = false;
                thread.stack.resize(64 << 10);
                getcontext(&thread.context);
                thread.context.uc_stack.ss_sp = thread.stack.data();
                thread.context.uc_stack.ss_size = thread.stack.size();
                thread.context.uc_link = nullptr;
                makecontext(&thread.context, enter, 0);
            }
    for (bool running = true; running;) {
        running = false;
        // Backward, so that kernels that forget to synchronise give wrong results.
        for (auto thread = threads.rbegin(); thread != threads.rend(); ++thread) {
            if (thread->done) continue;
            current = &*thread;
            threadIdx = thread->place;
            swapcontext(&scheduler, &thread->context);
            running |= !thread->done;
        }
    }
}

static void run_grid(const unsigned* grid, const unsigned* block, const std::function<void()>& body) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    kernel_body = &body;
    std::vector<Coroutine> threads((size_t)block[0] * block[1] * block[2]);
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                run_block(threads);
            }
}

template <class... A, size_t... I>
static void call_with(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}
template <class... A>
static void call(void (*kernel)(A...), void** arguments) {
    call_with(kernel, arguments, std::index_sequence_for<A...>{});
}

// The counterpart of cuLaunchKernel for one kernel.
#define EMULATE(name)                                                                             \
    extern "C" void emulate_##name(const unsigned* grid, const unsigned* block, void** arguments) { \
        run_grid(grid, block, [=] { call(name, arguments); });                                    \
    }
