// What files of weights need beside kernels: blocks made of numbers, and fingerprints.
#ifndef HEED_FILES_H
#define HEED_FILES_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// Quantised blocks of 256 finite numbers, as ggml's reference quantisers make them: bit for bit, on a processor that
// does not fuse products with sums. Each returns 0 where a scale is beyond binary16, so that the block holds no numbers.

// Q4_K, 144 bytes: eight groups of 32, x ≈ scale · quant − offset with quants from 0 to 15.
int heed_quantise_q4k(const float *values, uint8_t *block);

// Q6_K, 210 bytes: sixteen groups of 16, x ≈ scale · (quant − 32) with quants from 0 to 63.
int heed_quantise_q6k(const float *values, uint8_t *block);

// SHA-256 (FIPS 180-4): takes whole blocks of 64 bytes into the eight words of the state, by the processor's instructions
// for it where it has them and `plain` is 0.
void heed_sha256_blocks(uint32_t *state, const uint8_t *bytes, int64_t blocks, int plain);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
