#include "heed_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define HEED_HAS_FMA 1
#define HEED_VECTOR_BITS 256
#define HEED_ISA HEED_AVX2
#define HEED_TABLE heed_kernels_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "kernels.inc"
#pragma clang attribute pop
#endif
