#ifndef HEED_STORED_LAYOUT_H
#define HEED_STORED_LAYOUT_H

#include "heed_kernels.h"

// Where things lie in a block of a stored panel, in bytes. Every array has HEED_PANEL columns; words are ggml's.
//   q8   scales f16 | words [8]: byte j of word w is k = 4w + j, plus 128
//   q4   scales f16 | words [4]: low halves of byte j of word w are k = 4w + j, high halves k + 16
//   q4k  scales f16, minima f16 | four pairs of groups of 32: scales u8 [2], minima u8 [2], words [8]: low halves are the
//        first group, high halves the second
//   q5k  scales, minima | words [8] of fifth bits: bit g of byte j of word w is k = 4w + j of group g | pairs as q4k
//   q6k  scales f16 | two halves of 128: scales i8 [8], words [16] of low halves, words [8] of pairs of high bits
enum {
    HEED_Q8_WORDS = 2 * HEED_PANEL,
    HEED_Q4_WORDS = 2 * HEED_PANEL,
    HEED_Q4K_PAIR = 4 * HEED_PANEL + 32 * HEED_PANEL,
    HEED_Q4K_PAIRS = 4 * HEED_PANEL,
    HEED_Q5K_PAIRS = 4 * HEED_PANEL + 32 * HEED_PANEL,
    HEED_Q6K_HALVES = 2 * HEED_PANEL,
    HEED_Q6K_LOW = 8 * HEED_PANEL,
    HEED_Q6K_HIGH = 8 * HEED_PANEL + 64 * HEED_PANEL,
    HEED_Q6K_HALF = 8 * HEED_PANEL + 96 * HEED_PANEL
};

// Bytes of a block of a panel.
static inline int64_t heed_form_block_bytes(int32_t form) {
    switch (form) {
    case HEED_FORM_F32: return 4 * HEED_PANEL;
    case HEED_FORM_F16:
    case HEED_FORM_BF16: return 2 * HEED_PANEL;
    case HEED_FORM_Q8: return 34 * HEED_PANEL;
    case HEED_FORM_Q4: return 18 * HEED_PANEL;
    case HEED_FORM_Q4K: return HEED_Q4K_PAIRS + 4 * HEED_Q4K_PAIR;
    case HEED_FORM_Q5K: return HEED_Q5K_PAIRS + 4 * HEED_Q4K_PAIR;
    case HEED_FORM_Q6K: return HEED_Q6K_HALVES + 2 * HEED_Q6K_HALF;
    default: return 0;
    }
}

// Values of k in a block.
static inline int64_t heed_form_block_length(int32_t form) {
    switch (form) {
    case HEED_FORM_Q8:
    case HEED_FORM_Q4: return 32;
    case HEED_FORM_Q4K:
    case HEED_FORM_Q5K:
    case HEED_FORM_Q6K: return 256;
    default: return 1;
    }
}

// Bytes of a block of one row in a file.
static inline int64_t heed_form_file_bytes(int32_t form) {
    switch (form) {
    case HEED_FORM_F32: return 4;
    case HEED_FORM_F16:
    case HEED_FORM_BF16: return 2;
    case HEED_FORM_Q8: return 34;
    case HEED_FORM_Q4: return 18;
    case HEED_FORM_Q4K: return 144;
    case HEED_FORM_Q5K: return 176;
    case HEED_FORM_Q6K: return 210;
    default: return 0;
    }
}

#endif
