#ifndef HEED_KERNELS_H
#define HEED_KERNELS_H

// The hot loops. Every kernel has one signature: it does its share `part` of `parts` of the work that `args`, a plain
// struct filled once by the planner, describes. No kernel allocates, starts threads or keeps state.
//
// Activations are [rows, columns], row-major, fp32, packed without padding; the number of rows is read at run time.
// A kernel that has a `window` works on rows first ..< first + min(limit, max(0, *rows - first)).
//
// The numeric contract: an output of a matrix product is one chain of fused multiply-adds over k in ascending order;
// sums within a row use 16 lanes (lane = index mod 16) and one tree; weight gradients add rows in ascending order to
// what is stored; `parts` divides outputs only. So no result depends on parts, on the company of a row, or on chunks.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Function pointers of the table are never null; other pointers say in their comments when they may be.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"
typedef void (*_Nonnull heed_kernel)(const void *args, int part, int parts);

enum { HEED_PANEL = 48, HEED_LANES = 16, HEED_KEY_TILE = 64 };

typedef enum heed_isa {
    HEED_PORTABLE = 0, HEED_AVX2 = 1, HEED_AVX512 = 2, HEED_NEON = 3,
    HEED_AMX = 4,        // AVX-512, with products of bf16 and of bytes by AMX's tile unit
    HEED_AMX_MODEL = 5   // the best of the others, with these products by a model of the unit: the same bits as AMX
} heed_isa;
typedef enum heed_precision {
    HEED_F32 = 0, HEED_BF16 = 1, HEED_INTEGER = 2, HEED_BF16_AMX = 3, HEED_BF16_AMX_MODEL = 4,
    HEED_INTEGER_AMX = 5, HEED_INTEGER_AMX_MODEL = 6
} heed_precision;
static inline int heed_is_integer(int32_t precision) {
    return precision == HEED_INTEGER || precision == HEED_INTEGER_AMX || precision == HEED_INTEGER_AMX_MODEL;
}
static inline int heed_is_bf16(int32_t precision) {
    return precision == HEED_BF16 || precision == HEED_BF16_AMX || precision == HEED_BF16_AMX_MODEL;
}
typedef enum heed_activation {
    HEED_IDENTITY = 0, HEED_RELU, HEED_GELU_TANH, HEED_GELU_ERF, HEED_QUICK_GELU, HEED_SILU, HEED_TANH, HEED_SIGMOID,
    HEED_RELU_SQUARED, HEED_SOFTPLUS
} heed_activation;
typedef enum heed_norm_kind { HEED_LAYER_NORM = 0, HEED_RMS_NORM = 1 } heed_norm_kind;
// Numbers of heed_map: element-wise functions that are not activations.
typedef enum heed_function { HEED_EXP = 0, HEED_LOG, HEED_ERF, HEED_SIN, HEED_COS } heed_function;

// Which rows of a ragged buffer a kernel works on.
typedef struct heed_window {
    const int32_t *rows;   // the number of rows of the buffer, read at run time
    int32_t first, limit;  // limit INT32_MAX: all
} heed_window;

// Memory of one part: scratch + part * stride (in bytes).
typedef struct heed_scratch { void *base; int64_t stride; } heed_scratch;

// ---------------------------------------------------------------- matrix products (matrix.inc)

// bf16 products in AMX's order (matrix_amx.inc) take words with the even k in the low half.
//
// bf16 products round both operands to the nearest bf16 (ties to even) and sum in fp32, one chain over k ascending as
// in fp32. All instruction sets with fused multiply-add give the same bits, except that the processor's own bf16
// instruction (AVX512_BF16) takes subnormal numbers as zero. Outputs may not overlap any input.

// Packs weight [out, in] into panels of HEED_PANEL outputs: panels[p][k][48] (fp32), or for bf16 32-bit words
// panels[p][k/2][48] with the even k in the high half and the odd k in the low half; missing outputs and an odd last
// k are zero. Run when a model is loaded for inference.
typedef struct heed_pack {
    const float *weight;
    void *panels;          // heed_panel_bytes(in, out, precision)
    int32_t in, out, precision;
} heed_pack;
int64_t heed_panel_bytes(int64_t in, int64_t out, int32_t precision);

