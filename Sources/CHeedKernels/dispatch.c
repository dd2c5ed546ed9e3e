#include "heed_kernels.h"

#include <stddef.h>

#if defined(__x86_64__)
extern const heed_kernels heed_kernels_avx2, heed_kernels_avx512;
#endif
extern const heed_kernels heed_kernels_portable;

static int available(heed_isa isa) {
    switch (isa) {
    case HEED_PORTABLE:
        return 1;
#if defined(__x86_64__)
    case HEED_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case HEED_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
    default:
        return 0;
    }
}

const heed_kernels *heed_kernels_for(heed_isa isa) {
    if (!available(isa)) return NULL;
#if defined(__x86_64__)
    if (isa == HEED_AVX512) return &heed_kernels_avx512;
    if (isa == HEED_AVX2) return &heed_kernels_avx2;
#endif
    return isa == HEED_PORTABLE ? &heed_kernels_portable : NULL;
}

heed_isa heed_best_isa(void) {
    if (available(HEED_AVX512)) return HEED_AVX512;
    if (available(HEED_AVX2)) return HEED_AVX2;
    return HEED_PORTABLE;
}

const char *heed_isa_name(heed_isa isa) {
    switch (isa) {
    case HEED_AVX512: return "avx512";
    case HEED_AVX2: return "avx2";
    case HEED_NEON: return "neon";
    default: return "portable";
    }
}

void heed_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
