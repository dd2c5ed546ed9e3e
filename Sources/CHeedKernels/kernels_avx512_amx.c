#include "heed_kernels.h"

// Products of bf16 and of bytes by AMX's tile unit: processors without it must not run this.
#if defined(__x86_64__)
#include <immintrin.h>
#define HEED_HAS_FMA 1
#define HEED_VECTOR_BITS 512
#define HEED_BF16_NATIVE 1
#define HEED_VNNI 1
#define HEED_AMX_UNIT 1
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni,avx2,fma,f16c,amx-tile,amx-bf16,amx-int8"))), \
    apply_to = function)
#include "vector.inc"

#include "matrix_words.inc"
#include "matrix_pack.inc"
#include "matrix_tile.inc"
#include "matrix_integer.inc"

#include "matrix_amx.inc"

// Tiles 0 to 2 hold sums and tile 3 what is multiplied, in eight rows; tiles 4 to 6 hold `depth` rows of the other side.
HEED_INLINE void amx_configure(uint16_t left_bytes, uint8_t depth) {
    const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {
        .palette = 1,
        .bytes = {64, 64, 64, left_bytes, 64, 64, 64},
        .rows = {AMX_ROWS, AMX_ROWS, AMX_ROWS, AMX_ROWS, depth, depth, depth},
    };
    _tile_loadconfig(&shape);
    __asm__ volatile("" ::: "memory");  // no tile is loaded before
}
static void amx_begin(void) { amx_configure(64, AMX_PAIRS); }
static void amx_bytes_begin(void) { amx_configure(32, AMX_GROUPS); }
static void amx_end(void) {
    __asm__ volatile("" ::: "memory");
    _tile_release();
}

extern const struct matrix_form heed_matrix_amx;
HEED_MATRIX_FORM(heed_matrix_amx, 2, , .begin = amx_begin, .end = amx_end, )
extern const struct integer_form heed_integer_amx;
HEED_INTEGER_FORM(
    heed_integer_amx, , amx_bytes_probe, .whole = amx_bytes, .begin = amx_bytes_begin, .end = amx_end, )
#pragma clang attribute pop
#endif
