/*
 * command_run.c: `tercet run`: a prompt in, text out, token by token; figures on stderr or one JSON
 * object on stdout. The loop itself is generation.c.
 */
#define _GNU_SOURCE 1 /* ssize_t */
#include "clock.h"
#include "commands.h"
#include "generation.h"
#include "interrupt.h"
#include "json_writer.h"
#include "machine.h"
#include "open_model.h"
#include "sampling_options.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 128, TOKENS_MAX = 1 << 20 };

struct run_options {
    struct open_options open;
    const char *prompt, *prompt_file, *standard_input;
    bool prompt_given, prompt_file_given;
    uint32_t tokens, context, speculation;
    const char *speculation_text;
    struct sampling_options sampling;
    struct text_list stops;
    bool json, no_prompt_echo, hash_logits;
};

struct run_state {
    struct open_model opened;
    struct input_text prompt;
    struct token_list prompt_tokens;
    tercet_session *session;
    tercet_session_options session_options;
    struct generation generation;
};

/* ---------------------------------------------------------------- arguments */

/* As tercet_session_options wants it. */
static bool read_speculation(const char *text, uint32_t *speculation) {
    if (text == NULL || strcmp(text, "auto") == 0) {
        *speculation = 0;
        return true;
    }
    if (strcmp(text, "off") == 0) {
        *speculation = 1;
        return true;
    }
    char *end = NULL;
    unsigned long value = text[0] >= '1' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    *speculation = value <= 16 ? (uint32_t)value : 0;
    return *speculation >= 2 && *end == '\0';
}

static enum arguments_outcome read_arguments(struct run_options *options, int argc, char **argv) {
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options->open.path, true},
        {"-", "Read the prompt from standard input.", &options->standard_input, false},
    };
    const struct argument arguments[] = {
        argument_noting(
            argument_text("prompt", 'p', &options->prompt, "TEXT", "What the text begins with."),
            &options->prompt_given),
        argument_noting(argument_text("prompt-file", 0, &options->prompt_file, "FILE",
                                      "Read it from a file; one final newline is dropped."),
                        &options->prompt_file_given),
        argument_count("tokens", 'n', &options->tokens, 0, TOKENS_MAX,
                       "Most tokens to write (default 128). "
                       "The model's context is a limit, too."),
        sampling_argument_temperature(&options->sampling),
        sampling_argument_top_k(&options->sampling),
        sampling_argument_top_p(&options->sampling),
        sampling_argument_min_p(&options->sampling),
        sampling_argument_repetition_penalty(&options->sampling),
        sampling_argument_repetition_window(&options->sampling),
        sampling_argument_seed(&options->sampling),
        argument_texts("stop", &options->stops, "TEXT",
                       "End before this text; may be given several times."),
        argument_count("context", 0, &options->context, 1, TOKENS_MAX,
                       "Tokens of prompt and text together (default: as many as "
                       "this run needs, at most what the model was made for)."),
        argument_text("speculation", 0, &options->speculation_text, "auto|off|N",
                      "Compute likely next tokens along with each, N at once: faster, the text "
                      "is the same (default auto)."),
        open_argument_threads(&options->open),
        open_argument_kernels(&options->open),
        open_argument_kv(&options->open),
        open_argument_map(&options->open),
        open_argument_verify(&options->open),
        argument_flag("no-prompt-echo", &options->no_prompt_echo,
                      "Print only what the model wrote."),
        argument_flag("json", &options->json, "Print one JSON object when done, nothing before."),
        argument_flag("hash-logits", &options->hash_logits,
                      "With --json: SHA-256 over the f32 logits of every position, "
                      "prompt included, to compare builds bit for bit."),
    };
    const struct command_line line = {
        .command = "run",
        .usage = "MODEL [-p TEXT | --prompt-file FILE | -] [OPTIONS]",
        .summary = "Writes text that continues a prompt, token by token on standard output, then "
                   "figures on standard error. Ctrl-C stops cleanly; a second one at once.",
        .details = "Without a prompt the model begins a text of its own. Tokens such as <|im_end|> "
                   "written in the prompt are understood as such.",
        .examples = "  tercet run story.tercet -p \"One morning Tom went to the store\" -n 200\n"
                    "  tercet run story.tercet --prompt-file start.txt --temperature 0 --json",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 2,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return outcome;
    }
    if (options->standard_input != NULL && strcmp(options->standard_input, "-") != 0) {
        (void)arguments_error("run", "a prompt is given with -p: -p \"%s\"",
                              options->standard_input);
        return ARGUMENTS_USAGE;
    }
    if (options->prompt_given + options->prompt_file_given + (options->standard_input != NULL) >
        1) {
        (void)arguments_error("run", "only one of -p, --prompt-file and - can be given");
        return ARGUMENTS_USAGE;
    }
    for (size_t i = 0; i < options->stops.count; i++) {
        if (options->stops.items[i][0] == '\0') {
            (void)arguments_error("run", "--stop needs a text that is not empty");
            return ARGUMENTS_USAGE;
        }
    }
    if (!read_speculation(options->speculation_text, &options->speculation)) {
        (void)arguments_error("run", "--speculation is auto, off, or a number from 2 to 16");
        return ARGUMENTS_USAGE;
    }
    if (options->hash_logits && !options->json) {
        (void)arguments_error("run", "--hash-logits needs --json");
        return ARGUMENTS_USAGE;
    }
    return ARGUMENTS_RUN;
}

