#include "heed_kernels.h"

#include <pthread.h>
#include <stddef.h>
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__)
extern const heed_kernels heed_kernels_avx2, heed_kernels_avx512;
#endif
extern const heed_kernels heed_kernels_portable;

// Tables that differ from another in what products of bf16 and of bytes are called, made when first asked for.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static heed_kernels with_unit, with_model;
static int unit_allowed;

static void prepare(void) {
    with_model = *heed_kernels_for(heed_best_isa());
    with_model.isa = HEED_AMX_MODEL;
    with_model.bf16 = HEED_BF16_AMX_MODEL;
    with_model.integer = HEED_INTEGER_AMX_MODEL;
#if defined(__linux__) && defined(__x86_64__)
    if (!__builtin_cpu_supports("amx-bf16") || !__builtin_cpu_supports("amx-int8")) return;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) return;
    // The system keeps tiles for those who ask: ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA.
    if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) return;
    unit_allowed = 1;
    with_unit = heed_kernels_avx512;
    with_unit.isa = HEED_AMX;
    with_unit.bf16 = HEED_BF16_AMX;
    with_unit.integer = HEED_INTEGER_AMX;
#endif
}

static int available(heed_isa isa) {
    switch (isa) {
    case HEED_AMX_MODEL:
        return 1;
    case HEED_AMX:
        pthread_once(&once, prepare);
        return unit_allowed;
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
    if (isa == HEED_AMX) return &with_unit;
    if (isa == HEED_AMX_MODEL) {
        pthread_once(&once, prepare);
        return &with_model;
    }
#if defined(__x86_64__)
    if (isa == HEED_AVX512) return &heed_kernels_avx512;
    if (isa == HEED_AVX2) return &heed_kernels_avx2;
#endif
    return isa == HEED_PORTABLE ? &heed_kernels_portable : NULL;
}

// AMX is taken by name only.
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
    case HEED_AMX: return "amx";
    case HEED_AMX_MODEL: return "amx-model";
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
