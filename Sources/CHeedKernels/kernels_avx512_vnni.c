#include "heed_kernels.h"

// Integer products by the processor's byte instruction: AVX-512 machines without it must not run this.
#if defined(__x86_64__)
#include <immintrin.h>
#define HEED_HAS_FMA 1
#define HEED_VECTOR_BITS 512
#define HEED_BF16_NATIVE 0
#define HEED_VNNI 1
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"

#include "matrix_words.inc"

#include "matrix_integer.inc"

extern const struct integer_form heed_integer_vnni;
HEED_INTEGER_FORM(heed_integer_vnni, , integer_probe, )
#pragma clang attribute pop
#endif
