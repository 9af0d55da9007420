/* test_gguf_architecture.c - which of llama.cpp's architectures a model becomes, and a refusal with the reason for every model that
 * none of them computes: a file that loads there and writes other text would be worse than none.
 */
#include "check.h"
#include "export.h"
#include "gguf_architecture.h"

#include <string.h>

#define GPT2_FLAGS                                                                                 \
    (CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_QKV_BIASES |            \
     CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)
#define LLAMA_BIASES (CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)
#define BITNET_FLAGS (CONFIG_FLAG_SUB_NORMS | CONFIG_FLAG_TIED_HEAD)

/* Two heads of four columns; `hidden` columns in all. */
static tercet_status choose(uint32_t flags, uint32_t activation, uint32_t hidden, char name[16],
                            struct export_report *report, tercet_error *error) {
    static const double frequencies[2] = {1, 0.01};
    struct gguf_architecture architecture;
    struct container container;
    memset(&container, 0, sizeof container);
    memset(report, 0, sizeof *report);
    container.config = (struct container_config){.flags = flags,
                                                 .layers = 1,
                                                 .hidden = hidden,
                                                 .inner = 16,
                                                 .heads = 2,
                                                 .kv_heads = 2,
                                                 .head_dim = 4,
                                                 .context = 32,
                                                 .activation = activation};
    container.rope_scale = 1;
    container.rope_count = (flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0 ? 0 : 2;
    container.rope_frequencies = (const uint8_t *)frequencies;
    tercet_status status = gguf_architecture_choose(&container, &architecture, report, error);
    (void)snprintf(name, 16, "%s", status == TERCET_OK ? architecture.name : "");
    gguf_architecture_release(&architecture);
    return status;
}

static void test_chosen(void) {
    static const struct {
        uint32_t flags, activation;
        const char *name;
        bool noted;
    } cases[] = {
        {0, ACTIVATION_SILU, "llama", false},
        {CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_ROPE_INTERLEAVED, ACTIVATION_SILU, "llama", false},
        {CONFIG_FLAG_QKV_BIASES, ACTIVATION_SILU, "llama", false}, /* each bias of its own accord */
        {LLAMA_BIASES, ACTIVATION_SILU, "llama", false},
        {CONFIG_FLAG_QK_NORMS, ACTIVATION_SILU, "qwen3", false},
        {BITNET_FLAGS, ACTIVATION_SILU, "bitnet", false},
        {BITNET_FLAGS, ACTIVATION_RELU2, "bitnet", true}, /* not every llama.cpp does that */
        {GPT2_FLAGS | CONFIG_FLAG_TIED_HEAD, ACTIVATION_GELU, "gpt2", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct export_report report;
        char name[16];
        CHECK_STATUS(choose(cases[i].flags, cases[i].activation, 8, name, &report, NULL),
                     TERCET_OK);
        CHECK_STR(name, cases[i].name);
        CHECK_EQ(report.notes[0] != NULL, cases[i].noted);
    }
}

static void test_refused(void) {
    static const struct {
        uint32_t flags, activation, hidden;
        const char *part;
    } cases[] = {
        {0, ACTIVATION_RELU2, 8, "another activation than SiLU"},
        {CONFIG_FLAG_QK_NORMS, ACTIVATION_GELU, 8, "another activation than SiLU"},
        {BITNET_FLAGS, ACTIVATION_GELU, 8, "bitnet has a gate"},
        {BITNET_FLAGS, ACTIVATION_SILU, 12, "heads x head_dim to be the hidden size"},
        {CONFIG_FLAG_SUB_NORMS, ACTIVATION_SILU, 8, "a head of its own"},
        {GPT2_FLAGS, ACTIVATION_SILU, 8, "gpt2 has gelu"},
        {GPT2_FLAGS, ACTIVATION_GELU, 12, "heads x head_dim as hidden size"},
        {CONFIG_FLAG_QK_NORMS | CONFIG_FLAG_QKV_BIASES, ACTIVATION_SILU, 8, "this choice of norms"},
        {CONFIG_FLAG_LAYER_NORMS, ACTIVATION_SILU, 8, "this choice of norms and biases"},
        {BITNET_FLAGS | CONFIG_FLAG_QK_NORMS, ACTIVATION_SILU, 8, "this choice of norms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct export_report report;
        tercet_error error = {TERCET_OK, 0, ""};
        char name[16];
        CHECK_STATUS(
            choose(cases[i].flags, cases[i].activation, cases[i].hidden, name, &report, &error),
            TERCET_CANNOT_EXPORT);
        if (!CHECK(strstr(error.detail, cases[i].part) != NULL)) {
            fprintf(stderr, "    got: %s\n    not: %s\n", error.detail, cases[i].part);
        }
    }
}

int main(void) {
    test_chosen();
    test_refused();
    return check_done();
}