/* ---------------------------------------------------------------- work */

static tercet_status read_prompt(const struct run_options *options, struct input_text *prompt,
                                 tercet_error *error) {
    const char *path = options->prompt_file_given ? options->prompt_file : options->standard_input;
    if (path == NULL) {
        return input_text_copy(prompt, options->prompt_given ? options->prompt : "", error);
    }
    tercet_status status = input_text_read(prompt, path, error);
    if (status == TERCET_OK) {
        input_text_chomp(prompt);
    }
    return status;
}

/* As much context as this run needs; the prompt alone must fit. */
static tercet_status choose_context(const struct run_options *options, struct run_state *state,
                                    tercet_error *error) {
    uint32_t most = options->context != 0 ? options->context : state->opened.info.context;
    size_t prompt = state->prompt_tokens.count;
    if (prompt > most) {
        return set_error(error, TERCET_PROMPT_TOO_LONG, prompt, "%zu tokens, the context has %u",
                         prompt, most);
    }
    size_t needed = prompt + options->tokens;
    state->session_options.context =
        options->context != 0 || needed > most ? most : (uint32_t)(needed > 0 ? needed : 1);
    return TERCET_OK;
}

static tercet_status prepare(const struct run_options *options, struct run_state *state,
                             tercet_error *error) {
    tercet_status status =
        token_list_tokenize(&state->prompt_tokens, state->opened.model, &state->prompt,
                            TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL, error);
    if (status != TERCET_OK) {
        return status;
    }
    tercet_session_options_init(state->opened.model, &state->session_options);
    state->session_options.speculation = options->speculation;
    state->session_options.kv = options->open.kv;
    sampling_options_apply(&options->sampling, &state->session_options.sampling);
    status = choose_context(options, state, error);
    return status != TERCET_OK ? status
                               : tercet_session_create(state->opened.model, &state->session_options,
                                                       &state->session, error);
}

