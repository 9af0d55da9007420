/*
 * command_chat.c: `tercet chat`: a conversation, one line a message. What earlier turns have computed is kept, so that a
 * turn costs what is new in it. Which tokens a message becomes is core's business (tercet_chat_tokenize).
 */
#define _GNU_SOURCE 1 /* getline, isatty */
#include "clock.h"
#include "commands.h"
#include "conversation.h"
#include "generation.h"
#include "interrupt.h"
#include "json_writer.h"
#include "open_model.h"
#include "sampling_options.h"
#include "terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKENS_MAX = 1 << 20, CONTEXT_DEFAULT = 4096 };

#define NEW_COMMAND "/new"

struct chat_options {
    struct open_options open;
    struct sampling_options sampling;
    struct text_list stops;
    const char *system, *format;
    uint32_t tokens, context;
    bool no_think, json;
};

struct chat_state {
    const struct chat_options *options;
    struct open_model opened;
    tercet_chat_info chat;
    tercet_session *session;
    tercet_sampling sampling;
    uint32_t context;
    struct conversation conversation;
    struct json_writer json;
    bool
        interactive; /* a person types: prompts and figures are shown, and one bad message does not end it */
};

/* ---------------------------------------------------------------- arguments */

static enum arguments_outcome read_arguments(struct chat_options *options, int argc, char **argv) {
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options->open.path, true},
    };
    const struct argument arguments[] = {
        argument_text("system", 0, &options->system, "TEXT",
                      "What the model is told before the conversation begins."),
        argument_flag("no-think", &options->no_think,
                      "Ask for answers without thinking, where the format can."),
        argument_text("chat-format", 0, &options->format, "NAME",
                      "Format of the conversation: qwen3, chatml, llama3 or bitnet (default: the "
                      "model's own)."),
        argument_count("tokens", 'n', &options->tokens, 1, TOKENS_MAX,
                       "Most tokens of one answer (default: as many as the context has room for)."),
        sampling_argument_temperature(&options->sampling),
        sampling_argument_top_k(&options->sampling),
        sampling_argument_top_p(&options->sampling),
        sampling_argument_min_p(&options->sampling),
        sampling_argument_repetition_penalty(&options->sampling),
        sampling_argument_repetition_window(&options->sampling),
        sampling_argument_seed(&options->sampling),
        argument_texts("stop", &options->stops, "TEXT",
                       "End an answer before this text; may be given several times."),
        argument_count("context", 0, &options->context, 1, TOKENS_MAX,
                       "Tokens of the whole conversation (default: what the model was made for, at "
                       "most 4096)."),
        open_argument_threads(&options->open),
        open_argument_kernels(&options->open),
        open_argument_kv(&options->open),
        open_argument_map(&options->open),
        open_argument_verify(&options->open),
        argument_flag("json", &options->json,
                      "Print one JSON object with all answers when the input has ended."),
    };
    const struct command_line line = {
        .command = "chat",
        .usage = "MODEL [OPTIONS]",
        .summary = "Holds a conversation with a model that was made for it: each line of standard "
                   "input is a message, the answer goes to standard output. Ctrl-C ends the "
                   "answer, Ctrl-D the conversation; " NEW_COMMAND " begins a new one.",
        .details = "What a message holds is text and nothing else: tokens such as <|im_end|> "
                   "written in it have no meaning. Thinking is not kept for later turns.",
        .examples = "  tercet chat model.tercet --system \"Answer in one sentence.\"\n"
                    "  echo \"What is a ternary weight?\" | tercet chat model.tercet --json",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return outcome;
    }
    for (size_t i = 0; i < options->stops.count; i++) {
        if (options->stops.items[i][0] == '\0') {
            (void)arguments_error("chat", "--stop needs a text that is not empty");
            return ARGUMENTS_USAGE;
        }
    }
    return ARGUMENTS_RUN;
}

/* ---------------------------------------------------------------- session */

static tercet_status open_session(struct chat_state *state, tercet_error *error) {
    const struct chat_options *options = state->options;
    const tercet_model *model = state->opened.model;
    tercet_session_options session;
    tercet_session_options_init(model, &session);
    uint32_t most = state->opened.info.context;
    session.context = options->context != 0    ? options->context
                      : most < CONTEXT_DEFAULT ? most
                                               : CONTEXT_DEFAULT;
    session.kv = options->open.kv;
    sampling_options_apply(&options->sampling, &session.sampling);
    state->sampling = session.sampling;
    state->context = session.context;
    tercet_status status =
        tercet_session_create(state->opened.model, &session, &state->session, error);
    return status != TERCET_OK
               ? status
               : tercet_session_set_stop_tokens(state->session, state->chat.stop_tokens,
                                                state->chat.stop_count, error);
}

static int report_no_format(const struct chat_state *state, const tercet_error *error) {
    char known[96] = "";
    for (uint32_t i = 0; tercet_chat_format_name(i) != NULL; i++) {
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ",
                       tercet_chat_format_name(i));
    }
    return report_failure(state->options->open.path, error->status,
                          "%s: continue texts with `tercet run`, or name the format with "
                          "--chat-format %s",
                          error->detail, known);
}

