/*
 * container_reader.c: prefix and section table of a .tercet file, and the order in which the sections are read. The door
 * that container_reader.h describes; CONTAINER.md is the text. Never allocates, never recurses, never trusts a number that
 * did not pass through container_fields.c.
 */
#include "container_sections.h"

/* In the order of the ids, which is the order in the file. */
enum { CONFIG, ROPE, TENSORS, CHUNKS, TOKENIZER, CHAT, ABOUT, KNOWN_SECTIONS };

static const struct {
    uint32_t id;
    uint32_t flags;
    const char *name;
} known_sections[KNOWN_SECTIONS] = {
    {SECTION_CONFIG, SECTION_FLAG_REQUIRED, "CONFIG"},
    {SECTION_ROPE, SECTION_FLAG_REQUIRED, "ROPE"},
    {SECTION_TENSORS, SECTION_FLAG_REQUIRED, "TENSORS"},
    {SECTION_CHUNKS, SECTION_FLAG_REQUIRED, "CHUNKS"},
    {SECTION_TOKENIZER, SECTION_FLAG_REQUIRED, "TOKENIZER"},
    {SECTION_CHAT, 0, "CHAT"},
    {SECTION_ABOUT, 0, "ABOUT"},
};

static uint64_t pad_to_alignment(uint64_t bytes) { /* bytes is at most LIMIT_HEADER_BYTES here */
    return (bytes + (CONTAINER_ALIGNMENT - 1)) & ~(uint64_t)(CONTAINER_ALIGNMENT - 1);
}

static tercet_status check_version(const struct section *prefix, tercet_error *error) {
    untrusted_u32 version = {0};
    uint32_t taken;
    (void)untrusted_read_u32(prefix->bytes, PREFIX_AT_VERSION,
                             &version); /* the caller has seen 64 bytes */
    if (take_u32_between(version, 1, CONTAINER_VERSION, &taken))
        return TERCET_OK;
    if (version.raw == 0)
        return tercet_fail(error, TERCET_BAD_HEADER, PREFIX_AT_VERSION,
                           "prefix: there is no version 0 of the format");
    return tercet_fail(error, TERCET_VERSION_TOO_NEW, PREFIX_AT_VERSION,
                       "the file has version %u of the format, this Tercet knows up to %u",
                       version.raw, CONTAINER_VERSION);
}

static tercet_status check_known_bytes(uint64_t known, uint64_t announced, tercet_error *error) {
    if (known == 0 || known == announced)
        return TERCET_OK;
    if (known < announced)
        return tercet_fail(error, TERCET_TRUNCATED, known,
                           "the file has %llu bytes, but its header announces %llu",
                           (unsigned long long)known, (unsigned long long)announced);
    return tercet_fail(error, TERCET_TRAILING_BYTES, announced,
                       "the file has %llu bytes, but its header announces %llu",
                       (unsigned long long)known, (unsigned long long)announced);
}

tercet_status container_read_prefix(untrusted_bytes bytes, uint64_t known_file_bytes,
                                    struct container_prefix *prefix, tercet_error *error) {
    static const char magic[] = CONTAINER_MAGIC;
    size_t magic_bytes = sizeof magic - 1;
    /* What little there is of a short file decides whether it is a piece of ours or something else. */
    size_t seen = bytes.count < magic_bytes ? bytes.count : magic_bytes;
    if (seen > 0 && memcmp(bytes.bytes, magic, seen) != 0)
        return tercet_fail(error, TERCET_BAD_MAGIC, PREFIX_AT_MAGIC,
                           "the first bytes are not those of a .tercet file");
    if (bytes.count < PREFIX_BYTES)
        return tercet_fail(error, TERCET_TRUNCATED, bytes.count,
                           "a .tercet file begins with %u bytes, here are only %u", PREFIX_BYTES,
                           (uint32_t)bytes.count);

    struct section section = {{bytes.bytes, PREFIX_BYTES}, 0, "prefix"};
    struct container_prefix read;
    TERCET_TRY(check_version(&section, error));
    TERCET_TRY(section_u32(&section, PREFIX_AT_SECTION_COUNT, "section_count", 1, LIMIT_SECTIONS,
                           &read.section_count, error));
    uint64_t least =
        pad_to_alignment(PREFIX_BYTES + (uint64_t)read.section_count * SECTION_ENTRY_BYTES);
    TERCET_TRY(section_u64(&section, PREFIX_AT_HEADER_BYTES, "header_bytes", least,
                           LIMIT_HEADER_BYTES, &read.header_bytes, error));
    if (read.header_bytes % CONTAINER_ALIGNMENT != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, PREFIX_AT_HEADER_BYTES,
                           "prefix: header_bytes is %llu, which is no multiple of %u",
                           (unsigned long long)read.header_bytes, CONTAINER_ALIGNMENT);
    TERCET_TRY(section_u64(&section, PREFIX_AT_FILE_BYTES, "file_bytes", read.header_bytes,
                           LIMIT_FILE_BYTES, &read.file_bytes, error));
    TERCET_TRY(check_known_bytes(known_file_bytes, read.file_bytes, error));
    *prefix = read;
    return TERCET_OK;
}

