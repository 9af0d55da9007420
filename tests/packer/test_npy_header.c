/*
 * test_npy_header.c: headers of NumPy arrays: what NumPy writes, what it may write, and every rule broken once, by name.
 */
#include "check.h"
#include "npy_header.h"

#include <string.h>

/* A header of that text, padded to 128 bytes or as it is, in front of `data` bytes of numbers. */
static tercet_status read_text(int version, const char *text, bool padded, uint64_t data,
                               struct npy_header *header, tercet_error *error) {
    uint8_t bytes[512] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0};
    size_t front = version == 1 ? 10 : 12, used = strlen(text), count;
    size_t length = padded ? 128 - front : used;
    memset(bytes + front, ' ', length);
    memcpy(bytes + front, text, used);
    if (padded)
        bytes[127] = '\n';
    bytes[8] = (uint8_t)length;
    bytes[9] = (uint8_t)(length >> 8);
    tercet_status status = npy_header_bytes("x.npy", bytes, front + length + data, &count, error);
    if (status != TERCET_OK)
        return status;
    CHECK_EQ(count, front + length);
    uint8_t *copy = malloc(count); /* of the exact size: the sanitizer sees one byte too many */
    memcpy(copy, bytes, count);
    status = npy_read_header("x.npy", copy, count, count + data, header, error);
    free(copy);
    return status;
}

#define SOUND "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

static const struct text {
    const char *text;
    uint64_t data;
    tercet_status want;
    const char *says; /* "": nothing */
} texts[] = {
    {SOUND, 24, TERCET_OK, ""},
    {"{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}", 24, TERCET_OK, ""},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }", 24, TERCET_OK, ""},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", 8, TERCET_OK, ""},
    {"{'descr': '<u8', 'fortran_order': False, 'shape': (0, 7), }", 0, TERCET_OK, ""},
    {SOUND, 23, TERCET_BAD_SOURCE, "another number of bytes"},
    {SOUND, 25, TERCET_BAD_SOURCE, "another number of bytes"},
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", 24, TERCET_UNSUPPORTED_SOURCE,
     "of type >f4"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }", 6, TERCET_UNSUPPORTED_SOURCE,
     "of type |u1"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24, TERCET_UNSUPPORTED_SOURCE,
     "columns first"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", 24,
     TERCET_UNSUPPORTED_SOURCE, "3 dimensions"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 24,
     TERCET_BAD_SOURCE, "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (36893488147419103232,), }", 24,
     TERCET_BAD_SOURCE, "no dictionary"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }", 0,
     TERCET_BAD_SOURCE, "another number of bytes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': false, 'shape': (6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, }", 24, TERCET_BAD_SOURCE, "no dictionary"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", 24,
     TERCET_BAD_SOURCE, "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr' '<f4', 'fortran_order': False, 'shape': (6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<ffffffffffffffffffffffffff4', 'fortran_order': False, 'shape': (6,), }", 24,
     TERCET_BAD_SOURCE, "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (6,), }", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)", 24, TERCET_BAD_SOURCE,
     "no dictionary"},
    {"{7: 8}", 24, TERCET_BAD_SOURCE, "no dictionary"},
    {"[]", 24, TERCET_BAD_SOURCE, "no dictionary"},
    {"", 24, TERCET_BAD_SOURCE, "no dictionary"},
};

static void test_texts(void) {
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (int version = 1; version <= 3; version++) {
            struct npy_header header;
            tercet_error error = {0};
            tercet_status status =
                read_text(version, texts[i].text, true, texts[i].data, &header, &error);
            if (!CHECK(status == texts[i].want && strstr(error.detail, texts[i].says) != NULL))
                printf("  %s: %d, %s\n", texts[i].text, (int)status, error.detail);
        }
    }
}

static void test_numbers(void) {
    struct npy_header header;
    REQUIRE(read_text(1, SOUND, true, 24, &header, NULL) == TERCET_OK);
    CHECK(header.type == NPY_F32 && header.rank == 2 && header.shape[0] == 2 &&
          header.shape[1] == 3 && header.elements == 6);
    REQUIRE(read_text(2, texts[3].text, true, 8, &header, NULL) == TERCET_OK);
    CHECK(header.type == NPY_F64 && header.rank == 0 && header.elements == 1);
}

/* What stands in front of the dictionary. */
static void test_start(void) {
    uint8_t start[NPY_START_BYTES] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
    size_t count;
    CHECK_STATUS(npy_header_bytes("x", start, 128, &count, NULL), TERCET_OK);
    CHECK_EQ(count, 128);
    CHECK_STATUS(npy_header_bytes("x", start, 127, &count, NULL), TERCET_BAD_SOURCE);
    start[8] = 1; /* a dictionary of one byte: shorter than what was read already */
    CHECK_STATUS(npy_header_bytes("x", start, 128, &count, NULL), TERCET_LIMIT_EXCEEDED);
    start[9] = 0xFF;
    CHECK_STATUS(npy_header_bytes("x", start, 1 << 20, &count, NULL), TERCET_LIMIT_EXCEEDED);
    start[6] = 4;
    CHECK_STATUS(npy_header_bytes("x", start, 128, &count, NULL), TERCET_UNSUPPORTED_SOURCE);
    start[6] = 0;
    CHECK_STATUS(npy_header_bytes("x", start, 128, &count, NULL), TERCET_UNSUPPORTED_SOURCE);
    start[5] = 'P';
    CHECK_STATUS(npy_header_bytes("x", start, 128, &count, NULL), TERCET_BAD_SOURCE);
}

/* Every text, cut everywhere, unpadded: an error and nothing read beyond. */
static void test_cut(void) {
    char text[sizeof SOUND];
    for (size_t count = 2; count < sizeof SOUND; count++) {
        struct npy_header header;
        memcpy(text, SOUND, count);
        text[count] = '\0';
        CHECK_STATUS(read_text(1, text, false, 24, &header, NULL), TERCET_BAD_SOURCE);
    }
}

int main(void) {
    test_texts();
    test_numbers();
    test_start();
    test_cut();
    return check_done();
}