static int open_chat(struct chat_state *state) {
    const struct chat_options *options = state->options;
    tercet_error error = {0};
    int code = open_model(&state->opened, &options->open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    tercet_status status =
        tercet_chat_get_info(state->opened.model, options->format, &state->chat, &error);
    if (status == TERCET_NO_CHAT_FORMAT && options->format == NULL) {
        return report_no_format(state, &error);
    }
    if (status == TERCET_NO_CHAT_FORMAT) {
        return report_error(options->open.path, &error);
    }
    if (status == TERCET_BAD_ARGUMENT) {
        return arguments_error("chat", "%s", error.detail);
    }
    if (options->no_think && !state->chat.thinking_switch) {
        return arguments_error("chat", "chat format %s has no switch for --no-think",
                               state->chat.name);
    }
    bool added =
        options->system == NULL || conversation_add(&state->conversation, TERCET_CHAT_SYSTEM,
                                                    options->system, strlen(options->system));
    status = added ? open_session(state, &error)
                   : set_error(&error, TERCET_OUT_OF_MEMORY, 0, "the system text");
    return status == TERCET_OK ? EXIT_CODE_OK : report_error(options->open.path, &error);
}

/* ---------------------------------------------------------------- one turn */

static tercet_status tokenize(const struct chat_state *state, struct token_list *prompt,
                              tercet_error *error) {
    const struct conversation *conversation = &state->conversation;
    uint32_t flags = state->options->no_think ? TERCET_CHAT_NO_THINKING : 0;
    for (size_t capacity = 0;;) {
        size_t count = 0;
        tercet_status status = tercet_chat_tokenize(state->opened.model, state->options->format,
                                                    conversation->messages, conversation->count,
                                                    flags, prompt->tokens, capacity, &count, error);
        prompt->count = count;
        if (status != TERCET_BAD_ARGUMENT || count <= capacity) {
            return status;
        }
        capacity = count;
        free(prompt->tokens);
        prompt->tokens = calloc(capacity, sizeof *prompt->tokens);
        if (prompt->tokens == NULL) {
            return set_error(error, TERCET_OUT_OF_MEMORY, capacity, "the tokens of the prompt");
        }
    }
}

static bool show_text(void *context, const char *text, size_t bytes) {
    (void)context;
    print_foreign_text(stdout, text, bytes);
    return fflush(stdout) == 0 && !ferror(stdout);
}

static void write_ids(struct json_writer *json, const char *key, const uint32_t *ids,
                      size_t count) {
    json_inline_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_integer(json, NULL, ids[i]);
    }
    json_close(json);
}

static void report_turn(struct chat_state *state, const struct token_list *prompt, size_t reused,
                        const struct generation *done) {
    if (state->options->json) {
        struct json_writer *json = &state->json;
        json_object(json, NULL);
        json_text_bytes(json, "text", done->text.text != NULL ? done->text.text : "",
                        done->text.count);
        write_ids(json, "tokens", done->tokens, done->count);
        json_text(json, "finish", generation_finish_name(done->finish));
        write_ids(json, "prompt_tokens", prompt->tokens, prompt->count);
        json_integer(json, "reused_tokens", reused);
        json_number(json, "prompt_seconds", done->prompt_seconds);
        json_number(json, "decode_seconds", done->decode_seconds);
        json_close(json);
        return;
    }
    putchar('\n');
    (void)fflush(stdout);
    if (state->interactive) {
        fprintf(stderr,
                "%s%u tokens, %.1f tokens/s; %zu of %zu prompt tokens were new; end: %s%s\n",
                style_faint(stderr), done->count, clock_rate(done->count, done->decode_seconds),
                prompt->count - reused, prompt->count, generation_finish_name(done->finish),
                style_end(stderr));
    }
    if (done->finish == FINISH_CONTEXT) {
        report_note("the context of %u tokens is full: " NEW_COMMAND
                    " begins a new conversation, --context makes room for a longer one",
                    state->context);
    }
}

/* The answer to the last message joins the conversation; a part of one, too, if there is any. */
static tercet_status answer(struct chat_state *state, const struct token_list *prompt,
                            tercet_error *error) {
    const struct chat_options *options = state->options;
    size_t reused = 0;
    struct generation done;
    if (prompt->count > state->context) {
        return set_error(error, TERCET_PROMPT_TOO_LONG, prompt->count,
                         "%zu tokens, the context has %u; " NEW_COMMAND
                         " begins a new conversation",
                         prompt->count, state->context);
    }
    tercet_status status =
        tercet_session_reuse(state->session, prompt->tokens, prompt->count, &reused);
    if (status == TERCET_OK) {
        status = tercet_session_set_sampling(state->session, &state->sampling, error);
    }
    if (status != TERCET_OK) {
        return status;
    }
    size_t room = state->context - prompt->count;
    const struct token_list rest = {prompt->tokens + reused, prompt->count - reused};
    const struct generation_options generation = {
        /* One more than there is room for: then the end is said to be that of the context. */
        .tokens =
            options->tokens != 0 && options->tokens <= room ? options->tokens : (uint32_t)room + 1,
        .stops = options->stops.items,
        .stop_count = options->stops.count,
        .vocabulary = state->opened.info.vocabulary,
        .show = options->json ? NULL : show_text,
    };
    interrupt_cancels(state->session);
    status = generation_run(state->session, &rest, &generation, &done, error);
    interrupt_cancels(NULL);
    if (status == TERCET_OK) {
        report_turn(state, prompt, reused, &done);
        bool empty = done.finish == FINISH_CANCELLED && done.text.count == 0;
        if (empty) {
            conversation_cut(&state->conversation, state->conversation.count - 1);
        } else if (!conversation_add(&state->conversation, TERCET_CHAT_ASSISTANT, done.text.text,
                                     done.text.count)) {
            status = set_error(error, TERCET_OUT_OF_MEMORY, 0, "the conversation");
        }
    }
    generation_free(&done);
    return status;
}

