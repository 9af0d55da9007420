/*
 * test_container_flips.c: every single bit of a header flipped, and every length it can be cut to. A flip is refused, or it
 * changed a value to another legal one and all that the reader promises still holds; a host that compares the model id
 * notices every one.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "container_consistency.h"
#include "golden_file.h"

static bool is_refusal(tercet_status status) {
    return status == TERCET_BAD_MAGIC || status == TERCET_VERSION_TOO_NEW ||
           status == TERCET_TRUNCATED || status == TERCET_TRAILING_BYTES ||
           status == TERCET_BAD_HEADER || status == TERCET_LIMIT_EXCEEDED ||
           status == TERCET_UNSUPPORTED;
}

static tercet_status read_header(const uint8_t *header, size_t bytes, uint64_t file_bytes,
                                 struct container *container, tercet_error *error) {
    struct container_prefix prefix;
    untrusted_bytes window = {header, bytes};
    tercet_status status = container_read_prefix(window, file_bytes, &prefix, error);
    if (status != TERCET_OK)
        return status;
    /* A host reads as much as the prefix says; more is not there, less is given alone. */
    if (prefix.header_bytes < bytes)
        window.count = (size_t)prefix.header_bytes;
    return container_read_header(window, file_bytes, container, error);
}

static void flip_every_bit(const struct golden_file *golden, uint64_t known_file_bytes) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    uint8_t *header = aligned_copy(golden->bytes, header_bytes);
    unsigned long accepted = 0, refused = 0;
    for (size_t bit = 0; bit < header_bytes * 8; bit++) {
        header[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct container container;
        tercet_error error = {0};
        tercet_status status =
            read_header(header, header_bytes, known_file_bytes, &container, &error);
        if (status == TERCET_OK) {
            const char *wrong = container_inconsistency(&container, header);
            if (!CHECK(wrong == NULL))
                fprintf(stderr, "    bit %zu: %s\n", bit, wrong);
            accepted++;
        } else {
            if (!CHECK(is_refusal(status) && error.status == status && error.detail[0] != '\0'))
                fprintf(stderr, "    bit %zu: %s\n", bit, tercet_status_name(status));
            refused++;
        }
        uint8_t id[32];
        golden_model_id(header, header_bytes, id);
        CHECK(memcmp(id, header + 32, 32) != 0);
        header[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    /* Neither a reader that refuses all nor one that looks at nothing. */
    CHECK(accepted > 256 && refused > header_bytes * 4);
    CHECK(memcmp(header, golden->bytes, header_bytes) == 0);
    free(header);
}

static void cut_everywhere(const struct golden_file *golden) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    for (size_t bytes = 0; bytes < header_bytes; bytes++) {
        uint8_t *header = aligned_copy(golden->bytes, bytes);
        struct container container;
        CHECK_STATUS(container_read_header((untrusted_bytes){header, bytes}, 0, &container, NULL),
                     TERCET_TRUNCATED);
        free(header);
    }
}

/* Cut, and the prefix says so: now the table and the sections must notice. */
static void shrink_everywhere(const struct golden_file *golden) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    for (uint64_t bytes = 64; bytes < header_bytes; bytes += 64) {
        uint8_t *header = aligned_copy(golden->bytes, (size_t)bytes);
        memcpy(header + PREFIX_AT_HEADER_BYTES, &bytes, sizeof bytes);
        struct container container;
        CHECK_STATUS(
            container_read_header((untrusted_bytes){header, (size_t)bytes}, 0, &container, NULL),
            TERCET_BAD_HEADER);
        free(header);
    }
}

/* A section that says it is shorter than it is, by any length. */
static void shorten_sections(const struct golden_file *golden) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    uint8_t *header = aligned_copy(golden->bytes, header_bytes);
    uint32_t count;
    memcpy(&count, header + PREFIX_AT_SECTION_COUNT, sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *field = header + PREFIX_BYTES + i * SECTION_ENTRY_BYTES + SECTION_AT_BYTES;
        uint64_t whole;
        memcpy(&whole, field, sizeof whole);
        for (uint64_t bytes = 0; bytes < whole; bytes++) {
            memcpy(field, &bytes, sizeof bytes);
            struct container container;
            tercet_status status = read_header(header, header_bytes, 0, &container, NULL);
            CHECK(is_refusal(status));
        }
        memcpy(field, &whole, sizeof whole);
    }
    free(header);
}

int main(void) {
    static const char *const paths[] = {"golden/container/well_formed.tercet",
                                        "golden/container/well_formed_dense.tercet",
                                        "golden/container/well_formed_learned.tercet",
                                        "golden/container/well_formed_head_norms.tercet"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct golden_file golden = golden_read(paths[i]);
        flip_every_bit(&golden, 0);
        cut_everywhere(&golden);
        shrink_everywhere(&golden);
        shorten_sections(&golden);
        free(golden.bytes);
    }
    return check_done();
}