/* Index in known_sections, or KNOWN_SECTIONS. */
static uint32_t find_known(uint32_t id) {
    uint32_t known = 0;
    while (known < KNOWN_SECTIONS && known_sections[known].id != id)
        known++;
    return known;
}

/* Id and flags of the entry at `at`. *known gets KNOWN_SECTIONS for a section to skip. */
static tercet_status read_entry_kind(const struct section *header, size_t at, uint32_t previous_id,
                                     uint32_t *id, uint32_t *known, tercet_error *error) {
    uint32_t flags;
    TERCET_TRY(section_u32(header, at + SECTION_AT_ID, "id", 0, UINT32_MAX, id, error));
    if (*id <= previous_id)
        return tercet_fail(error, TERCET_BAD_HEADER, at + SECTION_AT_ID,
                           "section table: id %u stands behind id %u, but ids must rise", *id,
                           previous_id);
    TERCET_TRY(section_u32(header, at + SECTION_AT_FLAGS, "flags", 0, UINT32_MAX, &flags, error));
    if ((flags & ~SECTION_FLAG_REQUIRED) != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, at + SECTION_AT_FLAGS,
                           "section table: section %u has flags %u, with a bit that must be zero",
                           *id, flags);
    *known = find_known(*id);
    if (*known < KNOWN_SECTIONS && flags != known_sections[*known].flags)
        return tercet_fail(error, TERCET_BAD_HEADER, at + SECTION_AT_FLAGS,
                           "section table: %s has flags %u, but must have %u",
                           known_sections[*known].name, flags, known_sections[*known].flags);
    if (*known == KNOWN_SECTIONS && flags != 0)
        return tercet_fail(
            error, TERCET_UNSUPPORTED, at + SECTION_AT_ID,
            "section %u is needed to run this model, and this version does not know it", *id);
    return TERCET_OK;
}

