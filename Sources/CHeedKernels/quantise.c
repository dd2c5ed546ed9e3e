#include "heed_files.h"

#include <math.h>
#include <string.h>

// The reference adds the terms of a group in order, so groups lie in the lanes of vectors and not elements.
#pragma STDC FP_CONTRACT OFF

typedef float lanes __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));

enum { LANES = 4 };

static inline lanes choose(mask m, lanes yes, lanes no) { return (lanes)((m & (mask)yes) | (~m & (mask)no)); }

// Adding 1.5 · 2^23 leaves whole numbers in the lowest bits: to nearest, ties to even, for magnitudes below 2^22.
static inline lanes nearest_lanes(lanes x) { return (x + 12582912.0f) - 12582912.0f; }

static inline lanes clamp_lanes(lanes x, float low, float high) {
    const lanes a = (lanes){0} + low, b = (lanes){0} + high;
    x = choose(x < a, a, x);
    return choose(x > b, b, x);
}

static inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }
static inline float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// A whole number as a processor converts one; what does not fit 32 bits is 0.
static inline int32_t whole(float x) { return fabsf(x) < 0x1p31f ? (int32_t)x : 0; }

// The nearest binary16, ties to even, and back.
static uint16_t to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t sign = (uint16_t)(bits >> 16) & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000) return sign | 0x7E00;
    if (bits >= 0x477FF000) return sign | 0x7C00;
    if (bits < 0x38800000) {
        // Below 2^-14 the unit is 2^-24: adding 0.5 leaves exactly that unit in the lowest bit of the sum.
        const float rounded = fabsf(value) + 0.5f;
        memcpy(&bits, &rounded, 4);
        return sign | (uint16_t)(bits - 0x3F000000);
    }
    bits -= 0x38000000;
    return sign | (uint16_t)((bits + 0xFFF + (bits >> 13 & 1)) >> 13);
}

static float from_half(uint16_t half) {
    uint32_t bits = half & 0x7FFF;
    float value = (float)bits * 0x1p-24f;
    if (bits >= 0x400) {
        bits = (bits << 13) + 0x38000000;
        memcpy(&value, &bits, 4);
    }
    return half & 0x8000 ? -value : value;
}

// Stores a binary16 that is finite; what is not is told by 0.
static int store_half(float value, uint8_t *target) {
    const uint16_t half = to_half(value);
    memcpy(target, &half, 2);
    return (half & 0x7C00) != 0x7C00;
}

static float load_half(const uint8_t *source) {
    uint16_t half;
    memcpy(&half, source, 2);
    return from_half(half);
}

// Numbers too small for their scale leave a NaN, which becomes 0.
static inline uint8_t byte_of(float quant) { return quant > 0 ? (uint8_t)quant : 0; }