static bool show_text(void *context, const char *text, size_t bytes) {
    (void)context;
    print_foreign_text(stdout, text, bytes);
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---------------------------------------------------------------- reports */

/* Share of the drafted tokens that came true. */
static double acceptance(const tercet_session_info *session) {
    return session->drafted == 0 ? 0 : (double)session->accepted / (double)session->drafted;
}

static void print_statistics(const struct run_options *options, const struct run_state *state) {
    const struct generation *done = &state->generation;
    tercet_session_info session;
    char a[24], b[24], c[24];
    tercet_session_get_info(state->session, &session);
    bool repeatable =
        options->sampling.seed_given || state->session_options.sampling.temperature <= 0;
    fprintf(stderr, "\n%sprompt     %zu tokens in %s: %.1f tokens/s\n", style_faint(stderr),
            state->prompt_tokens.count, format_seconds(done->prompt_seconds, a, sizeof a),
            clock_rate((double)state->prompt_tokens.count, done->prompt_seconds));
    fprintf(stderr, "generated  %u tokens in %s: %.1f tokens/s; first after %s; end: %s\n",
            done->count, format_seconds(done->decode_seconds, a, sizeof a),
            clock_rate(done->count, done->decode_seconds),
            format_seconds(done->first_token_seconds, b, sizeof b),
            generation_finish_name(done->finish));
    if (session.drafted > 0) {
        fprintf(stderr,
                "drafted    %" PRIu64 " tokens, %" PRIu64 " came true (%.0f %%): %" PRIu64
                " passes for %u tokens\n",
                session.drafted, session.accepted, 100.0 * acceptance(&session), session.passes,
                done->count);
    }
    fprintf(stderr, "ran with   %s kernels, %u %s, context %u, %s cache, seed %" PRIu64 "%s\n",
            state->opened.engine_info.kernels, state->opened.engine_info.threads,
            state->opened.engine_info.threads == 1 ? "thread" : "threads", session.context,
            kv_name(session.kv), state->session_options.sampling.seed,
            repeatable ? "" : " (give it with --seed for the same text)");
    fprintf(stderr, "memory     model %s, session %s, peak %s%s\n",
            format_bytes(state->opened.info.file_bytes, a, sizeof a),
            format_bytes(session.bytes, b, sizeof b),
            format_bytes(machine_peak_memory(), c, sizeof c), style_end(stderr));
}

static void write_tokens(struct json_writer *json, const char *key, const uint32_t *tokens,
                         size_t count) {
    json_inline_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_integer(json, NULL, tokens[i]);
    }
    json_close(json);
}

static void write_sampling(struct json_writer *json, const tercet_sampling *sampling) {
    json_object(json, "sampling");
    json_float(json, "temperature", sampling->temperature);
    json_integer(json, "top_k", sampling->top_k);
    json_float(json, "top_p", sampling->top_p);
    json_float(json, "min_p", sampling->min_p);
    json_float(json, "repetition_penalty", sampling->repetition_penalty);
    json_integer(json, "repetition_window", sampling->repetition_window);
    json_close(json);
}

static void write_json(const struct run_options *options, const struct run_state *state) {
    const struct generation *done = &state->generation;
    const tercet_sampling *sampling = &state->session_options.sampling;
    tercet_session_info session;
    struct json_writer json;
    char hex[DIGEST_HEX_BYTES];
    tercet_session_get_info(state->session, &session);
    json_start(&json, stdout);
    json_text_bytes(&json, "text", done->text.text, done->text.count);
    json_text(&json, "finish", generation_finish_name(done->finish));
    write_tokens(&json, "tokens", done->tokens, done->count);
    json_text_bytes(&json, "prompt", state->prompt.bytes, state->prompt.count);
    write_tokens(&json, "prompt_tokens", state->prompt_tokens.tokens, state->prompt_tokens.count);
    json_integer(&json, "seed", sampling->seed);
    write_sampling(&json, sampling);
    json_text(&json, "model_name", state->opened.info.name);
    json_text(&json, "model_id", digest_hex(state->opened.info.model_id, hex));
    json_text(&json, "kernels", state->opened.engine_info.kernels);
    json_integer(&json, "threads", state->opened.engine_info.threads);
    json_integer(&json, "context", session.context);
    json_text(&json, "kv", kv_name(session.kv));
    if (options->hash_logits && done->finish != FINISH_CANCELLED) {
        json_text(&json, "logits_sha256", digest_hex(done->logits_sha256, hex));
    }
    json_number(&json, "load_seconds", state->opened.seconds);
    json_number(&json, "prompt_seconds", done->prompt_seconds);
    json_number(&json, "first_token_seconds", done->first_token_seconds);
    json_number(&json, "decode_seconds", done->decode_seconds);
    json_number(&json, "prompt_tokens_per_second",
                clock_rate((double)state->prompt_tokens.count, done->prompt_seconds));
    json_number(&json, "decode_tokens_per_second", clock_rate(done->count, done->decode_seconds));
    json_integer(&json, "passes", session.passes);
    json_integer(&json, "drafted_tokens", session.drafted);
    json_integer(&json, "accepted_tokens", session.accepted);
    json_number(&json, "acceptance", acceptance(&session));
    json_integer(&json, "model_bytes", state->opened.info.file_bytes);
    json_integer(&json, "session_bytes", session.bytes);
    json_integer(&json, "peak_memory_bytes", machine_peak_memory());
    json_finish(&json);
}

