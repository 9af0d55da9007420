/*
 * test_source_shard.c: the file of a shard that cannot be opened or read: interrupted, failing, cut short.
 */
#define _GNU_SOURCE 1
#include "failing_system.h"

#include "check.h"
#include "source_weights.h"

static const char path[] = "golden/models/llama-dense-f32/config.json";

int main(void) {
    struct source_shard shards[4];
    struct source_weights weights = {.shards = shards};
    tercet_error error = {0};
    uint8_t once[64], again[64];
    CHECK_STATUS(
        source_weights_open_shard(&weights, "golden/none", "none", TERCET_BAD_SOURCE, &error),
        TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "none is missing") != NULL);
    CHECK_STATUS(source_weights_open_shard(&weights, "golden/prompts.json/x", "x",
                                           TERCET_BAD_SOURCE, &error),
                 TERCET_FILE_READ_FAILED);
    CHECK(strstr(error.detail, "x cannot be opened: ") != NULL);
    CHECK_EQ(weights.shard_count, 0);

    REQUIRE(source_weights_open_shard(&weights, path, "config.json", TERCET_BAD_SOURCE, &error) ==
            TERCET_OK);
    CHECK_STATUS(source_shard_read(&shards[0], 3, once, sizeof once, &error), TERCET_OK);
    inject(PREAD, 1, EINTR);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error), TERCET_OK);
    CHECK_MEM(once, again, sizeof once);
    inject(PREAD, 1, 0); /* half of what was asked for */
    memset(again, 0, sizeof again);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error), TERCET_OK);
    CHECK_MEM(once, again, sizeof once);
    inject(PREAD, 1, EIO);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error),
                 TERCET_FILE_READ_FAILED);
    CHECK(strstr(error.detail, "config.json cannot be read") != NULL);
    fault.from_then_on = true;
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error),
                 TERCET_FILE_READ_FAILED);
    /* What a read left is read by another; the second of two reads fails. */
    inject(PREAD, 1, 0);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error), TERCET_OK);
    CHECK_EQ(fault.made, 2);
    inject(PREAD, 2, EIO);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error), TERCET_OK);
    CHECK_STATUS(source_shard_read(&shards[0], 3, again, sizeof again, &error),
                 TERCET_FILE_READ_FAILED);
    inject(NOTHING, 0, 0);
    CHECK_STATUS(source_shard_read(&shards[0], shards[0].file_bytes - 1, again, 2, &error),
                 TERCET_BAD_SOURCE);
    source_shard_close(&shards[0]);
    return check_done();
}
