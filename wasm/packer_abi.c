/*
 * packer_abi.c: the face of the packer's own module, loaded only when a page is given a GGUF file: one call that packs, and
 * one block with what it has to say. JavaScript (web/src/packer_module.ts) is the only caller and the host of its files
 * (packer_host.h). One instance packs one file and is dropped: nothing is kept between calls. A number that comes in is
 * checked: an address by what the engine's modules check theirs with (abi_memory.c), an option by the packer.
 */
#include "../packer/pack.h"
#include "abi_state.h"
#include "packer_host.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Rises with every change of a signature, of the block, or of the imports. */
#define PACKER_ABI_VERSION 1

/* Layout known to web/src/packer_module.ts. Texts end with a zero byte. */
struct packer_result {
    double where;
    double source_bytes, file_bytes;
    double verified_weights, rounded_weights, quantize_error;
    uint8_t model_id[32];
    char detail[192];
    char form[96];
    char chat_note[320];
};
_Static_assert(offsetof(struct packer_result, model_id) == 48, "JavaScript reads it there");
_Static_assert(offsetof(struct packer_result, detail) == 80, "JavaScript reads it there");
_Static_assert(offsetof(struct packer_result, form) == 272, "JavaScript reads it there");
_Static_assert(offsetof(struct packer_result, chat_note) == 368, "JavaScript reads it there");
_Static_assert(sizeof((tercet_error){0}.detail) == sizeof((struct packer_result){0}.detail),
               "every detail fits");

/* JavaScript has lists of these words, in this order (web/src/pack_options.ts). */
_Static_assert(PACK_QUANTIZE_NONE == 0 && PACK_QUANTIZE_ABSMEAN == 1, "the order of the words");
_Static_assert(PACK_DENSE_NO == 0 && PACK_DENSE_F16 == 1 && PACK_DENSE_F32 == 2 &&
                   PACK_DENSE_Q8 == 3,
               "the order of the words");
_Static_assert(PACK_TABLE_EXACT == 0 && PACK_TABLE_F16 == 1 && PACK_TABLE_F32 == 2 &&
                   PACK_TABLE_Q8 == 3 && PACK_TABLE_TERNARY == 4,
               "the order of the words");
_Static_assert(I2S_X86 == 0 && I2S_ARM == 1 && I2S_ROW4 == 2, "the order of the words");

/* Of a name, with its zero byte: file systems stop at 255, addresses at some thousands. */
#define TEXT_BYTES_MOST 65536u

static struct packer_result result;

int32_t tercet_packer_version(void);
void *tercet_packer_take(uint32_t bytes);
struct packer_result *tercet_packer_result(void);
int32_t tercet_packer_pack(uint32_t name, uint32_t chat_format, uint32_t quantize, uint32_t dense,
                           uint32_t embedding, uint32_t i2s_layout);

int32_t tercet_packer_version(void) {
    return PACKER_ABI_VERSION;
}

/* Room for a text of the host's; NULL without memory, or for more than a text has. Never given back: the instance is dropped. */
void *tercet_packer_take(uint32_t bytes) {
    return bytes <= TEXT_BYTES_MOST ? malloc(bytes) : NULL;
}

/* NULL when none lies there that ends in memory. */
static const char *text_at(uint32_t address) {
    for (uint32_t i = 0; i < TEXT_BYTES_MOST && abi_span_fits(address + i, 1); i++) {
        if (*(const char *)abi_at(address + i) == '\0') {
            return abi_at(address);
        }
    }
    return NULL;
}

struct packer_result *tercet_packer_result(void) {
    return &result;
}

static int show_progress(void *context, const char *tensor, uint64_t done_bytes,
                         uint64_t total_bytes) {
    (void)context;
    (void)tensor;
    host_progress((double)done_bytes, (double)total_bytes);
    return 0; /* who wants to stop ends the worker */
}

static void keep_report(const struct pack_report *report) {
    result.source_bytes = (double)report->source_bytes;
    result.file_bytes = (double)report->file_bytes;
    result.verified_weights = (double)report->verified_weights;
    result.rounded_weights = (double)report->rounded_weights;
    result.quantize_error = report->quantize_error;
    memcpy(result.model_id, report->model_id, sizeof result.model_id);
    memcpy(result.form, report->form, sizeof report->form);
    memcpy(result.chat_note, report->chat_note, sizeof report->chat_note);
}

/* Packs the host's source, whose name lies at `name`. `chat_format`: a text as well, or 0; the others are places in the lists of
 * words. A tercet_status; the block holds the report, or the error's detail and place. */
int32_t tercet_packer_pack(uint32_t name, uint32_t chat_format, uint32_t quantize, uint32_t dense,
                           uint32_t embedding, uint32_t i2s_layout) {
    struct pack_options options;
    struct pack_report report;
    tercet_error error = {0};
    memset(&result, 0, sizeof result);
    pack_options_init(&options);
    options.source = text_at(name);
    options.destination = "the packed model";
    options.chat_format = chat_format == 0 ? NULL : text_at(chat_format);
    options.quantize = (enum pack_quantize)quantize;
    options.dense = (enum pack_dense)dense;
    options.embedding = (enum pack_table)embedding;
    options.i2s_layout = (enum i2s_layout)i2s_layout;
    options.progress = show_progress;
    tercet_status status =
        options.source == NULL || (chat_format != 0 && options.chat_format == NULL)
            ? tercet_fail(&error, TERCET_BAD_ARGUMENT, 0, "a name is no text in memory")
            : pack(&options, &report, &error);
    if (status == TERCET_OK) {
        keep_report(&report);
        pack_report_free(&report);
    } else {
        result.where = (double)error.where;
        memcpy(result.detail, error.detail, sizeof result.detail);
    }
    return (int32_t)status;
}
