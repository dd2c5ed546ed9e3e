#include "attention_scratch.h"
#include "heed_kernels.h"

int64_t heed_cache_half(int32_t kv_heads, int32_t width, int32_t form) {
    const int64_t numbers = (int64_t)kv_heads * HEED_KEY_TILE * width;
    if (form == HEED_CACHE_INT8) return numbers + (int64_t)kv_heads * HEED_KEY_TILE * (int64_t)sizeof(float);
    return numbers * (form == HEED_CACHE_F32 ? 4 : 2);
}

int64_t heed_attention_scratch(int64_t width, int64_t max_keys, int64_t heads_per_group) {
    (void)heads_per_group;  // a block holds the same number of rows for any grouping
    return heed_attention_memory_of(width, max_keys).total * (int64_t)sizeof(float);
}
