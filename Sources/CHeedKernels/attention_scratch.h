#ifndef HEED_ATTENTION_SCRATCH_H
#define HEED_ATTENTION_SCRATCH_H

#include <stdint.h>

// Memory of one part of the attention kernels, in floats. Keys and values of one sequence and one key-value head are
// packed once; a block of query rows keeps its running state.
enum { HEED_QUERY_BLOCK = 48 };

typedef struct heed_attention_memory {
    int64_t block;   // [HEED_QUERY_BLOCK][width rounded to 16]
    int64_t keys;    // [max_keys rounded to 64][width], also rounded to 16
    int64_t total;
} heed_attention_memory;

static inline heed_attention_memory heed_attention_memory_of(int64_t width, int64_t max_keys) {
    heed_attention_memory m;
    m.block = HEED_QUERY_BLOCK * ((width + 15) / 16 * 16);
    m.keys = (max_keys + 63) / 64 * 64 * ((width + 15) / 16 * 16);
    // With a cache, two tiles of keys and values that are stored in fewer bits stand in place of the keys.
    m.total = 2 * 64 * ((width + 15) / 16 * 16) + 4 * m.block + 2 * HEED_QUERY_BLOCK * 64 + HEED_QUERY_BLOCK * 16 + 6 * m.keys;
    return m;
}

#endif
