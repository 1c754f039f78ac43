// Included once for each kind of instructions, with NAME, LANES, FOLD, BLOCK_ROWS, BLOCK_VECTORS and MULTIPLY_ADD
// defined;
// MULTIPLIES_PAIRS where there is an instruction for pairs of bfloat16.
//
// A "word" is what one lane holds: a float, or a pair of bfloat16 that are neighbours in the summed axis.

#define VECTOR NAME(vector)
#define WHOLES NAME(wholes)
typedef float VECTOR __attribute__((ext_vector_type(LANES), aligned(4), may_alias));
typedef int32_t WHOLES __attribute__((ext_vector_type(LANES), aligned(4), may_alias));

// MARK: Products

/// A matrix as the right side of a product: panels of up to BLOCK_VECTORS vectors, each `step` words after the last,
/// in rows `row` words apart. A row of `0` means that each panel of `columns` is packed as wide as it is.
#define RIGHT NAME(right)
typedef struct {
    const float *start;
    int64_t step, row, columns;
} RIGHT;

INLINE VECTOR NAME(multiply_add)(VECTOR sum, float word, VECTOR right, int pairs) {
#ifdef MULTIPLIES_PAIRS
    if (pairs) {
        VECTOR both = (VECTOR)word;
        __m512bh a, b;
        memcpy(&a, &both, 64);
        memcpy(&b, &right, 64);
        return (VECTOR)_mm512_dpbf16_ps((__m512)sum, a, b);
    }
#endif
    return MULTIPLY_ADD((VECTOR)word, right, sum);
}

/// A block of results, `rows` by `vectors`, both known to the compiler.
INLINE void NAME(block)(
    int rows, int vectors, int64_t depth, const float *left, int64_t left_row, int64_t left_step, const float *right,
    int64_t right_row, float *result, int64_t result_row, int adds, int pairs) {
    VECTOR sums[BLOCK_ROWS][BLOCK_VECTORS];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++)
            sums[i][v] = adds ? *(const VECTOR *)(result + i * result_row + v * LANES) : (VECTOR)0.0f;
    for (int64_t k = 0; k < depth; k++) {
        VECTOR across[BLOCK_VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) across[v] = *(const VECTOR *)(right + k * right_row + v * LANES);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            float word = left[i * left_row + k * left_step];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sums[i][v] = NAME(multiply_add)(sums[i][v], word, across[v], pairs);
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) *(VECTOR *)(result + i * result_row + v * LANES) = sums[i][v];
}

#define ROW_CASE(count, vectors) \
    case count: \
        NAME(block)(count, vectors, depth, from, left_row, left_step, start, row, to, result_row, adds, pairs); \
        break;
#if BLOCK_ROWS == 6
#define ROW_CASES(vectors) \
    ROW_CASE(6, vectors) ROW_CASE(5, vectors) ROW_CASE(4, vectors) ROW_CASE(3, vectors) ROW_CASE(2, vectors) \
    ROW_CASE(1, vectors)
#else
#define ROW_CASES(vectors) ROW_CASE(3, vectors) ROW_CASE(2, vectors) ROW_CASE(1, vectors)
#endif
#define VECTOR_CASE(vectors) \
    case vectors: \
        switch (count) { ROW_CASES(vectors) } \
        break;

/// `result (+)= left · right`: `rows` by `columns` results, `columns` a multiple of LANES, summed over `depth` words.
INLINE void NAME(product)(
    int64_t rows, int64_t columns, int64_t depth, const float *left, int64_t left_row, int64_t left_step, RIGHT right,
    float *result, int64_t result_row, int adds, int pairs) {
    const int64_t panel = BLOCK_VECTORS * LANES;
    for (int64_t column = 0; column < columns; column += panel) {
        int64_t width = smaller(panel, columns - column);
        const float *start = right.start + column / panel * right.step;
        int64_t row = right.row ? right.row : smaller(panel, right.columns - column);
        for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
            int64_t count = smaller(BLOCK_ROWS, rows - first);
            const float *from = left + first * left_row;
            float *to = result + first * result_row + column;
            switch (width / LANES) {
                VECTOR_CASE(1)
                VECTOR_CASE(2)
#if BLOCK_VECTORS == 4
                VECTOR_CASE(3)
                VECTOR_CASE(4)
#endif
            }
        }
    }
}

