// Runs CUDA kernels on the processor: the blocks of a grid one after the other, the threads of a block as coroutines that
// change at __syncthreads. What is emulated is what our kernels use, and a thread sees no other order than a GPU may choose.
//
// A kernel whose first launch synchronises nowhere is run as plain loops from then on.

#include <setjmp.h>
#include <ucontext.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static // one block runs at a time
#define __launch_bounds__(...)

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

// Vectors, read from and written to arrays of anything; where one does not lie at a multiple of its size, the sanitizer stops
// the process, as a GPU would.
struct __attribute__((may_alias, aligned(16))) uint4 {
    unsigned x, y, z, w;
};
struct __attribute__((may_alias, aligned(16))) float4 {
    float x, y, z, w;
};
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// A thread of a block. It lives on after its kernel, for the next block.
struct Coroutine {
    std::unique_ptr<char[]> stack;
    ucontext_t context;
    jmp_buf place;
    Dim3 index;
    bool started, done;
};
static const size_t STACK = 64 << 10;
static std::vector<std::unique_ptr<Coroutine>> coroutines;
static ucontext_t caller;
static jmp_buf scheduler;
static Coroutine* current; // null in plain loops
static bool synchronised;
static const std::function<void()>* kernel_body;

// Changes to the scheduler, and comes back when the thread is to go on.
static void leave() {
    if (_setjmp(current->place) == 0) _longjmp(scheduler, 1);
}

static void __syncthreads() {
    if (current == nullptr) {
        std::fprintf(stderr, "a kernel that did not synchronise before does now\n");
        std::abort();
    }
    synchronised = true;
    leave();
}

static void live() {
    for (;;) {
        (*kernel_body)();
        current->done = true;
        leave();
    }
}

static void resume(Coroutine* thread) {
    current = thread;
    threadIdx = thread->index;
    if (_setjmp(scheduler) != 0) return;
    if (thread->started) _longjmp(thread->place, 1);
    thread->started = true;
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = thread->stack.get();
    thread->context.uc_stack.ss_size = STACK;
    thread->context.uc_link = nullptr;
    makecontext(&thread->context, live, 0);
    swapcontext(&caller, &thread->context);
}

template <class F>
static void for_all(Dim3 size, F f) {
    for (unsigned z = 0; z < size.z; ++z)
        for (unsigned y = 0; y < size.y; ++y)
            for (unsigned x = 0; x < size.x; ++x) f(Dim3{x, y, z});
}

static void run_block() {
    size_t count = 0;
    for_all(blockDim, [&](Dim3 index) {
        if (count == coroutines.size()) {
            coroutines.emplace_back(new Coroutine{});
            coroutines.back()->stack.reset(new char[STACK]);
        }
        coroutines[count]->index = index;
        coroutines[count++]->done = false;
    });
    for (bool running = true; running;) {
        running = false;
        // Backward, so that kernels that forget to synchronise give wrong results.
        for (size_t i = count; i-- > 0;) {
            if (coroutines[i]->done) continue;
            resume(coroutines[i].get());
            running |= !coroutines[i]->done;
        }
    }
}

// How a kernel is run; its first launch tells.
enum Style { UNKNOWN, PLAIN, SYNCHRONISING };

static void run_grid(Style& style, const unsigned* grid, const unsigned* block, const std::function<void()>& body) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    kernel_body = &body;
    synchronised = false;
    for_all(gridDim, [&](Dim3 index) {
        blockIdx = index;
        if (style != PLAIN) return run_block();
        current = nullptr;
        for_all(blockDim, [&](Dim3 thread) {
            threadIdx = thread;
            body();
        });
    });
    if (style == UNKNOWN) style = synchronised ? SYNCHRONISING : PLAIN;
}

template <class... A, size_t... I>
static void call_with(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}
template <class... A>
static void call(void (*kernel)(A...), void** arguments) {
    call_with(kernel, arguments, std::index_sequence_for<A...>{});
}
template <class... A>
static unsigned parameters(void (*)(A...)) {
    return sizeof...(A);
}

// The counterpart of cuLaunchKernel for one kernel, and how many parameters it has.
#define EMULATE(name)                                                                               \
    extern "C" void emulate_##name(const unsigned* grid, const unsigned* block, void** arguments) { \
        static Style style = UNKNOWN;                                                               \
        run_grid(style, grid, block, [=] { call(name, arguments); });                               \
    }                                                                                               \
    extern "C" unsigned parameters_##name() { return parameters(name); }
