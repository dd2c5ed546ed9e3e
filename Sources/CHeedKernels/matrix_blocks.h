#ifndef HEED_MATRIX_BLOCKS_H
#define HEED_MATRIX_BLOCKS_H

#include <stdint.h>

// How the products cut their work, shared by the kernels and the size of their scratch memory. Sizes are in words of
// 32 bits: one k in fp32, two in bf16.
enum {
    HEED_BLOCK_UNITS = 768,     // depth of a block
    HEED_BLOCK_PANELS = 3,      // panels that the rows pass together: they and the next ones stay in the second cache
    HEED_BLOCK_LEFT = 589824,   // words of the left operand packed together
    HEED_BLOCK_NEAR = 524288,   // words of the left operand that are read as they lie
    HEED_FEW_TILES = 100,       // row tiles that do not repay packing the right operand
    HEED_SKINNY_ROWS = 16,      // up to here packed weights are streamed once
    HEED_ROW_SLACK = 16         // keeps packed rows off each other's cache sets
};

// Rows of the left operand that pass over all columns before the next: whole tiles of every instruction set.
static inline int64_t heed_rows_at_once(int64_t depth) {
    int64_t rows = HEED_BLOCK_LEFT / (depth + 32) / 24 * 24;
    return rows < 24 ? 24 : rows > 6144 ? 6144 : rows;
}

#endif
