#include "heed_kernels.h"

// The bf16 tiles and packings by the processor's bf16 instructions: AVX-512 machines without them must not run this.
#if defined(__x86_64__)
#include <immintrin.h>
#define HEED_HAS_FMA 1
#define HEED_VECTOR_BITS 512
#define HEED_BF16_NATIVE 1
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"

#include "matrix_words.inc"
#include "matrix_pack.inc"
#include "matrix_tile.inc"

extern const struct matrix_form heed_matrix_bf16_native;
HEED_MATRIX_FORM(heed_matrix_bf16_native, 1, )
#pragma clang attribute pop
#endif
