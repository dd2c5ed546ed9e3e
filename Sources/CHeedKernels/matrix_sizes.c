#include "heed_kernels.h"
#include "matrix_blocks.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t heed_panel_bytes(int64_t in, int64_t out, int32_t precision) {
    int64_t panels = (out + HEED_PANEL - 1) / HEED_PANEL;
    return panels * HEED_PANEL * 4 * (heed_is_bf16(precision) ? (in + 1) / 2 : in);
}

// Words for both packed operands of a product of m × n outputs over k.
static int64_t product(int64_t m, int64_t n, int64_t k) {
    int64_t depth = smaller(k, HEED_BLOCK_UNITS + 16) + 16;
    int64_t panels = smaller((n + HEED_PANEL - 1) / HEED_PANEL, HEED_BLOCK_PANELS);
    int64_t rows = smaller(m, heed_rows_at_once(0)) + 8;
    int64_t left = smaller(rows * (depth + 32), HEED_BLOCK_LEFT + 32 * (depth + 32));
    int64_t skinny = smaller(m, HEED_SKINNY_ROWS) * (k + 32);
    return 2 * panels * HEED_PANEL * depth + larger(left, skinny);
}

// Enough for a product and both its gradients.
int64_t heed_linear_scratch(int64_t in, int64_t out, int64_t rows, int32_t precision) {
    // Rows rounded to bytes, with a scale and a sum for every 32 of them.
    if (heed_is_integer(precision)) return (rows * ((in + 31) / 32) * 40 + 256 + 63) / 64 * 64;
    int64_t words = larger(product(rows, out, in), larger(product(rows, in, out), product(out, in, rows)));
    return (words * 4 + 256 + 63) / 64 * 64;
}
