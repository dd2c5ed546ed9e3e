#include "heed_kernels.h"

// Philox4x32-10 one counter at a time; the kernels have their own, on 16 counters.
void heed_philox(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t start, uint32_t *words, int64_t count) {
    for (int64_t i = 0; i < count; i += 4) {
        uint64_t counter = start + (uint64_t)i / 4;
        uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = purpose, c3 = step;
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; ++round) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        const uint32_t out[4] = {c0, c1, c2, c3};
        for (int64_t w = 0; w < 4 && i + w < count; ++w) words[i + w] = out[w];
    }
}
