/*
 * strip_crew.c: see strip_crew.h.
 */
#include "strip_crew.h"

#include "../core/base/thread_pool.h"

#include <stdlib.h>
#include <string.h>

static tercet_status no_memory(const struct source_matrix *matrix, tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for rows of tensor %s",
                       matrix->planned->weight->name);
}

static tercet_status fill_hand(struct strip_crew *crew, uint32_t index, tercet_error *error) {
    struct strip_hand *hand = &crew->hands[index];
    size_t columns = crew->matrix->planned->columns;
    uint32_t span = source_matrix_code_span(crew->matrix);
    hand->index = index;
    hand->matrix = crew->matrix;
    if (index > 0) {
        hand->matrix = &hand->own;
        TERCET_TRY(source_matrix_copy(crew->matrix, &hand->own, error));
    }
    hand->values = malloc(SOURCE_ROWS_MAX * columns * sizeof *hand->values);
    hand->codes = malloc(SOURCE_ROWS_MAX * columns);
    hand->steps = malloc(SOURCE_ROWS_MAX * (span == 0 ? 1 : columns / span) * sizeof *hand->steps);
    return hand->values != NULL && hand->codes != NULL && hand->steps != NULL
               ? TERCET_OK
               : no_memory(crew->matrix, error);
}

tercet_status strip_crew_open(struct source_matrix *matrix, enum strip_order order,
                              struct strip_crew *crew, tercet_error *error) {
    struct thread_pool *pool = order == STRIPS_IN_ORDER ? NULL : matrix->source->pool;
    memset(crew, 0, sizeof *crew);
    crew->matrix = matrix;
    crew->pool = pool;
    crew->band = source_matrix_band(matrix);
    /* A matrix of few strips, such as a norm, is done before others wake up. */
    if (matrix->planned->rows <= 2 * SOURCE_ROWS_MAX) {
        crew->pool = NULL;
    }
    crew->count = crew->pool == NULL ? 1 : thread_pool_threads(crew->pool);
    crew->hands = calloc(crew->count, sizeof *crew->hands);
    if (crew->hands == NULL) {
        return no_memory(matrix, error);
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        tercet_status status = fill_hand(crew, i, error);
        if (status != TERCET_OK) {
            strip_crew_close(crew);
            return status;
        }
    }
    return TERCET_OK;
}

void strip_crew_close(struct strip_crew *crew) {
    for (uint32_t i = 0; i < crew->count; i++) {
        struct strip_hand *hand = &crew->hands[i];
        free(hand->values);
        free(hand->codes);
        free(hand->steps);
        source_matrix_close(&hand->own);
    }
    free(crew->hands);
    memset(crew, 0, sizeof *crew);
}

/* One pass over a range of rows. */
struct strip_pass {
    struct strip_crew *crew;
    strip_visitor visit;
    void *context;
    uint32_t first, end;
};

static tercet_status visit_band(const struct strip_pass *pass, struct strip_hand *hand,
                                uint32_t first, uint32_t end, tercet_error *error) {
    tercet_status status = TERCET_OK;
    for (; first < end && status == TERCET_OK; first += SOURCE_ROWS_MAX) {
        uint32_t count = end - first < SOURCE_ROWS_MAX ? end - first : SOURCE_ROWS_MAX;
        status = pass->visit(pass->context, hand, first, count, error);
    }
    return status;
}

static void work(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    const struct strip_pass *pass = context;
    struct strip_hand *hand = &pass->crew->hands[thread];
    uint32_t band = pass->crew->band;
    for (uint32_t item = begin; item < end; item++) {
        uint32_t first = pass->first + item * band, left = pass->end - first;
        tercet_error error;
        memset(&error, 0, sizeof error);
        tercet_status status =
            visit_band(pass, hand, first, left < band ? pass->end : first + band, &error);
        if (status != TERCET_OK) {
            /* Ranges of bands come in any order; the lowest failure is every range's first. */
            if (hand->status == TERCET_OK || first < hand->failed_row) {
                hand->status = status;
                hand->failed_row = first;
                hand->error = error;
            }
            return;
        }
    }
}

/* What the others' readers noticed. */
static void gather_code_3(struct strip_crew *crew) {
    struct source_matrix *matrix = crew->matrix;
    for (uint32_t i = 1; i < crew->count; i++) {
        const struct source_matrix *other = &crew->hands[i].own;
        if (other->code_3 && (!matrix->code_3 || other->code_3_row < matrix->code_3_row)) {
            matrix->code_3 = true;
            matrix->code_3_row = other->code_3_row;
            matrix->code_3_column = other->code_3_column;
        }
    }
}

tercet_status strip_crew_run(struct strip_crew *crew, uint32_t first, uint32_t end,
                             strip_visitor visit, void *context, tercet_error *error) {
    struct strip_pass pass = {crew, visit, context, first, end};
    uint32_t bands = (end - first + crew->band - 1) / crew->band;
    const struct strip_hand *failed = NULL;
    if (crew->pool == NULL) {
        work(&pass, 0, bands, 0);
    } else {
        thread_pool_run(crew->pool, work, &pass, bands);
    }
    gather_code_3(crew);
    for (uint32_t i = 0; i < crew->count; i++) {
        const struct strip_hand *hand = &crew->hands[i];
        bool lower = failed == NULL || hand->failed_row < failed->failed_row;
        failed = hand->status != TERCET_OK && lower ? hand : failed;
    }
    if (failed == NULL) {
        return TERCET_OK;
    }
    if (error != NULL) {
        *error = failed->error;
    }
    return failed->status;
}

tercet_status strip_crew_visit(struct source_matrix *matrix, enum strip_order order,
                               strip_visitor visit, void *context, tercet_error *error) {
    struct strip_crew crew;
    TERCET_TRY(strip_crew_open(matrix, order, &crew, error));
    tercet_status status = strip_crew_run(&crew, 0, matrix->planned->rows, visit, context, error);
    strip_crew_close(&crew);
    return status;
}
