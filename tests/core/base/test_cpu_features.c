/*
 * test_cpu_features.c: what cpu_features.c finds against what the kernel lists in /proc/cpuinfo, which
 * also leaves out what it does not save registers for. Systems without that file check nothing but
 * the rule that the wider x86 sets imply AVX2.
 */
#include "base/cpu_features.h"
#include "check.h"
#include <stdbool.h>
#include <stdio.h>

/* The first line of /proc/cpuinfo that starts with `key`, as " word word ... "; false without one. */
static bool listed_features(const char *key, char *line, size_t size) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, (int)size - 1, file) != NULL) {
        found = strncmp(line, key, strlen(key)) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    if (found) {
        line[strcspn(line, "\n")] = ' ';
    }
    return found;
}

/* Whether every word of `words` ("a b c") is in the line. */
static bool lists(const char *line, const char *words) {
    char word[32];
    for (const char *at = words; *at != '\0';) {
        size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, " %.*s ", (int)length, at);
        if (strstr(line, word) == NULL) {
            return false;
        }
        at += length + (at[length] == ' ');
    }
    return true;
}

int main(void) {
    uint32_t features = cpu_features();
    if ((features & (CPU_AVX_VNNI | CPU_AVX512_VNNI)) != 0) {
        CHECK((features & CPU_AVX2) != 0);
    }
    char line[8192] = "";
#if defined(__x86_64__)
    CHECK((features & CPU_ARM_DOTPROD) == 0);
    if (listed_features("flags", line, sizeof line)) {
        bool avx512 = lists(line, "avx2 f16c avx512f avx512bw avx512dq avx512vl avx512_vnni");
        CHECK_EQ((features & CPU_AVX2) != 0, lists(line, "avx2 f16c"));
        CHECK_EQ((features & CPU_AVX512_VNNI) != 0, avx512);
        if (lists(line, "avx2 f16c avx_vnni")) { /* older kernels do not know its name */
            CHECK((features & CPU_AVX_VNNI) != 0);
        }
    }
#elif defined(__aarch64__)
    CHECK((features & ~CPU_ARM_DOTPROD) == 0);
    if (listed_features("Features", line, sizeof line)) { /* an emulator shows the host's file */
        CHECK_EQ((features & CPU_ARM_DOTPROD) != 0, lists(line, "asimddp"));
    }
#else
    (void)listed_features;
    (void)lists;
    (void)line;
#endif
    return check_done();
}