/* One line of input. A message that cannot be answered is dropped. */
static tercet_status take_turn(struct chat_state *state, const char *line, size_t bytes,
                               tercet_error *error) {
    struct conversation *conversation = &state->conversation;
    size_t before = conversation->count;
    struct token_list prompt = {0};
    if (bytes == sizeof NEW_COMMAND - 1 && memcmp(line, NEW_COMMAND, bytes) == 0) {
        conversation_cut(conversation, state->options->system != NULL ? 1 : 0);
        return TERCET_OK;
    }
    tercet_status status = TERCET_OK;
    if (!conversation_add(conversation, TERCET_CHAT_USER, line, bytes)) {
        status = set_error(error, TERCET_OUT_OF_MEMORY, bytes, "a message");
    }
    if (status == TERCET_OK) {
        status = tokenize(state, &prompt, error);
    }
    if (status == TERCET_OK) {
        status = answer(state, &prompt, error);
    }
    if (status != TERCET_OK) {
        conversation_cut(conversation, before);
    }
    token_list_free(&prompt);
    return status;
}

/* ---------------------------------------------------------------- command */

static void ask(const struct chat_state *state) {
    if (state->interactive) {
        fprintf(stderr, "%s> %s", style_strong(stderr), style_end(stderr));
    }
}

/* Is it over after this? */
static bool ends(const struct chat_state *state, tercet_status status, const tercet_error *error,
                 int *code) {
    if (status == TERCET_OK) {
        return false;
    }
    if (status == TERCET_FILE_WRITE_FAILED) {
        return true; /* main reports what became of standard output */
    }
    bool message = status == TERCET_PROMPT_TOO_LONG || status == TERCET_INVALID_UTF8;
    int failed = report_error(message ? "message" : state->options->open.path, error);
    if (state->interactive && message) {
        return false;
    }
    *code = failed;
    return true;
}

static int converse(struct chat_state *state) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t got;
    int code = EXIT_CODE_OK;
    bool over = false;
    if (state->interactive) {
        fprintf(stderr,
                "%s%s, chat format %s, seed %" PRIu64
                "; Ctrl-D ends, Ctrl-C stops an answer, " NEW_COMMAND " begins anew%s\n",
                style_faint(stderr),
                state->opened.info.name[0] != '\0' ? state->opened.info.name : "a model",
                state->chat.name, state->sampling.seed, style_end(stderr));
    }
    for (ask(state); !over && (got = getline(&line, &capacity, stdin)) >= 0;) {
        tercet_error error = {0};
        size_t bytes = (size_t)got;
        if (bytes > 0 && line[bytes - 1] == '\n') {
            bytes--;
        }
        if (bytes > 0) {
            tercet_status status = take_turn(state, line, bytes, &error);
            over = ends(state, status, &error, &code);
        }
        if (!over) {
            ask(state);
        }
    }
    if (!over && ferror(stdin)) {
        tercet_error error = {0};
        (void)set_error_from_errno(&error, errno, TERCET_FILE_READ_FAILED);
        code = report_error("standard input", &error);
    }
    free(line);
    if (state->interactive) {
        fputc('\n', stderr);
    }
    return code;
}

static int chat(struct chat_state *state) {
    int code = open_chat(state);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (state->options->json) {
        json_start(&state->json, stdout);
        json_text(&state->json, "format", state->chat.name);
        json_integer(&state->json, "seed", state->sampling.seed);
        json_integer(&state->json, "context", state->context);
        json_array(&state->json, "answers");
    }
    code = converse(state);
    if (state->options->json) {
        json_close(&state->json);
        json_finish(&state->json);
    }
    return code;
}

int command_chat(int argc, char **argv) {
    struct chat_options options = {0};
    struct chat_state state = {.options = &options};
    sampling_options_init(&options.sampling);
    enum arguments_outcome outcome = read_arguments(&options, argc, argv);
    state.interactive = !options.json && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    int code = outcome == ARGUMENTS_RUN ? chat(&state) : (int)outcome;
    tercet_session_destroy(state.session);
    conversation_free(&state.conversation);
    close_model(&state.opened);
    free(options.stops.items);
    return code;
}