static void NAME(float_product)(
    int64_t rows, int64_t columns, int64_t depth, const float *left, int64_t left_row, int64_t left_step, RIGHT right,
    float *result, int64_t result_row, int adds) {
    NAME(product)(rows, columns, depth, left, left_row, left_step, right, result, result_row, adds, 0);
}

#ifdef MULTIPLIES_PAIRS
static void NAME(pair_product)(
    int64_t rows, int64_t columns, int64_t depth, const float *left, int64_t left_row, RIGHT right, float *result,
    int64_t result_row) {
    NAME(product)(rows, columns, depth, left, left_row, 1, right, result, result_row, 0, 1);
}
#endif

// MARK: Packing

/// Element `index` of floats or of bfloat16.
INLINE float NAME(element)(const void *values, int64_t index, int is_bfloat16) {
    return is_bfloat16 ? widened(((const uint16_t *)values)[index]) : ((const float *)values)[index];
}

/// `rows` of `width` elements from `start` on as floats, `packed_row` apart, zeros after them.
static void NAME(pack_rows)(
    const void *values, int64_t start, int64_t rows, int64_t width, int64_t row, int is_bfloat16, float *packed, int64_t packed_row) {
    for (int64_t i = 0; i < rows; i++) {
        float *to = packed + i * packed_row;
        if (is_bfloat16) {
            for (int64_t c = 0; c < width; c++) to[c] = widened(((const uint16_t *)values)[start + i * row + c]);
        } else {
            const float *from = (const float *)values + start + i * row;
            int64_t c = 0;
            for (; c + LANES <= width; c += LANES) *(VECTOR *)(to + c) = *(const VECTOR *)(from + c);
            for (; c < width; c++) to[c] = from[c];
        }
        for (int64_t c = width; c < packed_row; c++) to[c] = 0;
    }
}

/// The transpose of `rows` of `width` elements, as panels of the right side of a product; zeros fill the last vector.
INLINE RIGHT NAME(pack_transposed)(
    const void *values, int64_t rows, int64_t width, int64_t row, int is_bfloat16, float *packed) {
    const int64_t panel = BLOCK_VECTORS * LANES;
    const int64_t columns = padded(rows, LANES);
    for (int64_t first = 0; first < columns; first += panel) {
        int64_t across = smaller(panel, columns - first);
        float *start = packed + first * width;
        for (int64_t j = 0; j < across; j++) {
            int64_t from = (first + j) * row;
            if (first + j >= rows) {
                for (int64_t d = 0; d < width; d++) start[d * across + j] = 0;
            } else {
                for (int64_t d = 0; d < width; d++)
                    start[d * across + j] = NAME(element)(values, from + d, is_bfloat16);
            }
        }
    }
    return (RIGHT){packed, panel * width, 0, columns};
}

/// Rows as the right side of a product: as they stand if whole vectors reach over no row's end, else packed.
static RIGHT NAME(right_side)(
    const void *values, int64_t rows, int64_t width, int64_t row, int is_bfloat16, float *packed) {
    const int64_t panel = BLOCK_VECTORS * LANES;
    if (!is_bfloat16 && width % LANES == 0) return (RIGHT){values, panel, row, width};
    int64_t packed_row = padded(width, LANES);
    NAME(pack_rows)(values, 0, rows, width, row, is_bfloat16, packed, packed_row);
    return (RIGHT){packed, panel, packed_row, packed_row};
}

#ifdef MULTIPLIES_PAIRS
/// As `pack_transposed`, of pairs of neighbouring features.
static RIGHT NAME(pack_transposed_pairs)(
    const uint16_t *values, int64_t rows, int64_t width, int64_t row, uint32_t *packed) {
    const int64_t panel = BLOCK_VECTORS * LANES;
    const int64_t columns = padded(rows, LANES), words = (width + 1) / 2;
    for (int64_t first = 0; first < columns; first += panel) {
        int64_t across = smaller(panel, columns - first);
        uint32_t *start = packed + first * words;
        for (int64_t j = 0; j < across; j++) {
            const uint16_t *from = values + (first + j) * row;
            if (first + j >= rows) {
                for (int64_t d = 0; d < words; d++) start[d * across + j] = 0;
                continue;
            }
            for (int64_t d = 0; d < width / 2; d++) memcpy(&start[d * across + j], from + 2 * d, 4);
            if (width % 2) start[(words - 1) * across + j] = from[width - 1];
        }
    }
    return (RIGHT){(const float *)packed, panel * words, 0, columns};
}

