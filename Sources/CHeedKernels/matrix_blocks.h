#ifndef HEED_MATRIX_BLOCKS_H
#define HEED_MATRIX_BLOCKS_H

// How the products cut their work, shared by the kernels and the size of their scratch memory. Sizes are in words of
// 32 bits: one k in fp32, two in bf16.
enum {
    HEED_BLOCK_UNITS = 384,   // depth of a block: a row tile of the left operand stays in the first cache
    HEED_BLOCK_PANELS = 4,    // panels packed together: they stay in the second cache while the rows pass
    HEED_BLOCK_ROWS = 768,    // rows of the left operand packed together
    HEED_SKINNY_ROWS = 16,    // up to here weights are streamed once, without blocks of k
    HEED_ROW_SLACK = 16       // keeps packed rows off each other's cache sets
};

#endif