/* Walks the table; `header` is all bytes of the header. Sections lie in its order, without holes but for padding. */
static tercet_status read_section_table(const struct section *header, uint32_t count,
                                        struct section sections[KNOWN_SECTIONS],
                                        tercet_error *error) {
    uint64_t header_bytes = header->bytes.count;
    uint64_t cursor =
        PREFIX_BYTES + (uint64_t)count * SECTION_ENTRY_BYTES; /* end of what was read */
    uint32_t id = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = PREFIX_BYTES + (size_t)i * SECTION_ENTRY_BYTES;
        uint64_t offset, bytes, begin = pad_to_alignment(cursor);
        uint32_t known = KNOWN_SECTIONS;
        TERCET_TRY(read_entry_kind(header, at, id, &id, &known, error));
        TERCET_TRY(
            section_u64(header, at + SECTION_AT_OFFSET, "offset", 0, UINT64_MAX, &offset, error));
        if (offset != begin)
            return tercet_fail(
                error, TERCET_BAD_HEADER, at + SECTION_AT_OFFSET,
                "section table: section %u is said to begin at %llu, but must begin at %llu", id,
                (unsigned long long)offset, (unsigned long long)begin);
        TERCET_TRY(
            section_u64(header, at + SECTION_AT_BYTES, "bytes", 0, UINT64_MAX, &bytes, error));
        if (bytes > header_bytes - begin)
            return tercet_fail(error, TERCET_BAD_HEADER, at + SECTION_AT_BYTES,
                               "section table: section %u has %llu bytes and reaches beyond the "
                               "header's end at %llu",
                               id, (unsigned long long)bytes, (unsigned long long)header_bytes);
        TERCET_TRY(section_zero(header, (size_t)cursor, (size_t)(begin - cursor), error));
        if (known < KNOWN_SECTIONS) {
            sections[known].offset = begin;
            sections[known].name = known_sections[known].name;
            (void)untrusted_part(header->bytes, begin, bytes,
                                 &sections[known].bytes); /* inside: just checked */
        }
        cursor = begin + bytes;
    }
    uint64_t end = pad_to_alignment(cursor);
    if (end != header_bytes)
        return tercet_fail(error, TERCET_BAD_HEADER, PREFIX_AT_HEADER_BYTES,
                           "prefix: header_bytes is %llu, but the last section ends at %llu",
                           (unsigned long long)header_bytes, (unsigned long long)end);
    TERCET_TRY(section_zero(header, (size_t)cursor, (size_t)(end - cursor), error));
    for (uint32_t known = 0; known < KNOWN_SECTIONS; known++)
        if (sections[known].name == NULL && known_sections[known].flags == SECTION_FLAG_REQUIRED)
            return tercet_fail(error, TERCET_BAD_HEADER, PREFIX_BYTES,
                               "section table: section %u (%s) is missing",
                               known_sections[known].id, known_sections[known].name);
    return TERCET_OK;
}

static tercet_status read_sections(untrusted_bytes bytes, struct container *container,
                                   tercet_error *error) {
    struct section header = {bytes, 0, "section table"};
    struct section sections[KNOWN_SECTIONS] = {0};
    TERCET_TRY(read_section_table(&header, container->prefix.section_count, sections, error));
    TERCET_TRY(container_read_config(&sections[CONFIG], &container->config, error));
    TERCET_TRY(container_read_rope(&sections[ROPE], container, error));
    TERCET_TRY(container_read_tensors(&sections[TENSORS], container, error));
    TERCET_TRY(container_read_chunks(&sections[CHUNKS], container, error));
    TERCET_TRY(container_read_tokenizer(&sections[TOKENIZER], container->config.vocabulary,
                                        &container->tokenizer, error));
    if (sections[CHAT].name != NULL)
        TERCET_TRY(
            container_read_chat(&sections[CHAT], &container->tokenizer, &container->chat, error));
    if (sections[ABOUT].name != NULL)
        TERCET_TRY(container_read_about(&sections[ABOUT], container, error));
    return TERCET_OK;
}

tercet_status container_read_header(untrusted_bytes bytes, uint64_t known_file_bytes,
                                    struct container *container, tercet_error *error) {
    struct container read = {
        .name = "", .licence = "", .source = "", .chat = {.name = "", .system = ""}};
    memset(container, 0, sizeof *container);
    if ((uintptr_t)bytes.bytes % CONTAINER_ALIGNMENT != 0)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the header must lie at an address that is a multiple of %u",
                           CONTAINER_ALIGNMENT);
    TERCET_TRY(container_read_prefix(bytes, known_file_bytes, &read.prefix, error));
    if (bytes.count < read.prefix.header_bytes)
        return tercet_fail(
            error, TERCET_TRUNCATED, bytes.count, "the header has %llu bytes, here are only %llu",
            (unsigned long long)read.prefix.header_bytes, (unsigned long long)bytes.count);
    if (bytes.count > read.prefix.header_bytes)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, read.prefix.header_bytes,
                           "the header has %llu bytes, but %llu were given",
                           (unsigned long long)read.prefix.header_bytes,
                           (unsigned long long)bytes.count);
    read.model_id = bytes.bytes + PREFIX_AT_SHA256;
    TERCET_TRY(read_sections(bytes, &read, error));
    *container = read;
    return TERCET_OK;
}
