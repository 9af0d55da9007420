/*
 * abi_text.c: what a model is, and its text: tokens, their text, conversations.
 */
#include "abi_state.h"

#include <string.h>

/* Of a model or a plan. bytes: model id. values: 0 name, 2 family, 4 licence, 6 tokenizer (each address, bytes); 8 layers,
 * hidden, inner, heads, kv_heads, head_dim, vocabulary, context; 16 tied_head, activation_bits, tensors, token_count;
 * 20 parameters, ternary_parameters, data_bytes, file_bytes; sampling defaults: 24 top_k, repetition_window, and as doubles
 * 26 temperature, top_p, min_p, repetition_penalty. */
int32_t tercet_abi_model_info(uint32_t handle) {
    (void)abi_start();
    const tercet_model *model = abi_model(handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    tercet_model_info info;
    tercet_session_options options;
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    abi_put_string(0, info.name);
    abi_put_string(2, info.family);
    abi_put_string(4, info.licence);
    abi_put_string(6, info.tokenizer);
    const uint32_t shape[] = {info.layers,          info.hidden,   info.inner,
                              info.heads,           info.kv_heads, info.head_dim,
                              info.vocabulary,      info.context,  info.tied_head,
                              info.activation_bits, info.tensors,  info.token_count};
    for (uint32_t i = 0; i < sizeof shape / sizeof *shape; i++)
        abi_put(8 + i, shape[i]);
    abi_put(20, info.parameters);
    abi_put(21, info.ternary_parameters);
    abi_put(22, info.data_bytes);
    abi_put(23, info.file_bytes);
    abi_put(24, options.sampling.top_k);
    abi_put(25, options.sampling.repetition_window);
    abi_put_double(26, (double)options.sampling.temperature);
    abi_put_double(27, (double)options.sampling.top_p);
    abi_put_double(28, (double)options.sampling.min_p);
    abi_put_double(29, (double)options.sampling.repetition_penalty);
    memcpy(abi_result.bytes, info.model_id, sizeof abi_result.bytes);
    return TERCET_OK;
}

/* values: address of the file's header in memory, its bytes; address of the packed tensors, their bytes. */
int32_t tercet_abi_model_bytes(uint32_t handle) {
    (void)abi_start();
    const tercet_model *model = abi_pointer(handle, ABI_MODEL);
    if (model == NULL)
        return abi_refuse("this model is not open");
    tercet_model_bytes bytes;
    tercet_model_get_bytes(model, &bytes);
    abi_put_address(0, bytes.header);
    abi_put(1, bytes.header_bytes);
    abi_put_address(2, bytes.data);
    abi_put(3, bytes.data_bytes);
    return TERCET_OK;
}

/* UTF-8 text to tokens (u32 at `tokens`, room for `capacity`; 0 and 0: just count). values: number of tokens, also when
 * they did not fit. */
int32_t tercet_abi_tokenize(uint32_t handle, uint32_t text, uint32_t text_bytes, uint32_t flags,
                            uint32_t tokens, uint32_t capacity) {
    tercet_error error = abi_start();
    const tercet_model *model = abi_model(handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    if ((text_bytes != 0 && !abi_span_fits(text, text_bytes)) ||
        (capacity != 0 && !abi_words_fit(tokens, capacity)))
        return abi_refuse("the text or the place for its tokens is not in memory");
    size_t count = 0;
    tercet_status status =
        tercet_tokenize(model, abi_at(text), text_bytes, flags,
                        capacity == 0 ? NULL : abi_at(tokens), capacity, &count, &error);
    abi_put(0, count);
    return abi_end(status, &error);
}

/* values: address, bytes of the token's own text, which need not be whole characters; 2 whether it is one of the model's stop
 * tokens. */
int32_t tercet_abi_token(uint32_t handle, uint32_t token) {
    (void)abi_start();
    const tercet_model *model = abi_model(handle);
    const uint8_t *text = NULL;
    size_t bytes = 0;
    if (model == NULL)
        return abi_refuse("this model is not open");
    if (tercet_token_bytes(model, token, &text, &bytes) != TERCET_OK)
        return abi_refuse("there is no such token");
    abi_put_address(0, text);
    abi_put(1, bytes);
    abi_put(2, (uint32_t)tercet_token_is_stop(model, token));
    return TERCET_OK;
}

/* values: number of bytes, also when they did not fit. */
int32_t tercet_abi_detokenize(uint32_t handle, uint32_t tokens, uint32_t count, uint32_t text,
                              uint32_t capacity) {
    tercet_error error = abi_start();
    const tercet_model *model = abi_model(handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    if ((count != 0 && !abi_words_fit(tokens, count)) ||
        (capacity != 0 && !abi_span_fits(text, capacity)))
        return abi_refuse("the tokens or the place for their text is not in memory");
    size_t bytes = 0;
    tercet_status status =
        tercet_detokenize(model, abi_at(tokens), count, capacity == 0 ? NULL : abi_at(text),
                          capacity, &bytes, &error);
    abi_put(0, bytes);
    return abi_end(status, &error);
}

/* NULL for 0 bytes: the model's own format. False when it is no name. */
static bool read_format(uint32_t format, uint32_t format_bytes, char name[32],
                        const char **chosen) {
    *chosen = NULL;
    if (format_bytes == 0)
        return true;
    if (format_bytes >= 32 || !abi_span_fits(format, format_bytes))
        return false;
    memcpy(name, abi_at(format), format_bytes);
    name[format_bytes] = '\0';
    *chosen = name;
    return true;
}

static const char no_format_name[] = "this is no name of a chat format";

/* Of the model's own chat format (0 bytes of `format`) or a known one. values: 0 name (address, bytes), 2 thinking switch,
 * 3 begin and 5 end of thinking (each address, bytes; until the next call), 7 number of stop tokens, 8 the tokens. */
int32_t tercet_abi_chat_info(uint32_t handle, uint32_t format, uint32_t format_bytes) {
    static tercet_chat_info info;
    tercet_error error = abi_start();
    char name[32];
    const char *chosen;
    const tercet_model *model = abi_model(handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    if (!read_format(format, format_bytes, name, &chosen))
        return abi_refuse(no_format_name);
    tercet_status status = tercet_chat_get_info(model, chosen, &info, &error);
    if (status == TERCET_OK) {
        abi_put_string(0, info.name);
        abi_put(2, info.thinking_switch);
        abi_put_string(3, info.thinking_begin);
        abi_put_string(5, info.thinking_end);
        abi_put(7, info.stop_count);
        for (uint32_t i = 0; i < info.stop_count; i++)
            abi_put(8 + i, info.stop_tokens[i]);
    }
    return abi_end(status, &error);
}

/* `messages`: `count` times role, address and bytes of a UTF-8 text (u32 each). Tokens as in tercet_abi_tokenize. */
int32_t tercet_abi_chat_tokenize(uint32_t handle, uint32_t format, uint32_t format_bytes,
                                 uint32_t messages, uint32_t count, uint32_t flags, uint32_t tokens,
                                 uint32_t capacity) {
    tercet_error error = abi_start();
    char name[32];
    const char *chosen;
    const tercet_model *model = abi_model(handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    if (!read_format(format, format_bytes, name, &chosen))
        return abi_refuse(no_format_name);
    if ((count != 0 && !abi_words_fit(messages, (uint64_t)count * 3)) ||
        (capacity != 0 && !abi_words_fit(tokens, capacity)))
        return abi_refuse("the messages or the place for their tokens is not in memory");
    const uint32_t *words = abi_at(messages);
    for (uint32_t i = 0; i < count; i++)
        if (words[3 * i + 2] != 0 && !abi_span_fits(words[3 * i + 1], words[3 * i + 2]))
            return abi_refuse("the text of a message is not in memory");
    size_t list_bytes = (size_t)count * sizeof(tercet_chat_message), token_count = 0;
    tercet_chat_message *list = count == 0 ? NULL : abi_take(NULL, list_bytes);
    if (list == NULL && count != 0) {
        return abi_no_room(list_bytes, "the engine's memory has no room for so many messages");
    }
    for (uint32_t i = 0; i < count; i++)
        list[i] = (tercet_chat_message){words[3 * i], abi_at(words[3 * i + 1]), words[3 * i + 2]};
    tercet_status status =
        tercet_chat_tokenize(model, chosen, list, count, flags,
                             capacity == 0 ? NULL : abi_at(tokens), capacity, &token_count, &error);
    if (list != NULL)
        abi_give(NULL, list, list_bytes);
    abi_put(0, token_count);
    return abi_end(status, &error);
}
