/*
 * test_model.c: a model made without its data, for whoever plans memory before the download: it counts what the whole model
 * counts, vectors of halves included, reads no byte of the data that is not there, and makes no session.
 */
#include "check.h"
#include "../container/golden_file.h"
#include "include/tercet.h"

#include <stdlib.h>

struct meter {
    uint64_t now;
};

static void *metered_alloc(void *opaque, size_t bytes) {
    struct meter *meter = opaque;
    void *pointer = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    REQUIRE(pointer != NULL);
    meter->now += bytes;
    return pointer;
}

static void metered_free(void *opaque, void *pointer, size_t bytes) {
    struct meter *meter = opaque;
    meter->now -= pointer == NULL ? 0 : bytes;
    free(pointer);
}

/* With data: mapped in place, so that neither of the two models owns a copy. */
static tercet_model *make_model(tercet_engine *engine, const struct golden_file *file,
                                bool with_data) {
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.map_in_place = 1;
    tercet_loader *loader = NULL;
    tercet_want want;
    tercet_file_info info;
    tercet_model *model = NULL;
    REQUIRE(tercet_loader_create(engine, &options, &loader, NULL) == TERCET_OK);
    while (tercet_loader_want(loader, &want, NULL) == TERCET_NEED_BYTES) {
        memcpy(want.destination, file->bytes + want.offset, want.bytes);
        REQUIRE(tercet_loader_give(loader, NULL) == TERCET_OK);
    }
    REQUIRE(tercet_loader_get_file_info(loader, &info) == TERCET_OK);
    const uint8_t *data = with_data ? file->bytes + info.header_bytes : NULL;
    REQUIRE(tercet_loader_place(loader, data, info.data_bytes, NULL) == TERCET_OK);
    REQUIRE(tercet_loader_finish(loader, &model, NULL) == TERCET_OK);
    tercet_loader_destroy(loader);
    return model;
}

static void check_plan(const char *path) {
    struct golden_file file = golden_read(path);
    struct meter meter = {0};
    tercet_engine_options options;
    tercet_engine *engine = NULL;
    tercet_engine_options_init(&options);
    options.allocator = (tercet_allocator){metered_alloc, metered_free, &meter};
    REQUIRE(tercet_engine_create(&options, &engine, NULL) == TERCET_OK);

    uint64_t before = meter.now;
    tercet_model *whole = make_model(engine, &file, true);
    uint64_t whole_bytes = meter.now - before;
    tercet_model *plan = make_model(engine, &file, false);
    CHECK_EQ(meter.now - before - whole_bytes, whole_bytes);

    tercet_session_options session_options;
    tercet_session *session = NULL;
    tercet_error error = {0};
    tercet_session_options_init(plan, &session_options);
    CHECK(tercet_session_bytes(plan, &session_options) > 0);
    CHECK_EQ(tercet_session_bytes(plan, &session_options),
             tercet_session_bytes(whole, &session_options));
    CHECK_STATUS(tercet_session_create(plan, &session_options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK(session == NULL && strstr(error.detail, "without its data") != NULL);

    tercet_model_info whole_info, plan_info;
    tercet_model_get_info(whole, &whole_info);
    tercet_model_get_info(plan, &plan_info);
    CHECK_EQ(plan_info.parameters, whole_info.parameters);
    CHECK_EQ(plan_info.ternary_parameters, whole_info.ternary_parameters);
    for (uint32_t i = 0; i < plan_info.tensors; i++) {
        tercet_tensor_info tensor;
        CHECK_STATUS(tercet_model_get_tensor(plan, i, &tensor), TERCET_OK);
        CHECK_EQ(tensor.zeros, 0);
    }
    tercet_model_destroy(plan);
    tercet_model_destroy(whole);
    tercet_engine_destroy(engine);
    CHECK_EQ(meter.now, 0);
    free(file.bytes);
}

int main(void) {
    check_plan("golden/container/well_formed_learned.tercet"); /* vectors of halves */
    check_plan("golden/container/well_formed_head_norms.tercet");
    check_plan("golden/container/well_formed.tercet");
    return check_done();
}
