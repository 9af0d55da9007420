/*
 * fuzz_gguf_model.c: what stands behind the header of a GGUF file: any bytes that have one go to the readers of the model and of
 * the tokenizer. A tokenizer that the packer accepts must be one that the core accepts, or the program ends. The data of
 * tensors is not there: reading it fails, as on a broken disk.
 */
#include "container/container_sections.h"
#include "gguf_model.h"
#include "promise.h"
#include "tokenizer_gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_model(struct gguf_header *header) {
    struct source_shard shard = {.name = "fuzz", .descriptor = -1, .table = header->table};
    struct source_weights weights = {.shards = &shard, .shard_count = 1};
    struct architecture architecture;
    tercet_error error = {0};
    if (source_weights_collect(&weights, &error) == TERCET_OK &&
        gguf_model_read(header, &weights, I2S_X86, &architecture, &error) == TERCET_OK) {
        PROMISE(architecture.config.layers > 0 && architecture.tensor_count > 0);
        PROMISE(architecture.config.heads % architecture.config.kv_heads == 0);
        (void)tokenizer_gguf_read_stops(header, &architecture.config, &error);
        PROMISE(architecture.config.stop_count <= CONFIG_STOP_TOKENS_MAX);
        architecture_free(&architecture);
    } else {
        PROMISE(error.detail[0] != '\0');
    }
    free(weights.tensors);
}

static void read_tokenizer(const struct gguf_header *header) {
    struct tokenizer_section section;
    struct container_tokenizer tables;
    tercet_error error = {0};
    if (tokenizer_gguf_build(header, 0, &section, &error) != TERCET_OK) {
        PROMISE(section.bytes == NULL && error.detail[0] != '\0');
        return;
    }
    uint8_t *memory = aligned_alloc(64, (section.count + 63) / 64 * 64);
    PROMISE(memory != NULL);
    memcpy(memory, section.bytes, section.count);
    const struct section window = {{memory, section.count}, 0, "TOKENIZER"};
    PROMISE(container_read_tokenizer(&window, section.token_count, &tables, &error) == TERCET_OK);
    free(memory);
    tokenizer_section_free(&section);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gguf_header header;
    tercet_error error;
    bool cut = false;
    if (gguf_parse_header("fuzz", data, size, size, &header, &cut, &error) == TERCET_OK) {
        read_model(&header);
        read_tokenizer(&header);
        gguf_header_free(&header);
    }
    return 0;
}