/// Pairs of neighbouring rows as the right side of a product.
static RIGHT NAME(pack_row_pairs)(
    const uint16_t *values, int64_t rows, int64_t width, int64_t row, uint32_t *packed) {
    const int64_t packed_row = padded(width, LANES);
    for (int64_t i = 0; i < rows; i += 2) {
        const uint16_t *low = values + i * row, *high = low + row;
        uint32_t *to = packed + i / 2 * packed_row;
        if (i + 1 < rows) {
            for (int64_t c = 0; c < width; c++) to[c] = low[c] | (uint32_t)high[c] << 16;
        } else {
            for (int64_t c = 0; c < width; c++) to[c] = low[c];
        }
        for (int64_t c = width; c < packed_row; c++) to[c] = 0;
    }
    return (RIGHT){(const float *)packed, BLOCK_VECTORS * LANES, packed_row, packed_row};
}
#endif

// MARK: Products of rows with rows

/// Rows as the right side of their products with other rows, in pairs where there are instructions for them.
static RIGHT NAME(transposed_side)(
    const void *values, int64_t rows, int64_t width, int64_t row, int is_bfloat16, float *packed) {
#ifdef MULTIPLIES_PAIRS
    if (is_bfloat16) return NAME(pack_transposed_pairs)(values, rows, width, row, (uint32_t *)packed);
#endif
    // Each with loops of its own.
    return is_bfloat16 ? NAME(pack_transposed)(values, rows, width, row, 1, packed)
                       : NAME(pack_transposed)(values, rows, width, row, 0, packed);
}

/// `result = left · right`, `rows` by `columns`: products of rows that begin at `start` with those of a
/// `transposed_side`. There is room for `rows` of `width` floats in `packed`.
static void NAME(row_products)(
    const void *left, int64_t start, int64_t rows, int64_t width, int64_t row, int is_bfloat16, RIGHT right,
    float *packed, float *result, int64_t columns) {
#ifdef MULTIPLIES_PAIRS
    if (is_bfloat16) {
        const int64_t words = (width + 1) / 2;
        uint32_t *pairs = (uint32_t *)packed;
        for (int64_t i = 0; i < rows; i++) {
            uint16_t *to = (uint16_t *)(pairs + i * words);
            memcpy(to, (const uint16_t *)left + start + i * row, width * 2);
            if (width % 2) memset(to + width, 0, 2);
        }
        NAME(pair_product)(rows, columns, words, packed, words, right, result, columns);
        return;
    }
#endif
    NAME(pack_rows)(left, start, rows, width, row, is_bfloat16, packed, width);
    NAME(float_product)(rows, columns, width, packed, width, 1, right, result, columns, 0);
}

// MARK: Softmax

INLINE VECTOR NAME(exponential)(VECTOR x) {
    // x = n · log 2 + r: a number this large leaves whole numbers only.
    const VECTOR shift = (VECTOR)0x1.8p23f;
    VECTOR n = MULTIPLY_ADD(x, (VECTOR)1.44269504f, shift) - shift;
    VECTOR r = MULTIPLY_ADD(n, (VECTOR)-0.693359375f, x);
    r = MULTIPLY_ADD(n, (VECTOR)2.12194440e-4f, r);
    VECTOR p = MULTIPLY_ADD(r, (VECTOR)(1.0f / 5040), (VECTOR)(1.0f / 720));
    p = MULTIPLY_ADD(p, r, (VECTOR)(1.0f / 120));
    p = MULTIPLY_ADD(p, r, (VECTOR)(1.0f / 24));
    p = MULTIPLY_ADD(p, r, (VECTOR)(1.0f / 6));
    p = MULTIPLY_ADD(p, r, (VECTOR)0.5f);
    p = MULTIPLY_ADD(p, r, (VECTOR)1.0f);
    p = MULTIPLY_ADD(p, r, (VECTOR)1.0f);
    // Below this the result is no normal number; above 0 nobody asks.
    WHOLES vanishes = x < (VECTOR)-87.0f;
    n = vanishes ? (VECTOR)0.0f : n;
    // Not a number has no whole part that converts.
    n = n == n ? n : (VECTOR)0.0f;
    WHOLES bits = (__builtin_convertvector(n, WHOLES) + 127) << 23;
    VECTOR power;
    memcpy(&power, &bits, sizeof(power));
    return vanishes ? (VECTOR)0.0f : p * power;
}

