/*
 * arriving.c: see arriving.h. A call does one slice of one layer, so that a host can answer others in between. The tokens lie
 * in the session's history, where they will be needed; `tokens` of the session moves only when the last layer is done.
 */
#include "arriving.h"

#include <string.h>

uint64_t arriving_bytes(const struct tercet_model *model, size_t count) {
    uint64_t row = (uint64_t)tile_pad(model->config.hidden) * sizeof(float);
    return count > model->config.context ? 0 : 2 * count * row;
}

tercet_status arriving_begin(struct tercet_session *session, const uint32_t *tokens, size_t count,
                             tercet_error *error) {
    const struct model_config *c = &session->model->config;
    if (c->state_space)
        return tercet_fail(error, TERCET_UNSUPPORTED, 0,
                           "a model of state spaces computes its prompt when it is whole");
    if (session->tokens != 0 || session->arriving.x != NULL || count == 0)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, session->tokens,
                           "a prompt begins an empty session, once, and has tokens");
    if (count > session->context)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, 0,
                           "the prompt has %llu tokens, the context only %u",
                           (unsigned long long)count, session->context);
    for (size_t i = 0; i < count; i++)
        if (tokens[i] >= c->vocabulary)
            return tercet_fail(error, TERCET_BAD_TOKEN, i,
                               "token id %u at place %llu is not in the vocabulary of %u",
                               tokens[i], (unsigned long long)i, c->vocabulary);
    uint64_t bytes = arriving_bytes(session->model, count);
    float *block = allocator_take(&session->model->engine->allocator, bytes);
    if (block == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, bytes,
                           "no memory to compute %llu tokens while the model arrives",
                           (unsigned long long)count);
    session->restored_bytes = 0; /* parts of a state would come into this history */
    memmove(session->history, tokens, count * sizeof *tokens);
    session->arriving = (struct arriving){
        .x = block,
        .y = block + count * session->forward.hidden_stride,
        .bytes = bytes,
        .count = (uint32_t)count,
    };
    return TERCET_OK;
}

/* Whether everything up to the end of this layer has arrived. Stage 0 is the input, a layer is one behind its number. */
static bool layer_is_there(const struct tercet_model *model, uint32_t layer) {
    const struct container *container = &model->file.container;
    uint64_t end = container->prefix.header_bytes;
    for (uint32_t i = 0; i < container->tensor_count; i++) {
        struct container_tensor tensor = container_get_tensor(container, i);
        if (tensor.stage > layer + 1)
            break; /* tensors lie in the order of their stages */
        end = tensor.offset + tensor.bytes;
    }
    return model->arrived_bytes >= end - container->prefix.header_bytes;
}

static void finish(struct tercet_session *session) {
    uint32_t count = session->arriving.count;
    session_end_arriving(session);
    session->has_logits = false;
    session->ahead = 0;
    session->restored_bytes = 0;
    session_advance(session, count);
    if (session->forward.logits_rows > 1)
        lookup_read(&session->lookup, session->history, session->tokens);
}

tercet_status arriving_continue(struct tercet_session *session, int *more, tercet_error *error) {
    struct arriving *a = &session->arriving;
    *more = 0;
    if (a->x == NULL)
        return TERCET_OK;
    if (session->tokens != 0)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, session->tokens,
                           "another text was begun in this session");
    if (atomic_load(&session->cancel) != 0) {
        atomic_store(&session->cancel, 0);
        return TERCET_CANCELLED;
    }
    if (a->done == 0 && !layer_is_there(session->model, a->layer))
        return TERCET_OK;
    struct forward *f = &session->forward;
    uint32_t count = a->count - a->done < session->slice ? a->count - a->done : session->slice;
    float *x = a->x + a->done * f->hidden_stride;
    float *y = a->y + a->done * f->hidden_stride;
    if (a->layer == 0)
        forward_embed(f, session->history + a->done, count, a->done, x);
    forward_layer(f, a->layer, count, a->done, x, y);
    a->done += count;
    if (a->done == a->count) {
        a->done = 0;
        a->layer++;
    }
    if (a->layer == session->model->config.layers) {
        finish(session);
        return TERCET_OK;
    }
    *more = a->done > 0 || layer_is_there(session->model, a->layer) ? 1 : 0;
    return TERCET_OK;
}
