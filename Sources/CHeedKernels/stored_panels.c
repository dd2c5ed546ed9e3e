#include "heed_kernels.h"
#include "stored_layout.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

int64_t heed_form_block(int32_t form) { return heed_form_block_length(form); }

int64_t heed_form_panel_bytes(int32_t form, int64_t in) {
    const int64_t block = heed_form_block(form);
    return (in + block - 1) / block * heed_form_block_bytes(form);
}

// ---- binary16

static uint16_t half_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    if (magnitude >= 0x477ff000) return sign | 0x7c00;
    if (magnitude < 0x38800000) {
        // Below 2^-14 the unit is 2^-24: adding 0.5 leaves exactly that unit in the lowest bit of the sum.
        float small;
        memcpy(&small, &magnitude, 4);
        small += 0.5f;
        uint32_t rounded;
        memcpy(&rounded, &small, 4);
        return sign | (uint16_t)(rounded - 0x3f000000);
    }
    const uint32_t rebiased = magnitude - 0x38000000;
    return sign | (uint16_t)((rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13);
}

static float float_of(uint16_t half) {
    const uint32_t shifted = (uint32_t)(half & 0x7fff) << 13;
    float value;
    memcpy(&value, &shifted, 4);
    value *= 0x1p112f;
    return half & 0x8000 ? -value : value;
}

