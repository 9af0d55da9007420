/*
 * bench_report.h: what `tercet bench` found, as text for people or as JSON. Measures nothing.
 */
#ifndef TERCET_NATIVE_BENCH_REPORT_H
#define TERCET_NATIVE_BENCH_REPORT_H

#include "bench.h"

void bench_print(const struct bench_model *model, const struct bench_result *results,
                 uint32_t count);
void bench_write_json(const struct bench_model *model, const struct bench_result *results,
                      uint32_t count);
/* The shapes of --shape with the size of their files, as JSON. An exit code. */
int bench_write_shapes(void);
/* Read bandwidth with one and with four streams a thread, for each thread count, as JSON. An exit code. */
int bench_write_bandwidth(const uint32_t *threads, uint32_t count);

#endif
