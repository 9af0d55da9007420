/*
 * strip_crew.h: the threads that work on one matrix of the source, strip by strip (16 rows). Each has a reader and buffers of
 * its own; without threads (source_weights.pool NULL, WebAssembly) the caller does it all. Which thread gets a strip is
 * open, so a visitor keeps what it finds by strip, or adds up only what is the same in any order: results never depend on the
 * number of threads.
 */
#ifndef TERCET_PACKER_STRIP_CREW_H
#define TERCET_PACKER_STRIP_CREW_H

#include "source_matrix.h"

#define STRIP_CREW_MAX 64u /* threads, as many as a pool can have */

/* One thread's own: its reader, and room for a strip in every form. */
struct strip_hand {
    struct source_matrix *matrix;
    uint32_t index;           /* below crew->count */
    float *values;            /* [SOURCE_ROWS_MAX][columns] */
    uint8_t *codes;           /* the same */
    float *steps;             /* [SOURCE_ROWS_MAX][spans of a row] */
    struct source_matrix own; /* of all but the first */
    tercet_status status;     /* of the lowest strip that failed */
    uint32_t failed_row;
    tercet_error error;
};

struct strip_crew {
    struct source_matrix *matrix;
    struct thread_pool *pool; /* NULL: the caller alone */
    uint32_t count;
    uint32_t band; /* rows that one thread takes at once, a multiple of 16 */
    struct strip_hand *hands;
};

enum strip_order { STRIPS_ANY_ORDER, STRIPS_IN_ORDER /* one after the other, by the caller */ };

/* `matrix` is used by the crew until it is closed. OUT_OF_MEMORY; after a failure there is nothing to close. */
tercet_status strip_crew_open(struct source_matrix *matrix, enum strip_order order,
                              struct strip_crew *crew, tercet_error *error);
void strip_crew_close(struct strip_crew *crew);

/* Rows [first, first + count) of a strip. An error ends the work on what follows. */
typedef tercet_status (*strip_visitor)(void *context, struct strip_hand *hand, uint32_t first,
                                       uint32_t count, tercet_error *error);
/* Visits the strips of rows [first, end), `first` a multiple of crew->band. The error of the first strip that has one, in the order of
 * the rows. Afterwards the matrix knows the first code 3 that any thread saw. */
tercet_status strip_crew_run(struct strip_crew *crew, uint32_t first, uint32_t end,
                             strip_visitor visit, void *context, tercet_error *error);
/* The same from beginning to end with a crew that lives as long as that. */
tercet_status strip_crew_visit(struct source_matrix *matrix, enum strip_order order,
                               strip_visitor visit, void *context, tercet_error *error);

#endif