// How the numbers of a panel are stored (stored_panels.c, matrix_stored.inc). All but the first take a fraction of fp32's
// memory, and products turn them into the fp32 numbers that they stand for on their way into the registers: the bits of
// a result are those of fp32 panels with the same numbers.
//   f16, bf16: 16-bit numbers [in][48].
//   q8, q4: blocks of 32 along k with a binary16 scale: d · (q − 128) from bytes, d · (q − 8) from half bytes.
//   q4k, q5k, q6k: ggml's blocks of 256 along k, whose groups of 32 (q6k: 16) have scales of their own.
// Words of 32 bits are those of ggml's blocks, so that packing moves whole words.
typedef enum heed_form {
    HEED_FORM_F32 = 0, HEED_FORM_F16, HEED_FORM_BF16, HEED_FORM_Q8, HEED_FORM_Q4, HEED_FORM_Q4K, HEED_FORM_Q5K,
    HEED_FORM_Q6K, HEED_FORMS
} heed_form;
// A matrix [out, in] in panels of HEED_PANEL outputs, each in a form and at an address of its own.
typedef struct heed_stored {
    const uint8_t *forms;                       // [panels], of heed_form
    const void *const *panels;                  // [panels]
    int64_t in, out;
} heed_stored;
// How many numbers along k a block of the form holds; the bytes of one panel.
int64_t heed_form_block(int32_t form);
int64_t heed_form_panel_bytes(int32_t form, int64_t in);
// Packs `rows` ≤ HEED_PANEL rows of fp32 into one panel of f32, f16, bf16, q8 or q4, rounded to the nearest number of the
// form; missing rows are zero. Returns 0 where a number is beyond the form.
int heed_pack_numbers(const float *rows, int64_t stride, int64_t rows_count, int64_t in, int32_t form, void *panel);
// Packs rows that are stored in the form's own blocks as ggml has them (for f16 and bf16: its numbers one after the
// other); `in` is a multiple of the block. Returns 0 where a scale or a 16-bit number is not finite.
int heed_pack_blocks(const uint8_t *const *rows, int64_t rows_count, int64_t in, int32_t form, void *panel);
// Row `row` of the matrix as fp32.
void heed_stored_row(const heed_stored *matrix, int64_t row, float *to);

// Integer products (precision HEED_INTEGER, panels q8 or q4): x is rounded to blocks of 32 bytes with an fp32 scale each,
// the nearest, ties to even; a block's products are summed exactly in integers, and
// y = fma(float(sum), scale of x · scale of W, y), blocks ascending. The same bits on every instruction set with fused
// multiply-add.

// y = residual + activation(x · Wᵀ + bias).   x [rows, in], W [out, in], y [rows, out].
// Exactly one of weight (row-major, packed on the fly), panels (packed before) and stored is set.
typedef struct heed_linear {
    heed_window window;
    const float *x; int64_t x_stride;
    const float *weight;
    const void *panels;
    const heed_stored *stored;
    const float *bias;                          // or NULL
    const float *residual; int64_t residual_stride;  // or NULL
    float *pre;                                 // or NULL; keeps x · Wᵀ + bias, row stride y_stride
    float *y; int64_t y_stride;
    int32_t in, out, activation, precision;
    heed_scratch scratch;                       // heed_linear_scratch(in, out, max rows, precision) bytes a part
} heed_linear;
int64_t heed_linear_scratch(int64_t in, int64_t out, int64_t rows, int32_t precision);

// dx = (accumulate ? dx : 0) + dy · W, then, if activation_input is set, dx *= activation'(activation_input).
// dy [rows, out], W [out, in], dx [rows, in].
typedef struct heed_linear_input_gradient {
    heed_window window;
    const float *dy; int64_t dy_stride;
    const float *weight;
    const float *activation_input;              // or NULL, row stride dx_stride
    float *dx; int64_t dx_stride;
    int32_t in, out, accumulate, activation, precision;
    heed_scratch scratch;
} heed_linear_input_gradient;

