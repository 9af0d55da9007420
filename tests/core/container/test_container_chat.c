/*
 * test_container_chat.c: what may mark thinking in the section CHAT: a token that has a text, or a text of its own. The rest of the
 * section is judged where formats are compiled (packer/test_chat_section.c) and by the fuzzers.
 */
#include "check.h"
#include "container/container_sections.h"

enum { SEGMENTS = 2, NAME_BYTES = 2, SECTION_BYTES = CHAT_HEAD_BYTES + SEGMENTS * 8 + NAME_BYTES };

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* A format "x" that is nothing but the two marks. */
static tercet_status read_marks(uint32_t begin, uint32_t end, tercet_error *error) {
    static const uint8_t text[] = "<t>\xff";
    static const uint32_t offsets[] = {0, 3, 3, 4};
    const struct container_tokenizer tables = {
        .token_count = 3, .text = text, .text_offsets = offsets};
    _Alignas(64) uint8_t bytes[SECTION_BYTES] = {0};
    put_u32(bytes + CHAT_AT_NAME_BYTES, NAME_BYTES);
    for (uint32_t i = 0; i < CHAT_STOP_TOKENS_MAX; i++)
        put_u32(bytes + CHAT_AT_STOP_TOKENS + 4 * i, TERCET_NO_TOKEN);
    put_u32(bytes + CHAT_AT_SEGMENT_COUNT, SEGMENTS);
    put_u32(bytes + CHAT_AT_PART_ENDS + 4 * CHAT_PART_THINKING_BEGIN, 1);
    put_u32(bytes + CHAT_AT_PART_ENDS + 4 * CHAT_PART_THINKING_END, 2);
    put_u32(bytes + CHAT_HEAD_BYTES, begin);
    put_u32(bytes + CHAT_HEAD_BYTES + 8, end);
    bytes[CHAT_HEAD_BYTES + SEGMENTS * 8] = 'x';
    const struct section section = {{bytes, sizeof bytes}, 1000, "CHAT"};
    struct container_chat chat;
    return container_read_chat(&section, &tables, &chat, error);
}

int main(void) {
    tercet_error error;
    CHECK_STATUS(read_marks(0, 0, &error), TERCET_OK);
    CHECK_STATUS(read_marks(0, 1, &error), TERCET_LIMIT_EXCEEDED);
    CHECK_STR(error.detail, "CHAT: what marks thinking has 0 bytes, but must have 1 to 64");
    CHECK_EQ(error.where, 1000 + CHAT_HEAD_BYTES + 8);
    CHECK_STATUS(read_marks(1, 0, &error), TERCET_LIMIT_EXCEEDED);
    CHECK_STATUS(read_marks(0, 2, &error), TERCET_BAD_HEADER);
    CHECK_STR(error.detail, "CHAT: what marks thinking is no UTF-8 text");
    return check_done();
}
