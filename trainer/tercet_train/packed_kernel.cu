// packed_kernel.cu - the product of int8 activations and ternary weights packed two bits each, for a few tokens at a time (PyTorch on CUDA).
// One warp an output row; every lane takes each 32nd word of 16 weights. What a lane computes is plain C++, which a test compiles without
// CUDA and compares with the reference: the arithmetic is tried everywhere, the launch only where there is a GPU.
//
// A word: byte j of it holds, from its lowest bits up, the codes (weight + 1) of columns j, 4 + j, 8 + j, 12 + j, as the engine's tiles do.

#include <cstdint>

#ifdef __CUDACC__
#define ON_BOTH __device__ __forceinline__
#else
#define ON_BOTH static inline
#endif

enum { LANES = 32, WORD_COLUMNS = 16, GROUP_WORDS = 128 / WORD_COLUMNS };

/* sum + the four products of signed bytes. */
ON_BOTH int dot4(uint32_t a, uint32_t b, int sum) {
#ifdef __CUDACC__
    return __dp4a((int)a, (int)b, sum);
#else
    for (int i = 0; i < 4; i++) {
        sum += (int)(int8_t)(a >> 8 * i) * (int)(int8_t)(b >> 8 * i);
    }
    return sum;
#endif
}

/* Of one word: the sum over 16 columns of activation times weight. x: four words of int8. */
ON_BOTH int word_sum(uint32_t codes, const uint32_t *x) {
    int sum = 0, ones = 0;
    for (int field = 0; field < 4; field++) {
        sum = dot4(x[field], codes >> 2 * field & 0x03030303u, sum);
        ones = dot4(x[field], 0x01010101u, ones);
    }
    return sum - ones;
}

/* One lane's share of an output: an exact integer if the row has one scale, else already times the scales of its groups. */
ON_BOTH float lane_sum(const uint32_t *row, const uint32_t *x, const float *group_scales, int words, int lane) {
    if (group_scales == nullptr) {
        int sum = 0;
        for (int word = lane; word < words; word += LANES) {
            sum += word_sum(row[word], x + 4 * word);
        }
        return (float)sum; /* below 2^24: BitLinear refuses more inputs */
    }
    float sum = 0;
    for (int word = lane; word < words; word += LANES) {
        sum += (float)word_sum(row[word], x + 4 * word) * group_scales[word / GROUP_WORDS];
    }
    return sum;
}

/* scales: of groups (rows, groups), of rows (rows, 1), or one (scale_rows 1). worth: of each token's integers. */
ON_BOTH float finish(float sum, const float *scales, int row, int scale_rows, int groups, float worth) {
    return groups > 1 ? sum * worth : sum * (worth * scales[scale_rows == 1 ? 0 : row]);
}

#ifdef __CUDACC__

#include <ATen/cuda/CUDAContext.h>
#include <torch/extension.h>

static __global__ void packed_rows(const uint32_t *packed, const uint32_t *x, const float *worth, const float *scales, float *y, int rows, int words,
                                   int scale_rows, int groups) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, token = blockIdx.y, lane = threadIdx.x;
    if (row >= rows) {
        return;
    }
    const float *group_scales = groups > 1 ? scales + (size_t)row * groups : nullptr;
    float sum = lane_sum(packed + (size_t)row * words, x + (size_t)token * words * 4, group_scales, words, lane);
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        sum += __shfl_down_sync(0xffffffffu, sum, distance);
    }
    if (lane == 0) {
        y[(size_t)token * rows + row] = finish(sum, scales, row, scale_rows, groups, worth[token]);
    }
}

/* packed (rows, words) int32; x (tokens, 16 words) int8; worth (tokens); scales (1 or rows, groups) float32 -> (tokens, rows) float32. */
static torch::Tensor packed_linear(torch::Tensor packed, torch::Tensor x, torch::Tensor worth, torch::Tensor scales) {
    for (const auto &tensor : {packed, x, worth, scales}) {
        TORCH_CHECK(tensor.is_cuda() && tensor.is_contiguous(), "packed_linear wants contiguous CUDA tensors");
    }
    int rows = (int)packed.size(0), words = (int)packed.size(1), tokens = (int)x.size(0), groups = (int)scales.size(1);
    TORCH_CHECK(x.size(1) == (int64_t)words * WORD_COLUMNS && tokens > 0 && tokens <= 65535, "packed_linear: shapes do not fit");
    TORCH_CHECK(groups == 1 || groups * GROUP_WORDS == words, "packed_linear: a group is 128 columns");
    auto y = torch::empty({tokens, rows}, worth.options());
    dim3 block(LANES, 8), grid((rows + 7) / 8, tokens);
    packed_rows<<<grid, block, 0, at::cuda::getCurrentCUDAStream()>>>((const uint32_t *)packed.data_ptr<int>(), (const uint32_t *)x.data_ptr<int8_t>(),
                                                                      worth.data_ptr<float>(), scales.data_ptr<float>(), y.data_ptr<float>(), rows, words,
                                                                      (int)scales.size(0), groups);
    TORCH_CHECK(cudaGetLastError() == cudaSuccess, "packed_linear: the kernel did not start");
    return y;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) { module.def("packed_linear", &packed_linear); }

#else

/* The same lanes one after the other, for the test. */
extern "C" void packed_linear_lanes(const uint32_t *packed, const uint32_t *x, const float *worth, const float *scales, float *y, int tokens, int rows, int words,
                                    int scale_rows, int groups) {
    for (int token = 0; token < tokens; token++) {
        for (int row = 0; row < rows; row++) {
            const float *group_scales = groups > 1 ? scales + (long)row * groups : nullptr;
            float sum = 0;
            for (int lane = 0; lane < LANES; lane++) {
                sum += lane_sum(packed + (long)row * words, x + (long)token * words * 4, group_scales, words, lane);
            }
            y[(long)token * rows + row] = finish(sum, scales, row, scale_rows, groups, worth[token]);
        }
    }
}

#endif