// dW += dyᵀ · x, dbias += Σ_rows dy, rows ascending.
typedef struct heed_linear_weight_gradient {
    heed_window window;
    const float *dy; int64_t dy_stride;
    const float *x; int64_t x_stride;
    float *dweight;
    float *dbias;                               // or NULL
    int32_t in, out, precision;
    heed_scratch scratch;
} heed_linear_weight_gradient;

// ---------------------------------------------------------------- normalisation (normalisation.inc)

// sum = x + residual (when residual is set; sum may be x), y = gain · (sum − mean)/√(var + ε) + offset, or
// gain · sum/√(mean(sum²) + ε). Keeps mean and 1/√(…) per row when set. gain, offset may be NULL.
typedef struct heed_norm {
    heed_window window;
    const float *x, *residual;
    float *sum;
    const float *gain, *offset;
    float *y, *mean, *scale;
    int32_t columns, kind;
    float epsilon;
} heed_norm;

// dx = (accumulate ? dx : 0) + gradient of y through the norm. x is what was normalised (sum).
typedef struct heed_norm_input_gradient {
    heed_window window;
    const float *dy, *x, *gain, *mean, *scale;
    float *dx;
    int32_t columns, kind, accumulate;
} heed_norm_input_gradient;

// dgain += Σ dy · normalised, doffset += Σ dy; rows ascending, parts divide columns.
typedef struct heed_norm_weight_gradient {
    heed_window window;
    const float *dy, *x, *mean, *scale;
    float *dgain, *doffset;                     // doffset may be NULL
    int32_t columns, kind;
} heed_norm_weight_gradient;

// Root-mean-square norms of groups of columns (heads) within wider rows: columns first + g·width … of x [rows, stride],
// g < groups, become gain ⊙ x/√(mean(x²) + ε) in y, and 1/√(…) is kept in scale[row · scale_stride + g] when set.
typedef struct heed_group_norm {
    heed_window window;
    const float *x; float *y; int64_t stride;
    const float *gain;                          // [width]
    float *scale; int64_t scale_stride;
    int32_t first, groups, width; float epsilon;
} heed_group_norm;
// dx = (accumulate ? dx : 0) + gradient of those columns.
typedef struct heed_group_norm_gradient {
    heed_window window;
    const float *dy, *x; float *dx; int64_t stride;
    const float *gain, *scale; int64_t scale_stride;
    int32_t first, groups, width, accumulate;
} heed_group_norm_gradient;
// dgain += Σ dy · normalised, rows ascending, groups ascending within a row; parts divide the width.
typedef struct heed_group_norm_gain_gradient {
    heed_window window;
    const float *dy, *x; int64_t stride;
    const float *scale; int64_t scale_stride;
    float *dgain; int32_t first, groups, width;
} heed_group_norm_gain_gradient;
// y = (accumulate ? y : 0) + x for columns first ..< first + count of rows of `stride` floats.
typedef struct heed_copy_columns {
    heed_window window; const float *x; float *y; int64_t stride; int32_t first, count, accumulate;
} heed_copy_columns;

// ---------------------------------------------------------------- element-wise (elementwise.inc)

// y = activation(x); y may be x.
typedef struct heed_activate {
    heed_window window; const float *x; float *y; int32_t columns, activation;
} heed_activate;
// dx = (accumulate ? dx : 0) + dy · activation'(x)
typedef struct heed_activate_gradient {
    heed_window window; const float *dy, *x; float *dx; int32_t columns, activation, accumulate;
} heed_activate_gradient;

// x [rows, 2·columns] = gate | up;  y = activation(gate) · up.
typedef struct heed_gate {
    heed_window window; const float *x; float *y; int32_t columns, activation;
} heed_gate;
// dx [rows, 2·columns] from dy [rows, columns]
typedef struct heed_gate_gradient {
    heed_window window; const float *dy, *x; float *dx; int32_t columns, activation;
} heed_gate_gradient;

// y = a·x + b·z (z may be NULL); y may alias x or z. Used for sums, scaling, gradients that meet.
typedef struct heed_combine {
    heed_window window; const float *x, *z; float *y; float a, b; int32_t columns;
} heed_combine;