/// Replaces `count` scores by the exponential of their distance from the largest, clears the rest up to `columns`, and
/// returns 1 over their sum.
///
/// - Precondition: `columns` is a multiple of LANES.
static float NAME(softmax)(
    float *scores, int64_t count, int64_t columns, float scale, const float *mask, int64_t mask_column) {
    for (int64_t j = count; j < columns; j++) scores[j] = -INFINITY;
    if (mask && mask_column == 1) {
        for (int64_t j = 0; j < count; j++) scores[j] = scores[j] * scale + mask[j];
    } else if (mask) {
        for (int64_t j = 0; j < count; j++) scores[j] = scores[j] * scale + mask[j * mask_column];
    }
    const VECTOR factor = (VECTOR)(mask ? 1.0f : scale);
    VECTOR highest = (VECTOR)-INFINITY;
    for (int64_t j = 0; j < columns; j += LANES) {
        VECTOR score = *(VECTOR *)(scores + j);
        if (j + LANES <= count) {
            score *= factor;
        } else {
            for (int64_t rest = j; rest < count; rest++) scores[rest] *= factor[0];
            score = *(VECTOR *)(scores + j);
        }
        *(VECTOR *)(scores + j) = score;
        highest = score > highest ? score : highest;
    }
    const float largest = FOLD(highest, LARGER);
    if (largest == -INFINITY) {
        // Nothing to see; but what is not a number stays none.
        float inverse = 1;
        for (int64_t j = 0; j < count; j++)
            if (scores[j] != scores[j]) inverse = NAN;
        memset(scores, 0, columns * sizeof(float));
        return inverse;
    }
    VECTOR sums = (VECTOR)0.0f;
    for (int64_t j = 0; j < columns; j += LANES) {
        VECTOR weight = NAME(exponential)(*(VECTOR *)(scores + j) - largest);
        *(VECTOR *)(scores + j) = weight;
        sums += weight;
    }
    return 1 / FOLD(sums, SUM);
}

// MARK: Tiles

/// Sizes that scratch memory is cut by.
#define PLAN NAME(plan)
typedef struct {
    int64_t rows, columns, features, value_features;
} PLAN;

static PLAN NAME(plan_of)(const pando_attention *a) {
    PLAN plan;
    plan.columns = padded(a->keys, LANES);
    plan.features = padded(a->features, LANES);
    plan.value_features = padded(a->value_features, LANES);
    int64_t fitting = 16384 / (plan.columns + 1) / BLOCK_ROWS * BLOCK_ROWS;
    plan.rows = fitting < BLOCK_ROWS ? BLOCK_ROWS : smaller(fitting, 8 * BLOCK_ROWS);
    return plan;
}

/// The next `count` floats of scratch memory.
static float *NAME(take)(char **scratch, int64_t count) {
    float *start = (float *)*scratch;
    *scratch += padded(count * (int64_t)sizeof(float), 64);
    return start;
}

static size_t NAME(scratch_bytes)(const pando_attention *a) {
    PLAN plan = NAME(plan_of)(a);
    int64_t widest = plan.features + plan.value_features;
    // Keys, values and their gradients, each packed both ways; tiles of scores twice, of queries, outputs, gradients.
    int64_t floats = 4 * plan.columns * widest + 2 * plan.rows * plan.columns + 3 * plan.rows * widest;
    return (size_t)floats * sizeof(float) + 16 * 64;
}

/// One product of a tile's scores, softmax included; returns in `inverses` what each row is to be multiplied by.
static void NAME(weigh)(
    const pando_attention *a, float *scores, int64_t columns, int64_t first, int64_t rows, int64_t head, int64_t keys,
    float *inverses) {
    const float *mask = a->mask ? a->mask + head * a->mask_head : 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t seen = a->is_causal ? smaller(keys, first + i + 1) : keys;
        inverses[i] = NAME(softmax)(
            scores + i * columns, seen, columns, a->scale, mask ? mask + (first + i) * a->mask_row : 0,
            a->mask_column);
    }
}