// Scale, offset and quants of four groups of 32: the plain range first, then 21 others, fitted by weighted least squares.
static void search_affine(const float *values, float *scales, float *offsets, uint8_t *quants) {
    const lanes zero = {0};
    lanes x[32], weight[32], best[32], tried[32];
    for (int i = 0; i < 32; ++i)
        for (int g = 0; g < LANES; ++g) x[i][g] = values[32 * g + i];
    lanes squares = zero, average;
    for (int i = 0; i < 32; ++i) squares += x[i] * x[i];
    squares = squares / 32.0f;
    for (int g = 0; g < LANES; ++g) average[g] = sqrtf(squares[g]);
    for (int i = 0; i < 32; ++i) weight[i] = average + choose(x[i] < zero, -x[i], x[i]);

    lanes low = x[0], high = x[0], weights = weight[0], sum_x = weight[0] * x[0];
    for (int i = 1; i < 32; ++i) {
        low = choose(x[i] < low, x[i], low);
        high = choose(x[i] > high, x[i], high);
        weights += weight[i];
        sum_x += weight[i] * x[i];
    }
    low = choose(low > zero, zero, low);
    const mask flat = high == low;
    const lanes flat_offset = low;

    lanes inverse = 15.0f / (high - low);
    lanes scale = 1.0f / inverse, best_error = zero;
    for (int i = 0; i < 32; ++i) {
        best[i] = clamp_lanes(nearest_lanes(inverse * (x[i] - low)), 0, 15);
        const lanes difference = scale * best[i] + low - x[i];
        best_error += weight[i] * (difference * difference);
    }
    for (int step = 0; step <= 20; ++step) {
        // Each trial starts from the offset that was best so far.
        inverse = (-1.0f + 0.1f * (float)step + 15.0f) / (high - low);
        lanes sum_l = zero, sum_l2 = zero, sum_xl = zero;
        for (int i = 0; i < 32; ++i) {
            const lanes l = clamp_lanes(nearest_lanes(inverse * (x[i] - low)), 0, 15), weighted = weight[i] * l;
            tried[i] = l;
            sum_l += weighted;
            sum_l2 += weighted * l;
            sum_xl += weighted * x[i];
        }
        const lanes determinant = weights * sum_l2 - sum_l * sum_l;
        lanes new_scale = (weights * sum_xl - sum_x * sum_l) / determinant;
        lanes new_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
        const mask above = new_low > zero;
        new_scale = choose(above, sum_xl / sum_l2, new_scale);
        new_low = choose(above, zero, new_low);
        lanes error = zero;
        for (int i = 0; i < 32; ++i) {
            const lanes difference = new_scale * tried[i] + new_low - x[i];
            error += weight[i] * (difference * difference);
        }
        const mask better = (determinant > zero) & (error < best_error);
        best_error = choose(better, error, best_error);
        scale = choose(better, new_scale, scale);
        low = choose(better, new_low, low);
        for (int i = 0; i < 32; ++i) best[i] = choose(better, tried[i], best[i]);
    }
    for (int g = 0; g < LANES; ++g) {
        scales[g] = flat[g] ? 0 : scale[g];
        offsets[g] = -(flat[g] ? flat_offset[g] : low[g]);
        for (int i = 0; i < 32; ++i) quants[32 * g + i] = flat[g] ? 0 : byte_of(best[i][g]);
    }
}

// Scale and quants of four groups of 16: the plain scale first, then nine larger and nine smaller ones.
static void search_symmetric(const float *values, float *scales, uint8_t *quants) {
    const lanes zero = {0};
    lanes x[16], best[16], tried[16], largest = zero, extreme = zero;
    for (int i = 0; i < 16; ++i)
        for (int g = 0; g < LANES; ++g) x[i][g] = values[16 * g + i];
    for (int i = 0; i < 16; ++i) {
        const lanes size = choose(x[i] < zero, -x[i], x[i]);
        const mask larger = size > largest;
        largest = choose(larger, size, largest);
        extreme = choose(larger, x[i], extreme);
    }
    lanes scale = zero, best_gain = zero;
    for (int trial = -10; trial <= 9; ++trial) {
        if (trial == 0) continue;
        const int first = trial == -10;
        const lanes inverse = -(32.0f + 0.1f * (float)(first ? 0 : trial)) / extreme;
        lanes sum_lx = zero, sum_l2 = zero;
        for (int i = 0; i < 16; ++i) {
            const lanes l = clamp_lanes(nearest_lanes(inverse * x[i]), -32, 31), weight = x[i] * x[i];
            tried[i] = l;
            sum_lx += weight * x[i] * l;
            sum_l2 += weight * l * l;
        }
        lanes found = sum_lx / sum_l2;
        mask better = ~(mask){0};
        if (first) found = choose(sum_l2 == zero, zero, found);
        else better = (sum_l2 > zero) & (sum_lx * sum_lx > best_gain * sum_l2);
        scale = choose(better, found, scale);
        best_gain = choose(better, found * sum_lx, best_gain);
        for (int i = 0; i < 16; ++i) best[i] = choose(better, tried[i], best[i]);
    }
    for (int g = 0; g < LANES; ++g) {
        // Groups of nothing but tiny numbers count as zeros.
        const int empty = largest[g] < 1e-15f;
        scales[g] = empty ? 0 : scale[g];
        for (int i = 0; i < 16; ++i) quants[16 * g + i] = empty ? 0 : byte_of(best[i][g] + 32.0f);
    }
}

