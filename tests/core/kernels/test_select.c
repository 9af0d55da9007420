/*
 * test_select.c: choosing a kernel set. Sets that are wrong in one slot must be found out and passed
 * over with a note that names the slot; sets that the machine lacks must not be called at all.
 */
#include "base/cpu_features.h"
#include "check.h"
#include "kernels/known_answers.h"
#include "kernels/select.h"

static void make_wrong(float *value) {
    *value += 1.0f;
}

/* Each does what portable does, and one number is off. */
static void wrong_quantise(const float *x, size_t x_stride, struct activations *out) {
    kernels_portable.quantise(x, x_stride, out);
    out->codes[out->columns - 1] ^= 1;
}
static void wrong_ternary(const struct ternary_matrix *w, const struct activations *x,
                          uint32_t begin, uint32_t end, float *y, size_t stride) {
    kernels_portable.ternary_matmul(w, x, begin, end, y, stride);
    make_wrong(&y[(x->count - 1) * stride + end * 16 - 1]);
}
static void wrong_int8(const struct int8_matrix *w, const struct activations *x, uint32_t begin,
                       uint32_t end, float *y, size_t stride) {
    kernels_portable.int8_matmul(w, x, begin, end, y, stride);
    make_wrong(&y[(x->count - 1) * stride + end * 16 - 1]);
}
static void wrong_float(const struct float_matrix *w, const float *x, size_t x_stride,
                        uint32_t count, uint32_t begin, uint32_t end, float *y, size_t y_stride) {
    kernels_portable.float_matmul(w, x, x_stride, count, begin, end, y, y_stride);
    make_wrong(&y[(count - 1) * y_stride + end - 1]);
}
static void wrong_norm(const float *x, const float *weight, uint32_t n, float epsilon, float *y) {
    kernels_portable.rms_norm(x, weight, n, epsilon, y);
    make_wrong(&y[n - 1]);
}
static void wrong_layer_norm(const float *x, const float *weight, const float *bias, uint32_t n,
                             float epsilon, float *y) {
    kernels_portable.layer_norm(x, weight, bias, n, epsilon, y);
    make_wrong(&y[n - 1]);
}
static void wrong_rope(float *x, const float *cos_sin, uint32_t pairs, bool interleaved) {
    kernels_portable.rope(x, cos_sin, pairs, interleaved);
    make_wrong(&x[2 * pairs - 1]);
}
static void wrong_attend(const float *q, const void *k, const void *v, bool half, size_t stride,
                         uint32_t positions, uint32_t head_dim, float scale, float *scores,
                         float *out) {
    kernels_portable.attend(q, k, v, half, stride, positions, head_dim, scale, scores, out);
    make_wrong(&out[head_dim - 1]);
}
static void wrong_silu(float *gate, const float *up, size_t n) {
    kernels_portable.silu_mul(gate, up, n);
    make_wrong(&gate[n - 1]);
}
static void wrong_relu2(float *gate, const float *up, size_t n) {
    kernels_portable.relu2_mul(gate, up, n);
    make_wrong(&gate[n - 1]);
}
static void wrong_gelu(float *x, size_t n) {
    kernels_portable.gelu(x, n);
    make_wrong(&x[n - 1]);
}
static void wrong_add(float *x, const float *y, size_t n) {
    kernels_portable.add(x, y, n);
    make_wrong(&x[n - 1]);
}
static void wrong_widen(const uint16_t *halves, size_t n, float *out) {
    kernels_portable.widen(halves, n, out);
    make_wrong(&out[n - 1]);
}

/* What Node 20 does on AVX-VNNI machines: right until the activations are negative. */
static void wrong_for_negative(const struct ternary_matrix *w, const struct activations *x,
                               uint32_t begin, uint32_t end, float *y, size_t stride) {
    kernels_portable.ternary_matmul(w, x, begin, end, y, stride);
    if (x->codes[0] == -127 && x->codes[1] == -127) {
        make_wrong(&y[begin * 16]);
    }
}