// y = k ⊙ x + a (a may be NULL, or y): a value edited on its way, and the gradient of that.
typedef struct heed_edit {
    heed_window window; const float *x, *k, *a; float *y; int32_t columns;
} heed_edit;

// y = cap · tanh(x / cap), y may be x; dx may be x or dy, and dx = (accumulate ? dx : 0) + dy · (1 − tanh²(x / cap)).
typedef struct heed_cap {
    heed_window window; const float *x; float *y; int32_t columns; float cap;
} heed_cap;
typedef struct heed_cap_gradient {
    heed_window window; const float *dy, *x; float *dx; int32_t columns; float cap; int32_t accumulate;
} heed_cap_gradient;

// y = function(x), for tests and tables. count elements.
typedef struct heed_map { const float *x; float *y; int64_t count; int32_t function; } heed_map;

// y[i] = x[index[i]] (rows), and the gradient dx[index[i]] += dy[i] in ascending i (parts divide columns).
typedef struct heed_gather {
    const int32_t *count; const int32_t *index; const float *x; float *y; int32_t columns;
} heed_gather;

// ---------------------------------------------------------------- random (random.inc)

// Philox4x32-10: key = seed (two words), counter = (index/4 low, index/4 high, purpose, step), element index mod 4.
typedef struct heed_random {
    uint64_t seed, step;
    int64_t row_base;      // rows of this step that earlier micro-batches held, so that index never depends on them
} heed_random;
// keep element (row_base + row) · columns + column with probability 1 − rate, scaled by 1/(1 − rate);
// y = residual + dropped(x) (residual may be NULL). The gradient is the same kernel on dy without residual.
typedef struct heed_dropout {
    heed_window window; const float *x, *residual; float *y; int32_t columns; float rate; uint32_t purpose;
    int32_t accumulate;    // y += dropped(x)
    const heed_random *random;
} heed_dropout;
// Fills count words with Philox output of counters start …, for tests and initialisation.
void heed_philox(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t start, uint32_t *words, int64_t count);

// ---------------------------------------------------------------- embedding (embedding.inc)

// y[r] = scale · table[ids[r]] + positions_table[positions[r]] + types_table[types[r]]; tables after the first may be
// NULL. A table that is also the output matrix is read from that matrix's panels where they are given, fp32 or stored.
typedef struct heed_embedding {
    heed_window window;
    const int32_t *ids, *positions, *types;
    const float *table, *panels, *position_table, *type_table;
    const heed_stored *stored;                  // one of table, panels and stored
    float *y; int32_t columns; float scale;
} heed_embedding;

// The gradient of a table is first gathered by distinct row ("slots"), because micro-batches must continue one chain
// even when the table is also the output matrix. Pass 1 (serial): slots of this micro-batch's ids, in order of first
// appearance: slot_of[id] (−1 none yet), id_of[slot], used. Pass 2 (parts divide columns): sum[slot] += scale · dy[r],
// r ascending; a new slot starts at zero. Flush (parts divide columns): gradient[id_of[s]] += sum[s], s ascending;
// then the last part-independent serial pass clears slot_of and used.
typedef struct heed_embedding_gradient {
    heed_window window;
    const int32_t *ids; const float *dy;
    int32_t *slot_of, *id_of, *used, *cleared;   // cleared: number of slots whose sums are already zeroed
    float *sums; float *gradient; int32_t columns; float scale;
    int32_t skip;                                // the id whose row gets no gradient (a padding id), or -1
} heed_embedding_gradient;

// gradient[index[r]] += dy[r], r ascending (positions, types). parts divide columns.
typedef struct heed_scatter_add {
    heed_window window; const int32_t *index; const float *dy; float *gradient; int32_t columns;
} heed_scatter_add;

// ---------------------------------------------------------------- mixture of experts (experts.inc)