static uint16_t read16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return value;
}
static uint32_t read32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}
static int is_finite(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

// ---- fp32 rows

// The nearest integer, ties to even, of a number below 2^22: adding 1.5 · 2^23 leaves it in the lowest bits.
static inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }
static inline float within(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// The column of one row in a block of q8: scale, and bytes from 1 to 255 around 128.
static int pack_q8(const float *x, int64_t count, uint8_t *block, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    const uint16_t half = half_of(largest / 127);
    if (!is_finite(half)) return 0;
    const float scale = float_of(half), inverse = scale > 0 ? 1 / scale : 0;
    uint8_t quants[32];
    for (int64_t i = 0; i < 32; ++i)
        quants[i] = (uint8_t)(128 + (int)(i < count ? nearest(within(x[i] * inverse, -127, 127)) : 0));
    memcpy(block + 2 * n, &half, 2);
    for (int64_t g = 0; g < 8; ++g) memcpy(block + HEED_Q8_WORDS + (g * HEED_PANEL + n) * 4, quants + 4 * g, 4);
    return 1;
}

// What a scale of q4 loses on a block, in squares.
static float q4_loss(const float *x, float scale, float inverse) {
    float sums[8] = {0};
    for (int i = 0; i < 32; i += 8)
        for (int j = 0; j < 8; ++j) {
            const float off = x[i + j] - scale * within(nearest(x[i + j] * inverse), -8, 7);
            sums[j] += off * off;
        }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// The scale of q4 that loses least: of nine around the one that hits the largest number exactly.
static int pack_q4(const float *numbers, int64_t count, uint8_t *block, int64_t n) {
    float x[32] = {0}, extreme = 0;
    memcpy(x, numbers, (size_t)count * sizeof(float));
    for (int i = 0; i < 32; ++i)
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    uint16_t best = 0;
    float least = INFINITY;
    for (int step = -4; step <= 4 && extreme != 0; ++step) {
        const uint16_t half = half_of(extreme / (-8 + 0.2f * (float)step));
        if (!is_finite(half)) return 0;
        const float scale = float_of(half);
        if (scale == 0) continue;
        const float loss = q4_loss(x, scale, 1 / scale);
        if (loss < least) least = loss, best = half;
    }
    const float scale = float_of(best), inverse = scale != 0 ? 1 / scale : 0;
    memcpy(block + 2 * n, &best, 2);
    for (int64_t g = 0; g < 4; ++g) {
        uint8_t bytes[4];
        for (int64_t j = 0; j < 4; ++j) {
            const int low = (int)within(nearest(x[4 * g + j] * inverse), -8, 7) + 8;
            const int high = (int)within(nearest(x[16 + 4 * g + j] * inverse), -8, 7) + 8;
            bytes[j] = (uint8_t)(low | high << 4);
        }
        memcpy(block + HEED_Q4_WORDS + (g * HEED_PANEL + n) * 4, bytes, 4);
    }
    return 1;
}

int heed_pack_numbers(const float *rows, int64_t stride, int64_t count, int64_t in, int32_t form, void *panel) {
    const int64_t bytes = heed_form_panel_bytes(form, in);
    memset(panel, 0, (size_t)bytes);
    for (int64_t n = 0; n < count; ++n) {
        const float *x = rows + n * stride;
        switch (form) {
        case HEED_FORM_F32:
            for (int64_t k = 0; k < in; ++k) ((float *)panel)[k * HEED_PANEL + n] = x[k];
            break;
        case HEED_FORM_F16:
            for (int64_t k = 0; k < in; ++k) {
                const uint16_t half = half_of(x[k]);
                if (!is_finite(half)) return 0;
                ((uint16_t *)panel)[k * HEED_PANEL + n] = half;
            }
            break;
        case HEED_FORM_BF16:
            for (int64_t k = 0; k < in; ++k) {
                const uint32_t u = read32((const uint8_t *)(x + k));
                const uint32_t rounded = u + 0x7fff + (u >> 16 & 1);
                if ((rounded & 0x7f800000) == 0x7f800000) return 0;
                ((uint16_t *)panel)[k * HEED_PANEL + n] = (uint16_t)(rounded >> 16);
            }
            break;
        case HEED_FORM_Q8:
        case HEED_FORM_Q4:
            for (int64_t k = 0; k < in; k += 32) {
                uint8_t *block = (uint8_t *)panel + k / 32 * heed_form_block_bytes(form);
                const int64_t some = in - k < 32 ? in - k : 32;
                if (!(form == HEED_FORM_Q8 ? pack_q8(x + k, some, block, n) : pack_q4(x + k, some, block, n))) return 0;
            }
            break;
        default: return 0;
        }
    }
    return 1;
}

// ---- ggml's blocks

// `words` words of a row's block become a column; `flip` turns signed bytes into bytes around 128.
static void move_words(const uint8_t *from, int64_t words, uint32_t flip, uint8_t *to, int64_t n) {
    for (int64_t w = 0; w < words; ++w) {
        const uint32_t word = read32(from + 4 * w) ^ flip;
        memcpy(to + (w * HEED_PANEL + n) * 4, &word, 4);
    }
}

// Scales and minima of eight groups of 32 out of twelve bytes, and what follows them, of q4k and q5k.
static void move_groups(const uint8_t *scales, const uint8_t *quants, uint8_t *to, int64_t n) {
    for (int64_t pair = 0; pair < 4; ++pair, to += HEED_Q4K_PAIR, quants += 32) {
        for (int64_t side = 0; side < 2; ++side) {
            const int64_t g = 2 * pair + side;
            to[side * HEED_PANEL + n] =
                g < 4 ? scales[g] & 63 : (uint8_t)((scales[g + 4] & 15) | (scales[g - 4] >> 6) << 4);
            to[(2 + side) * HEED_PANEL + n] =
                g < 4 ? scales[g + 4] & 63 : (uint8_t)(scales[g + 4] >> 4 | (scales[g] >> 6) << 4);
        }
        move_words(quants, 8, 0, to + 4 * HEED_PANEL, n);
    }
}

static int pack_block(const uint8_t *from, int32_t form, uint8_t *to, int64_t n) {
    const uint16_t first = read16(form == HEED_FORM_Q6K ? from + 208 : from);
    if (!is_finite(first)) return 0;
    memcpy(to + 2 * n, &first, 2);
    switch (form) {
    case HEED_FORM_Q8: move_words(from + 2, 8, 0x80808080, to + HEED_Q8_WORDS, n); return 1;
    case HEED_FORM_Q4: move_words(from + 2, 4, 0, to + HEED_Q4_WORDS, n); return 1;
    case HEED_FORM_Q6K:
        for (int64_t half = 0; half < 2; ++half) {
            uint8_t *part = to + HEED_Q6K_HALVES + half * HEED_Q6K_HALF;
            for (int64_t g = 0; g < 8; ++g) part[g * HEED_PANEL + n] = from[192 + 8 * half + g];
            move_words(from + 64 * half, 16, 0, part + HEED_Q6K_LOW, n);
            move_words(from + 128 + 32 * half, 8, 0, part + HEED_Q6K_HIGH, n);
        }
        return 1;
    default: {  // q4k and q5k
        const uint16_t second = read16(from + 2);
        if (!is_finite(second)) return 0;
        memcpy(to + 2 * HEED_PANEL + 2 * n, &second, 2);
        const int fifths = form == HEED_FORM_Q5K;
        if (fifths) move_words(from + 16, 8, 0, to + 4 * HEED_PANEL, n);
        move_groups(
            from + 4, from + (fifths ? 48 : 16), to + (fifths ? HEED_Q5K_PAIRS : HEED_Q4K_PAIRS), n);
        return 1;
    }
    }
}

int heed_pack_blocks(const uint8_t *const *rows, int64_t count, int64_t in, int32_t form, void *panel) {
    if (count < HEED_PANEL) memset(panel, 0, (size_t)heed_form_panel_bytes(form, in));
    if (form == HEED_FORM_F16 || form == HEED_FORM_BF16) {
        const uint16_t exponent = form == HEED_FORM_F16 ? 0x7c00 : 0x7f80;
        enum { SOME = 32 };
        uint16_t part[HEED_PANEL][SOME];  // some k of all rows: reads and writes of a few lines at a time
        for (int64_t k = 0; k < in; k += SOME) {
            const int64_t some = in - k < SOME ? in - k : SOME;
            uint16_t *to = (uint16_t *)panel + k * HEED_PANEL;
            for (int64_t n = 0; n < count; ++n) memcpy(part[n], rows[n] + 2 * k, (size_t)some * 2);
            int wrong = 0;
            for (int64_t i = 0; i < some; ++i, to += HEED_PANEL)
                for (int64_t n = 0; n < count; ++n) {
                    wrong |= (part[n][i] & exponent) == exponent;
                    to[n] = part[n][i];
                }
            if (wrong) return 0;
        }
        return 1;
    }
    const int64_t blocks = in / heed_form_block(form);
    const int64_t from_bytes = heed_form_file_bytes(form), to_bytes = heed_form_block_bytes(form);
    for (int64_t b = 0; b < blocks; ++b)
        for (int64_t n = 0; n < count; ++n)
            if (!pack_block(rows[n] + b * from_bytes, form, (uint8_t *)panel + b * to_bytes, n)) return 0;
    return 1;
}

// ---- one row back

static float byte_at(const uint8_t *words, int64_t k, int64_t n) {
    return (float)words[(k / 4 * HEED_PANEL + n) * 4 + k % 4];
}

// Number `at` of column n in a block whose scale is `scale`.
static float number_at(int32_t form, const uint8_t *block, float scale, int64_t at, int64_t n) {
    switch (form) {
    case HEED_FORM_F32: return ((const float *)block)[n];
    case HEED_FORM_F16: return scale;
    case HEED_FORM_BF16: {
        const uint32_t bits = (uint32_t)read16(block + 2 * n) << 16;
        float value;
        memcpy(&value, &bits, 4);
        return value;
    }
    case HEED_FORM_Q8: return (byte_at(block + HEED_Q8_WORDS, at, n) - 128) * scale;
    case HEED_FORM_Q4: {
        const int byte = (int)byte_at(block + HEED_Q4_WORDS, at % 16, n);
        return (float)((at < 16 ? byte & 15 : byte >> 4) - 8) * scale;
    }
    case HEED_FORM_Q6K: {
        const int64_t quarter = at / 32 % 4, i = at % 32;
        const uint8_t *half = block + HEED_Q6K_HALVES + at / 128 * HEED_Q6K_HALF;
        const int low = (int)byte_at(half + HEED_Q6K_LOW, 32 * (quarter % 2) + i, n) >> (4 * (quarter / 2)) & 15;
        const int high = (int)byte_at(half + HEED_Q6K_HIGH, i, n) >> (2 * quarter) & 3;
        const float factor = scale * (float)(int8_t)half[(2 * quarter + i / 16) * HEED_PANEL + n];
        return factor * (float)((low | high << 4) - 32);
    }
    default: {  // q4k and q5k
        const int fifths = form == HEED_FORM_Q5K;
        const int64_t pair = at / 64, side = at / 32 % 2, i = at % 32;
        const uint8_t *part = block + (fifths ? HEED_Q5K_PAIRS : HEED_Q4K_PAIRS) + pair * HEED_Q4K_PAIR;
        const int byte = (int)byte_at(part + 4 * HEED_PANEL, i, n);
        int quant = side ? byte >> 4 : byte & 15;
        if (fifths) quant |= ((int)byte_at(block + 4 * HEED_PANEL, i, n) >> (2 * pair + side) & 1) << 4;
        const float minimum = float_of(read16(block + 2 * HEED_PANEL + 2 * n));
        const float factor = scale * (float)part[side * HEED_PANEL + n];
        const float offset = minimum * (float)part[(2 + side) * HEED_PANEL + n];
        const float product = factor * (float)quant;
        return product - offset;
    }
    }
}

void heed_stored_row(const heed_stored *matrix, int64_t row, float *to) {
    const int64_t n = row % HEED_PANEL;
    const int32_t form = matrix->forms[row / HEED_PANEL];
    const int64_t size = heed_form_block(form), bytes = heed_form_block_bytes(form);
    const uint8_t *block = matrix->panels[row / HEED_PANEL];
    for (int64_t k = 0; k < matrix->in; k += size, block += bytes) {
        const float scale = float_of(read16(block + 2 * n));
        for (int64_t at = 0; at < size && k + at < matrix->in; ++at) to[k + at] = number_at(form, block, scale, at, n);
    }
}