INLINE void NAME(write_row)(const float *row, int64_t width, float factor, void *output, int64_t start, int is_bfloat16) {
    if (is_bfloat16) {
        uint16_t *to = (uint16_t *)output + start;
        for (int64_t c = 0; c < width; c++) to[c] = rounded(row[c] * factor);
    } else {
        float *to = (float *)output + start;
        for (int64_t c = 0; c < width; c++) to[c] = row[c] * factor;
    }
}

static void NAME(forward)(
    const pando_attention *a, void *output, int64_t output_row, int64_t output_head, void *scratch) {
    const PLAN plan = NAME(plan_of)(a);
    char *rest = scratch;
    float *keys_packed = NAME(take)(&rest, plan.columns * plan.features);
    float *values_packed = NAME(take)(&rest, plan.columns * plan.value_features);
    float *scores = NAME(take)(&rest, plan.rows * plan.columns);
    float *left = NAME(take)(&rest, plan.rows * plan.features);
    float *sums = NAME(take)(&rest, plan.rows * plan.value_features);
    float inverses[8 * BLOCK_ROWS];
    RIGHT keys = NAME(transposed_side)(a->key, a->keys, a->features, a->key_row, a->is_bfloat16, keys_packed);
    RIGHT values;
#ifdef MULTIPLIES_PAIRS
    const int pairs = a->is_bfloat16;
    if (pairs) {
        values = NAME(pack_row_pairs)(a->value, a->keys, a->value_features, a->value_row, (uint32_t *)values_packed);
    } else
#endif
        values =
            NAME(right_side)(a->value, a->keys, a->value_features, a->value_row, a->is_bfloat16, values_packed);
    for (int64_t head = 0; head < a->group; head++) {
        for (int64_t first = 0; first < a->queries; first += plan.rows) {
            const int64_t rows = smaller(plan.rows, a->queries - first);
            // Keys that the last row of the tile sees.
            const int64_t seen = a->is_causal ? smaller(a->keys, first + rows) : a->keys;
            const int64_t columns = padded(seen, LANES);
            NAME(row_products)(
                a->query, head * a->query_head + first * a->query_row, rows, a->features, a->query_row,
                a->is_bfloat16, keys, left, scores, columns);
            NAME(weigh)(a, scores, columns, first, rows, head, seen, inverses);
#ifdef MULTIPLIES_PAIRS
            if (pairs) {
                for (int64_t i = 0; i < rows; i++) {
                    // In place: a pair is written where its first score was read, or before.
                    float *from = scores + i * columns;
                    uint32_t *to = (uint32_t *)from;
                    for (int64_t j = 0; j < columns; j += LANES) {
                        __m256bh half = _mm512_cvtneps_pbh((__m512)*(VECTOR *)(from + j));
                        memcpy(to + j / 2, &half, 32);
                    }
                }
                NAME(pair_product)(
                    rows, plan.value_features, (seen + 1) / 2, scores, columns, values, sums, plan.value_features);
            } else
#endif
                NAME(float_product)(
                    rows, plan.value_features, seen, scores, columns, 1, values, sums, plan.value_features, 0);
            for (int64_t i = 0; i < rows; i++)
                NAME(write_row)(
                    sums + i * plan.value_features, a->value_features, inverses[i], output,
                    head * output_head + (first + i) * output_row, a->is_bfloat16);
        }
    }
}