static bool contains(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

static void check_fault(const struct tercet_kernels *override, const char *slot) {
    const struct tercet_kernels *const sets[] = {&kernels_portable, override};
    struct tercet_kernels out;
    char note[KERNELS_NOTE_BYTES];
    CHECK(kernels_select_from(sets, 2, 0, NULL, &out, note));
    CHECK_STR(out.name, "portable");
    CHECK(out.ternary_matmul == kernels_portable.ternary_matmul);
    CHECK(contains(note, "kernel set wrong dropped: wrong known answer in "));
    CHECK(contains(note, slot));
    CHECK(!kernels_select_from(sets, 2, 0, "wrong", &out, note));
    CHECK(contains(note, slot));
}

static void check_every_slot(void) {
    CHECK(known_answers_fault(&kernels_portable) == NULL);
    check_fault(&(struct tercet_kernels){.name = "wrong", .quantise = wrong_quantise}, "quantise");
    check_fault(&(struct tercet_kernels){.name = "wrong", .ternary_matmul = wrong_ternary},
                "ternary_matmul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .ternary_matmul = wrong_for_negative},
                "ternary_matmul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .int8_matmul = wrong_int8},
                "int8_matmul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .float_matmul = wrong_float},
                "float_matmul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .rms_norm = wrong_norm}, "rms_norm");
    check_fault(&(struct tercet_kernels){.name = "wrong", .layer_norm = wrong_layer_norm},
                "layer_norm");
    check_fault(&(struct tercet_kernels){.name = "wrong", .rope = wrong_rope}, "rope");
    check_fault(&(struct tercet_kernels){.name = "wrong", .attend = wrong_attend}, "attend");
    check_fault(&(struct tercet_kernels){.name = "wrong", .silu_mul = wrong_silu}, "silu_mul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .relu2_mul = wrong_relu2}, "relu2_mul");
    check_fault(&(struct tercet_kernels){.name = "wrong", .gelu = wrong_gelu}, "gelu");
    check_fault(&(struct tercet_kernels){.name = "wrong", .add = wrong_add}, "add");
    check_fault(&(struct tercet_kernels){.name = "wrong", .widen = wrong_widen}, "widen");
}

/* The middle set is wrong: the upper one, right in itself, takes the place over portable. */
static void check_inheritance(void) {
    const struct tercet_kernels middle = {.name = "middle", .add = wrong_add};
    const struct tercet_kernels upper = {.name = "upper", .rope = kernels_portable.rope};
    const struct tercet_kernels *const sets[] = {&kernels_portable, &middle, &upper};
    struct tercet_kernels out;
    char note[KERNELS_NOTE_BYTES];
    CHECK(kernels_select_from(sets, 3, 0, NULL, &out, note));
    CHECK_STR(out.name, "upper");
    CHECK(out.add == kernels_portable.add);
    CHECK(contains(note, "middle dropped"));
    CHECK(kernels_select_from(sets, 3, 0, "portable", &out, note));
    CHECK_STR(out.name, "portable");
    CHECK_STR(note, "");
}

static void never_add(float *x, const float *y, size_t n) {
    (void)x, (void)y, (void)n;
    const bool called_without_its_instructions = true;
    CHECK(!called_without_its_instructions);
}

static void check_missing_features(void) {
    const struct tercet_kernels strange = {.name = "strange", .needs = 6, .add = never_add};
    const struct tercet_kernels *const sets[] = {&kernels_portable, &strange};
    struct tercet_kernels out;
    char note[KERNELS_NOTE_BYTES];
    CHECK(kernels_select_from(sets, 2, 2, NULL, &out, note)); /* one of two features */
    CHECK_STR(out.name, "portable");
    CHECK_STR(note, ""); /* nobody asked for it */
    CHECK(!kernels_select_from(sets, 2, 2, "strange", &out, note));
    CHECK_STR(out.name, "portable");
    CHECK_STR(note, "kernel set strange not used: this machine lacks its instructions");

    /* A set above one that the machine lacks takes its place over what is below. */
    const struct tercet_kernels above = {
        .name = "above", .needs = 2, .rope = kernels_portable.rope};
    const struct tercet_kernels *const three[] = {&kernels_portable, &strange, &above};
    CHECK(kernels_select_from(three, 3, 2, NULL, &out, note));
    CHECK_STR(out.name, "above");
    CHECK(out.add == kernels_portable.add);
    CHECK_STR(note, "");
}

/* The compiled sets on machines like this one that lack a feature, as Ice Lake has AVX-512's VNNI and
 * not AVX's: the best of the rest is chosen and complete, and nothing is noted. */
static void check_lesser_machines(void) {
    enum { MOST_SETS = 16 };
    const struct tercet_kernels *sets[MOST_SETS];
    uint32_t count = 0;
    while (kernels_at(count) != NULL && CHECK(count < MOST_SETS)) {
        sets[count] = kernels_at(count);
        count++;
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t features = cpu_features() & ~(1u << bit);
        const struct tercet_kernels *best = NULL;
        for (uint32_t i = 0; i < count; i++) {
            best = (sets[i]->needs & ~features) == 0 ? sets[i] : best;
        }
        struct tercet_kernels out;
        char note[KERNELS_NOTE_BYTES];
        CHECK(kernels_select_from(sets, count, features, NULL, &out, note));
        CHECK_STR(out.name, best->name);
        CHECK_STR(note, "");
        CHECK(known_answers_fault(&out) == NULL);
    }
}

static void check_names(void) {
    struct tercet_kernels out;
    char note[KERNELS_NOTE_BYTES];
    CHECK(!kernels_select("no such set", &out, note));
    CHECK(contains(note, "no kernel set is called no such set"));

    char name[400]; /* a note is cut, never overrun */
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    CHECK(!kernels_select(name, &out, note));
    CHECK_EQ(strlen(note), KERNELS_NOTE_BYTES - 1);

    CHECK(kernels_at(0) == &kernels_portable);
    const struct tercet_kernels *best = NULL;
    for (uint32_t i = 0; kernels_at(i) != NULL; i++) {
        bool here = (kernels_at(i)->needs & ~cpu_features()) == 0;
        CHECK_EQ(kernels_select(kernels_at(i)->name, &out, note), here);
        best = here ? kernels_at(i) : best;
    }
    CHECK(kernels_select(NULL, &out, note));
    CHECK_STR(out.name, best->name);
    CHECK(kernels_at(100) == NULL);
}

int main(void) {
    check_every_slot();
    check_inheritance();
    check_missing_features();
    check_lesser_machines();
    check_names();
    return check_done();
}
