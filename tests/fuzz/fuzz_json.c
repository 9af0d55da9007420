/*
 * fuzz_json.c: any bytes as a JSON file: the scan in front of the library, the library, and the typed getters on every member
 * of every object.
 */
#include "json.h"
#include "promise.h"
#include "text/utf8.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One key as each type: at most one of the refusals may be missing, and what is given has the type. */
static void get_each_way(const struct json_document *document, const cJSON *object,
                         const char *key) {
    const cJSON *any = NULL, *child_object = NULL, *array = NULL;
    const char *string = NULL;
    bool flag;
    uint32_t number = 77;
    double real = 0;
    tercet_error error = {0};
    if (json_get(document, object, key, JSON_REQUIRED, &any, &error) != TERCET_OK) {
        PROMISE(error.status == TERCET_BAD_SOURCE && error.detail[0] != '\0'); /* there twice */
        return;
    }
    int fits = cJSON_IsNull(any);
    fits += json_get_object(document, object, key, JSON_REQUIRED, &child_object, &error) == 0;
    fits += json_get_array(document, object, key, JSON_REQUIRED, &array, &error) == 0;
    fits += json_get_string(document, object, key, JSON_REQUIRED, &string, &error) == 0;
    fits += json_get_bool(document, object, key, JSON_REQUIRED, &flag, &error) == 0;
    fits += json_get_number(document, object, key, JSON_REQUIRED, &real, &error) == 0;
    PROMISE(fits == 1 || (fits == 0 && cJSON_IsNumber(any))); /* 1e999 is a number and not finite */
    PROMISE(string == NULL ||
            utf8_valid_prefix((const uint8_t *)string, strlen(string)) == strlen(string));
    if (json_get_u32(document, object, key, JSON_OPTIONAL, 1000, &number, &error) == TERCET_OK) {
        PROMISE(cJSON_IsNull(any) ? number == 77 : number <= 1000);
    }
}

/* Without recursion: the library's own links. */
static void walk(const struct json_document *document) {
    const cJSON *stack[JSON_DEPTH_MAX + 2];
    size_t depth = 0;
    stack[depth++] = document->root;
    while (depth > 0) {
        const cJSON *item = stack[depth - 1];
        if (item == NULL) {
            depth--;
            continue;
        }
        stack[depth - 1] = item->next;
        uint64_t whole;
        PROMISE(!json_take_u64(item, UINT64_C(1) << 53, &whole) || whole <= UINT64_C(1) << 53);
        size_t members = 0;
        for (const cJSON *child = cJSON_IsObject(item) ? item->child : NULL;
             child != NULL && members < 16; child = child->next, members++) {
            get_each_way(document, item, child->string);
        }
        if (item->child != NULL) {
            PROMISE(depth < sizeof stack / sizeof *stack);
            stack[depth++] = item->child;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct json_document document;
    tercet_error error = {0};
    tercet_status status = json_parse("fuzz.json", data, size, &document, &error);
    if (status == TERCET_OK) {
        walk(&document);
    } else {
        PROMISE(error.status == status && error.where <= size && error.detail[0] != '\0');
        PROMISE(document.root == NULL);
    }
    json_free(&document);
    return 0;
}