// The `chosen` experts of each row: those of the largest softmax(logits), of equals the first. experts[r] lists them
// ascending, weights[r] are their probabilities, divided by their sum when `normalise` is set. All is decided within a
// row, so a row's experts do not depend on its company.
typedef struct heed_route {
    heed_window window;
    const float *logits; float *probabilities;  // [rows, experts]
    float *weights; int32_t *chosen_experts;    // [rows, chosen]
    int32_t experts, chosen, normalise;
} heed_route;
// dlogits from dweights; both dense.
typedef struct heed_route_gradient {
    heed_window window;
    const float *probabilities, *weights, *dweights; const int32_t *chosen_experts;
    float *dlogits; int32_t experts, chosen, normalise, accumulate;
} heed_route_gradient;
// Sorts the pairs (row, place) by expert, rows ascending: pair number row · chosen + place lies at slots[pair], slot s
// came from row sources[s], expert e has the slots offsets[e] ..< offsets[e + 1]. Serial.
typedef struct heed_sort_routes {
    const int32_t *rows, *chosen_experts;
    int32_t *offsets, *slots, *sources;
    int32_t experts, chosen;
} heed_sort_routes;
// The linear kernels with a matrix of its own for each range of rows: rows offsets[e] ..< offsets[e + 1] meet
// weights[e] (or panels[e], or stored[e]). The window and the weights of `call` are not read.
typedef struct heed_expert_linear {
    heed_linear call;
    const int32_t *offsets; const float *const *weights; const void *const *panels;
    const heed_stored *const *stored; int32_t experts;
} heed_expert_linear;
typedef struct heed_expert_input_gradient {
    heed_linear_input_gradient call;
    const int32_t *offsets; const float *const *weights; int32_t experts;
} heed_expert_input_gradient;
typedef struct heed_expert_weight_gradient {
    heed_linear_weight_gradient call;
    const int32_t *offsets; float *const *dweights; int32_t experts;
} heed_expert_weight_gradient;
// y[r] = residual[r] + Σ over places ascending of weights[r][place] · x[slots[r · chosen + place]].
typedef struct heed_mix {
    heed_window window;
    const float *x, *weights, *residual;        // residual or NULL
    const int32_t *slots; float *y; int32_t columns, chosen;
} heed_mix;
// dx[slot] = weight · dy[r]; dweights[r][place] = dy[r] · x[slot].
typedef struct heed_mix_gradient {
    heed_window window;
    const float *dy, *x, *weights;
    const int32_t *slots; float *dx, *dweights; int32_t columns, chosen;  // dx, dweights may be NULL
} heed_mix_gradient;

// ---------------------------------------------------------------- rotary positions (rotary.inc)

// Rotates the first `width` columns of heads of x in place: x [rows, heads·head_width] with row stride; pairs are
// (i, i + width/2) or (2i, 2i + 1).
// cosine, sine [positions, width/2]. direction −1 undoes it (the gradient).
typedef struct heed_rotary {
    heed_window window; const int32_t *positions; float *x; int64_t stride;
    const float *cosine, *sine; int32_t heads, head_width, width, interleaved, direction;
} heed_rotary;

// ---------------------------------------------------------------- attention (attention.inc)

// Online softmax over key tiles of 64 anchored at key 0. For query row i of sequence s (rows query_offsets[s] …),
// visible keys are 0 ..< (causal ? past + i + 1 : keys of s), past = keys of s − queries of s for causal.
// Of those a row at position p (past + i, or i) sees keys p − before … p + after, where these bounds are not negative.
// score = scale · (q · k), then cap · tanh(score / cap) where there is a cap, then + bias + slopes[head] · (key − p);
// q · k is one chain over width ascending; p·v one chain over keys ascending.
typedef struct heed_attention {
    const int32_t *sequences;                   // S
    const int32_t *query_offsets, *key_offsets; // S + 1 each (the same for self-attention)
    const float *q; int64_t q_stride;           // [query rows, heads · width]
    const float *k; int64_t k_stride;           // [key rows, kv_heads · width]
    const float *v; int64_t v_stride;
    float *out; int64_t out_stride;
    float *normaliser;                          // or NULL: [query rows, heads], max + log Σ, kept for the gradient
    float *weights; int64_t weights_stride;     // or NULL: weights[(row · heads + head) · weights_stride + key], zeros beyond
    const float *bias; int32_t bias_buckets, bias_max_distance, bias_bidirectional; // T5 relative bias [buckets, heads], or NULL
    const int32_t *query_positions, *key_positions; // for the bias; NULL: index within the sequence (+ past)
    const float *slopes;                        // or NULL: [heads] (ALiBi)
    int32_t heads, kv_heads, width, causal, max_keys;
    int32_t before, after;                      // −1: no bound
    float scale, cap;                           // cap 0: none; with a cap there is no bias
    float dropout; uint32_t purpose; const heed_random *random; // dropout on the weights; index = ((row_base+row)·heads + head)·2^20 + key
    heed_scratch scratch;                       // heed_attention_scratch(width, max_keys)
} heed_attention;
int64_t heed_attention_scratch(int64_t width, int64_t max_keys, int64_t heads_per_group);

