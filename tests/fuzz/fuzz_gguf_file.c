/*
 * fuzz_gguf_file.c: any bytes as a whole GGUF file, with its tensors: opened, understood and read to the last row, its tokenizer
 * and its chat template as well. The last byte chooses how I2_S is to be read.
 */
#include "about_source.h"
#include "chat_section.h"
#include "gguf_model.h"
#include "memory_folder.h"
#include "read_gguf.h"
#include "tokenizer_gguf.h"
#include "tokenizer_target.h"
#include "weights_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tercet_status read_model(const struct gguf_file *file, const struct source_weights *weights,
                                enum i2s_layout layout, tercet_error *error) {
    struct architecture architecture;
    TERCET_TRY(gguf_model_read(&file->header, weights, layout, &architecture, error));
    tercet_status status = tokenizer_gguf_read_stops(&file->header, &architecture.config, error);
    if (status == TERCET_OK) {
        read_weights(weights, &architecture);
    }
    architecture_free(&architecture);
    return status;
}

static tercet_status read_text(const struct gguf_header *header, tercet_error *error) {
    struct tokenizer_section section;
    struct chat_section chat;
    struct gguf_text text = {NULL, 0};
    TERCET_TRY(tokenizer_gguf_build(header, 0, &section, error));
    uint32_t count = section.token_count;
    tercet_status status = gguf_get_text(header, "tokenizer.chat_template", &text, NULL, error);
    if (status == TERCET_OK) {
        status = chat_section_from_template(section.bytes, section.count, count, NULL,
                                            (const char *)text.bytes, text.count, &chat, error);
    }
    if (status == TERCET_OK) {
        PROMISE(text.bytes == NULL || chat.bytes != NULL || chat.note[0] != '\0');
        chat_section_free(&chat);
    }
    use_section(&section);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gguf_file file;
    struct source_weights weights;
    tercet_error error = {0};
    enum i2s_layout layout = size > 0 ? (enum i2s_layout)(data[size - 1] % I2S_LAYOUTS) : I2S_X86;
    memory_folder_fill_one("model.gguf", data, size);
    tercet_status status = gguf_open(MEMORY_FOLDER "/model.gguf", &file, &weights, &error);
    if (status == TERCET_OK) {
        char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES];
        about_gguf(&file.header, name, licence);
        PROMISE(utf8_valid_prefix((const uint8_t *)name, strlen(name)) == strlen(name));
        PROMISE(utf8_valid_prefix((const uint8_t *)licence, strlen(licence)) == strlen(licence));
        status = read_model(&file, &weights, layout, &error);
        tercet_status text_status = read_text(&file.header, &error);
        status = status == TERCET_OK ? text_status : status;
        source_weights_close(&weights);
        gguf_close(&file);
    }
    PROMISE(status == TERCET_OK || error.detail[0] != '\0');
    PROMISE(memory_folder_open_shards() == 0);
    return 0;
}
