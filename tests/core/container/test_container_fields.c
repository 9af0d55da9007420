/* test_container_fields.c: fields of a section that ends before them, and text with the signs that may stand in it. */
#include "check.h"
#include "container/container_sections.h"

static const uint8_t bytes[16] = {'a', '\t', '\n', 'b', 0x07};

static void check_ends(void) {
    const struct section section = {{bytes, sizeof bytes}, 1000, "TEST"};
    tercet_error error;
    uint32_t u32 = 7;
    uint64_t u64 = 7;
    float f32 = 7;
    double f64 = 7;
    /* The last byte is missing; and nothing of it is there. */
    for (size_t at = 13; at <= 40; at += 27) {
        CHECK_STATUS(section_u32(&section, at, "count", 0, UINT32_MAX, &u32, &error),
                     TERCET_BAD_HEADER);
        CHECK_STR(error.detail, "TEST: the section ends in front of its field count");
        CHECK_STATUS(section_flags(&section, at, "flags", UINT32_MAX, &u32, &error),
                     TERCET_BAD_HEADER);
        CHECK_STATUS(section_f32(&section, at, "scale", -1, 1, &f32, &error), TERCET_BAD_HEADER);
        CHECK_STATUS(section_u64(&section, at, "offset", 0, UINT64_MAX, &u64, &error),
                     TERCET_BAD_HEADER);
        CHECK_STATUS(section_f64(&section, at, "base", -1, 1, &f64, &error), TERCET_BAD_HEADER);
        CHECK_STATUS(section_text(&section, at, 4, "name", false, &error), TERCET_BAD_HEADER);
    }
    CHECK(u32 == 7 && u64 == 7 && f32 == 7 && f64 == 7);
    CHECK_STATUS(section_u64(&section, 8, "offset", 0, UINT64_MAX, &u64, &error), TERCET_OK);
    CHECK_EQ(u64, 0);
    CHECK_STATUS(section_f64(&section, 8, "base", -1, 1, &f64, &error), TERCET_OK);
    CHECK(f64 == 0);
}

static void check_text(void) {
    const struct section section = {{bytes, sizeof bytes}, 1000, "TEST"};
    tercet_error error;
    CHECK_STATUS(section_text(&section, 0, 4, "name", true, &error), TERCET_OK);
    CHECK_STATUS(section_text(&section, 0, 4, "name", false, &error), TERCET_BAD_HEADER);
    CHECK_EQ(error.where, 1001);
    CHECK_STATUS(section_text(&section, 0, 5, "name", true, &error), TERCET_BAD_HEADER);
    CHECK_EQ(error.where, 1004);
}

int main(void) {
    check_ends();
    check_text();
    return check_done();
}
