#include "heed_kernels.h"

// What the compiler's base target gives: SSE2 on x86-64, NEON with fused multiply-add on arm64.
#if defined(__aarch64__)
#define HEED_HAS_FMA 1
#else
#define HEED_HAS_FMA 0
#endif
#define HEED_VECTOR_BITS 128
#define HEED_ISA HEED_PORTABLE
#define HEED_TABLE heed_kernels_portable
#include "kernels.inc"