/* ---------------------------------------------------------------- command */

static int generate(const struct run_options *options, struct run_state *state) {
    tercet_error error = {0};
    const struct generation_options generation = {
        .tokens = options->tokens,
        .stops = options->stops.items,
        .stop_count = options->stops.count,
        .hash_logits = options->hash_logits,
        .vocabulary = state->opened.info.vocabulary,
        .show = options->json ? NULL : show_text,
    };
    interrupt_cancels(state->session);
    if (!options->json && !options->no_prompt_echo) {
        (void)show_text(NULL, state->prompt.bytes, state->prompt.count);
    }
    tercet_status status = generation_run(state->session, &state->prompt_tokens, &generation,
                                          &state->generation, &error);
    if (!options->json) {
        putchar('\n');
        (void)fflush(stdout);
    }
    if (status == TERCET_FILE_WRITE_FAILED) {
        return EXIT_CODE_OK; /* main reports what became of standard output */
    }
    if (status != TERCET_OK) {
        return report_error(options->open.path, &error);
    }
    if (options->json) {
        write_json(options, state);
    } else {
        print_statistics(options, state);
    }
    return interrupt_came() ? EXIT_CODE_INTERRUPTED : EXIT_CODE_OK;
}

static int run(const struct run_options *options, struct run_state *state) {
    tercet_error error = {0};
    tercet_status status = read_prompt(options, &state->prompt, &error);
    if (status != TERCET_OK) {
        return report_error(options->prompt_file_given ? options->prompt_file : "standard input",
                            &error);
    }
    int code = open_model(&state->opened, &options->open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    status = prepare(options, state, &error);
    if (status != TERCET_OK) {
        bool prompt_is_wrong = status == TERCET_INVALID_UTF8 || status == TERCET_PROMPT_TOO_LONG;
        return report_error(prompt_is_wrong ? "prompt" : options->open.path, &error);
    }
    if (state->prompt_tokens.count == 0) {
        return arguments_error("run", "this model cannot begin without a prompt, give one with -p");
    }
    return generate(options, state);
}

int command_run(int argc, char **argv) {
    struct run_options options = {.tokens = DEFAULT_TOKENS};
    struct run_state state = {0};
    sampling_options_init(&options.sampling);
    enum arguments_outcome outcome = read_arguments(&options, argc, argv);
    int code = outcome == ARGUMENTS_RUN ? run(&options, &state) : (int)outcome;
    interrupt_cancels(NULL);
    tercet_session_destroy(state.session);
    generation_free(&state.generation);
    token_list_free(&state.prompt_tokens);
    input_text_free(&state.prompt);
    close_model(&state.opened);
    free(options.stops.items);
    return code;
}