/// Scores and softmax are computed again. With P the weights, G the output's gradient and S the scores:
/// dV = Pᵀ G, dP = G Vᵀ, dS = P ∘ (dP - rowsum(P ∘ dP)), dQ = scale · dS K, dK = scale · dSᵀ Q.
static void NAME(backward)(const pando_attention *a, const pando_attention_gradients *g, void *scratch) {
    const PLAN plan = NAME(plan_of)(a);
    const int64_t depth = plan.features, value_depth = plan.value_features;
    char *rest = scratch;
    float *keys_transposed = NAME(take)(&rest, plan.columns * depth);
    float *values_transposed = NAME(take)(&rest, plan.columns * value_depth);
    float *keys_packed = NAME(take)(&rest, plan.columns * depth);
    float *key_sums = NAME(take)(&rest, plan.columns * depth);
    float *value_sums = NAME(take)(&rest, plan.columns * value_depth);
    float *weights = NAME(take)(&rest, plan.rows * plan.columns);
    float *changes = NAME(take)(&rest, plan.rows * plan.columns);
    float *queries = NAME(take)(&rest, plan.rows * depth);
    float *query_sums = NAME(take)(&rest, plan.rows * depth);
    float *incoming = NAME(take)(&rest, plan.rows * value_depth);
    float inverses[8 * BLOCK_ROWS];
    const int64_t panel = BLOCK_VECTORS * LANES;
    memset(key_sums, 0, plan.columns * depth * sizeof(float));
    memset(value_sums, 0, plan.columns * value_depth * sizeof(float));
    const int is_bfloat16 = a->is_bfloat16;
    RIGHT keys = NAME(transposed_side)(a->key, a->keys, a->features, a->key_row, is_bfloat16, keys_transposed);
    RIGHT values =
        NAME(transposed_side)(a->value, a->keys, a->value_features, a->value_row, is_bfloat16, values_transposed);
    RIGHT key_rows = NAME(right_side)(a->key, a->keys, a->features, a->key_row, is_bfloat16, keys_packed);
    for (int64_t head = 0; head < a->group; head++) {
        for (int64_t first = 0; first < a->queries; first += plan.rows) {
            const int64_t rows = smaller(plan.rows, a->queries - first);
            const int64_t seen = a->is_causal ? smaller(a->keys, first + rows) : a->keys;
            const int64_t columns = padded(seen, LANES);
            const int64_t query_start = head * a->query_head + first * a->query_row;
            const int64_t output_start = head * g->output_head + first * g->output_row;
            NAME(row_products)(
                a->query, query_start, rows, a->features, a->query_row, is_bfloat16, keys, queries, weights, columns);
            NAME(row_products)(
                g->output, output_start, rows, a->value_features, g->output_row, is_bfloat16, values, incoming, changes,
                columns);
            // Close together they are quicker right sides than as they stand.
            NAME(pack_rows)(a->query, query_start, rows, a->features, a->query_row, is_bfloat16, queries, depth);
            NAME(pack_rows)(
                g->output, output_start, rows, a->value_features, g->output_row, is_bfloat16, incoming, value_depth);
            NAME(weigh)(a, weights, columns, first, rows, head, seen, inverses);
            for (int64_t i = 0; i < rows; i++) {
                float *weight = weights + i * columns, *change = changes + i * columns;
                VECTOR sums = (VECTOR)0.0f;
                for (int64_t j = 0; j < columns; j += LANES) {
                    VECTOR normal = *(VECTOR *)(weight + j) * inverses[i];
                    *(VECTOR *)(weight + j) = normal;
                    sums = MULTIPLY_ADD(normal, *(VECTOR *)(change + j), sums);
                }
                const float sum = FOLD(sums, SUM);
                for (int64_t j = 0; j < columns; j += LANES)
                    *(VECTOR *)(change + j) = *(VECTOR *)(weight + j) * (*(VECTOR *)(change + j) - sum);
                if (g->mask) {
                    float *mask = g->mask + head * a->mask_head + (first + i) * a->mask_row;
                    for (int64_t j = 0; j < seen; j++) mask[j * a->mask_column] += change[j];
                }
            }
            NAME(float_product)(
                seen, value_depth, rows, weights, 1, columns, (RIGHT){incoming, panel, value_depth, value_depth}, value_sums,
                value_depth, 1);
            NAME(float_product)(
                seen, depth, rows, changes, 1, columns, (RIGHT){queries, panel, depth, depth}, key_sums, depth, 1);
            NAME(float_product)(rows, depth, seen, changes, columns, 1, key_rows, query_sums, depth, 0);
            for (int64_t i = 0; i < rows; i++)
                NAME(write_row)(
                    query_sums + i * depth, a->features, a->scale, g->query,
                    head * g->query_head + (first + i) * g->query_row, is_bfloat16);
        }
    }
    for (int64_t j = 0; j < a->keys; j++) {
        NAME(write_row)(key_sums + j * depth, a->features, a->scale, g->key, j * g->key_row, is_bfloat16);
        NAME(write_row)(value_sums + j * value_depth, a->value_features, 1, g->value, j * g->value_row, is_bfloat16);
    }
}

#undef VECTOR
#undef WHOLES
#undef RIGHT
#undef PLAN
#undef ROW_CASE
#undef ROW_CASES
#undef VECTOR_CASE
#undef NAME
#undef LANES
#undef FOLD
#undef BLOCK_ROWS
#undef BLOCK_VECTORS
#undef MULTIPLY_ADD
#undef MULTIPLIES_PAIRS