int heed_quantise_q4k(const float *values, uint8_t *block) {
    float scales[8], offsets[8], largest_scale = 0, largest_offset = 0;
    uint8_t quants[256], *packed = block + 4;
    for (int g = 0; g < 8; g += LANES) search_affine(values + 32 * g, scales + g, offsets + g, quants + 32 * g);
    for (int g = 0; g < 8; ++g) {
        if (scales[g] > largest_scale) largest_scale = scales[g];
        if (offsets[g] > largest_offset) largest_offset = offsets[g];
    }
    const float inverse_scale = largest_scale > 0 ? 63.0f / largest_scale : 0;
    const float inverse_offset = largest_offset > 0 ? 63.0f / largest_offset : 0;
    for (int g = 0; g < 8; ++g) {
        uint8_t scale = (uint8_t)whole(nearest(inverse_scale * scales[g]));
        uint8_t offset = (uint8_t)whole(nearest(inverse_offset * offsets[g]));
        if (scale > 63) scale = 63;
        if (offset > 63) offset = 63;
        if (g < 4) {
            packed[g] = scale;
            packed[g + 4] = offset;
        } else {
            packed[g + 4] = (uint8_t)((scale & 15) | (offset & 15) << 4);
            packed[g - 4] |= (uint8_t)(scale >> 4 << 6);
            packed[g] |= (uint8_t)(offset >> 4 << 6);
        }
    }
    const int fits = store_half(largest_scale / 63.0f, block) & store_half(largest_offset / 63.0f, block + 2);
    const float unit = load_half(block), offset_unit = load_half(block + 2);
    for (int g = 0; g < 8; ++g) {
        const uint8_t scale = g < 4 ? packed[g] & 63 : (uint8_t)((packed[g + 4] & 15) | packed[g - 4] >> 6 << 4);
        const uint8_t offset = g < 4 ? packed[g + 4] & 63 : (uint8_t)(packed[g + 4] >> 4 | packed[g] >> 6 << 4);
        const float step = unit * scale, start = offset_unit * offset;
        // A group without a scale keeps what the search found.
        if (step == 0) continue;
        for (int i = 32 * g; i < 32 * g + 32; ++i)
            quants[i] = byte_of(clamp(nearest((values[i] + start) / step), 0, 15));
    }
    for (int pair = 0; pair < 4; ++pair)
        for (int i = 0; i < 32; ++i)
            block[16 + 32 * pair + i] = (uint8_t)(quants[64 * pair + i] | quants[64 * pair + 32 + i] << 4);
    return fits;
}

int heed_quantise_q6k(const float *values, uint8_t *block) {
    float scales[16], largest = 0, extreme = 0;
    uint8_t quants[256];
    for (int g = 0; g < 16; g += LANES) search_symmetric(values + 16 * g, scales + g, quants + 16 * g);
    for (int g = 0; g < 16; ++g) {
        if (!(fabsf(scales[g]) < INFINITY)) return 0;  // squares of the numbers were beyond fp32
        if (fabsf(scales[g]) > largest) {
            largest = fabsf(scales[g]);
            extreme = scales[g];
        }
    }
    if (largest < 1e-15f) {
        memset(block, 0, 210);
        return 1;
    }
    const float inverse = -128.0f / extreme;
    const int fits = store_half(1.0f / inverse, block + 208);
    const float unit = load_half(block + 208);
    for (int g = 0; g < 16; ++g) {
        const int32_t scale = whole(nearest(inverse * scales[g]));
        block[192 + g] = (uint8_t)(scale < 127 ? scale : 127);
        const float step = unit * (int8_t)block[192 + g];
        if (step == 0) continue;
        for (int i = 16 * g; i < 16 * g + 16; ++i)
            quants[i] = byte_of(clamp(nearest(values[i] / step), -32, 31) + 32.0f);
    }
    for (int part = 0; part < 2; ++part) {
        for (int i = 0; i < 32; ++i) {
            const uint8_t *q = quants + 128 * part + i;
            block[64 * part + i] = (uint8_t)((q[0] & 15) | (q[64] & 15) << 4);
            block[64 * part + 32 + i] = (uint8_t)((q[32] & 15) | (q[96] & 15) << 4);
            block[128 + 32 * part + i] = (uint8_t)(q[0] >> 4 | q[32] >> 4 << 2 | q[64] >> 4 << 4 | q[96] >> 4 << 6);
        }
    }
    return fits;
}