// dq, dk, dv are written (not accumulated); dk and dv add query rows ascending, query heads of a group ascending.
typedef struct heed_attention_gradient {
    heed_attention forward;                     // out and normaliser as computed
    const float *dout; int64_t dout_stride;
    float *dq; int64_t dq_stride;
    float *dk; int64_t dk_stride;
    float *dv; int64_t dv_stride;
    float *dbias;                               // or NULL: [buckets, heads] accumulated, rows ascending
} heed_attention_gradient;

// The pages of a key-value cache: position p of slot s lies in pages[s · stride + p / HEED_KEY_TILE]. Read at run time,
// so pages may come and go, and the table may move, between passes.
typedef struct heed_page_table { void *const *pages; int64_t stride; } heed_page_table;
// How keys and values are stored: int8 are bytes of d · q with d the largest magnitude of a token's head over 127, q the
// nearest integer, ties to even. Attention turns a tile into fp32 before it reads it.
typedef enum heed_cache_form {
    HEED_CACHE_F32 = 0, HEED_CACHE_BF16, HEED_CACHE_F16, HEED_CACHE_INT8
} heed_cache_form;
// One layer of every page, as bytes from the page's start: keys [kv_heads][HEED_KEY_TILE/16][width][16] in panels of 16
// keys, values [kv_heads][HEED_KEY_TILE][width], each of int8 followed by its fp32 scales [kv_heads][HEED_KEY_TILE].
typedef struct heed_cache_layout {
    const heed_page_table *table; int64_t keys, values; int32_t kv_heads, width, form;
} heed_cache_layout;
// The bytes of the keys, or of the values, of one layer of a page.
int64_t heed_cache_half(int32_t kv_heads, int32_t width, int32_t form);
// Appends the rows of each sequence at its slot from position past[s].
typedef struct heed_cache_append {
    const int32_t *sequences, *offsets, *slots, *past;
    const float *k; int64_t k_stride; const float *v; int64_t v_stride;
    heed_cache_layout cache;
} heed_cache_append;
// The same arithmetic as heed_attention with keys from the cache; keys of s = lengths[s] (all visible when not causal;
// causal: past = lengths[s] − queries of s).
typedef struct heed_cached_attention {
    const int32_t *sequences, *query_offsets, *slots, *lengths;
    const float *q; int64_t q_stride;
    float *out; int64_t out_stride;
    heed_cache_layout cache;
    const float *bias; int32_t bias_buckets, bias_max_distance, bias_bidirectional;
    const float *slopes;
    int32_t heads, causal, before, after; float scale, cap;
    heed_scratch scratch;
} heed_cached_attention;

// ---------------------------------------------------------------- loss (loss.inc)

// Per row of logits [rows, columns] (a window of the tokens): loss[r] = −log p(target) with label smoothing ε
// (1−ε)·nll + ε·mean over classes; targets[r] == ignore gives 0 and a zero gradient. When gradient is set the logits
// are replaced by ∂L/∂logits = scale · (p·(1 + 2·penalty·log Z) − y), Z the sum of the row's exponentials, *scale read at
// run time (1/number of counted targets of the step). The penalty counts in the gradient alone. With the logits of a
// teacher, (1 − share) of that and share · T² · KL(softmax(teacher / T) ‖ softmax(logits / T)).
typedef struct heed_cross_entropy {
    heed_window window;                         // rows of the targets; row r of the window is row r − first of logits
    float *logits; int64_t stride;
    const int32_t *targets; int32_t columns, ignore;
    float smoothing, penalty; const float *scale; int32_t gradient;
    float *loss;                                // [rows of the targets]
    const float *teacher; float share, temperature;   // or NULL: [rows of the targets, columns]
} heed_cross_entropy;

// ---------------------------------------------------------------- update (update.inc)

// Partial sums of squares: sums[b] over elements b·4096 … (16 double lanes, fixed tree), blocks divided among parts.
typedef struct heed_square_sum { const float *x; int64_t count; double *sums; } heed_square_sum;

// What an AdamW step reads at run time.
typedef struct heed_adam_rates {
    float rate, beta1, beta2, epsilon, correction1, correction2, clip; // correction = 1 − βᵗ; clip = factor on gradients
} heed_adam_rates;
// One step of an optimiser by the kernel of its name; the gradient becomes zero. Lion and sgd have no second moment.
typedef struct heed_adamw {
    float *parameter, *gradient, *first, *second; int64_t count; float decay; const heed_adam_rates *rates;
} heed_adamw;

// Rows of a matrix as Adafactor sees them (update_factors.inc): factor_row_sums sets the sums of squares by row,
// factor_column_sums adds to those by column, factor_squares sets row_sums to the squares of what factor_update subtracts
// times the rate, both with the factors 1/√(mean of squares).
typedef struct heed_factors {
    float *parameter; const float *gradient; int64_t rows, columns;
    double *row_sums, *column_sums;                 // [rows], [columns]
    const float *row_factors, *column_factors;
    int64_t first, last;                            // the elements that are updated
    float decay; const float *limit; const heed_adam_rates *rates;
} heed_factors;

// Zeroes count bytes.
typedef struct heed_zero { void *memory; int64_t bytes; } heed_zero;

// ---------------------------------------------------------------- what the machine can do (probe.inc)

// probe_products: rounds · probe_operations operations by every part; probe_read: reads count floats once.
typedef struct heed_probe {
    int64_t rounds; const float *data; int64_t count; float *sink;
    int32_t precision;  // of probe_bf16 and probe_integer
} heed_probe;

// ---------------------------------------------------------------- the table

typedef struct heed_kernels {
    heed_isa isa;
    heed_precision bf16;        // what bf16 products are called here
    heed_precision integer;     // and integer products
    heed_kernel pack, linear, linear_input_gradient, linear_weight_gradient;
    heed_kernel norm, norm_input_gradient, norm_weight_gradient;
    heed_kernel group_norm, group_norm_gradient, group_norm_gain_gradient, copy_columns;
    heed_kernel activate, activate_gradient, gate, gate_gradient, combine, edit, cap, cap_gradient, map;
    heed_kernel gather, gather_gradient;
    heed_kernel route, route_gradient, sort_routes, mix, mix_gradient;
    heed_kernel expert_linear, expert_input_gradient, expert_weight_gradient;
    heed_kernel dropout;
    heed_kernel embedding, embedding_slots, embedding_sums, embedding_flush, embedding_clear, scatter_add;
    heed_kernel rotary;
    heed_kernel attention, attention_gradient, cache_append, cached_attention;
    heed_kernel cross_entropy, square_sum, adamw, adam, lion, sgd, zero;
    heed_kernel factor_row_sums, factor_column_sums, factor_squares, factor_update;
    heed_kernel probe_products, probe_read, probe_bf16, probe_integer;
    int64_t probe_operations;   // of one round of probe_products; probe_bf16 does twice as many, probe_integer four times
} heed_kernels;

// The kernels of an instruction set, or NULL when this processor (or this build) lacks it.
const heed_kernels *heed_kernels_for(heed_isa isa);
heed_isa heed_best_isa(void);
const char *heed_isa_name(heed_isa isa);
// The processors that this process may use.
int heed_core_count(void);
// Spins for a moment without burning the core's resources.
void heed_pause(void);

#pragma clang diagnostic pop

#ifdef __cplusplus
}
#endif
#endif
