/*
 * tercet.h: the only public header of Tercet, a runtime for language models with ternary weights.
 *
 * From simple to detailed:
 *   engine   threads, allocator, kernel set; shared by everything below
 *   loader   asks for bytes of a .tercet file ("want"), is told when they are in place ("give")
 *   model    immutable after loading; shared by sessions
 *   session  one conversation or text: KV cache, sampler, statistics
 *
 * Rules that hold for every function:
 *   - A function that can fail returns tercet_status and fills *error when error is not NULL. There is no "last error".
 *   - Nothing here reads files, clocks or the environment, prints, or exits. Hosts do that.
 *   - Bytes of a container and text may be hostile: every function returns an error for them, none crashes.
 *   - Handles are owned by the caller and freed by their destroy function, which accepts NULL. Destroy sessions before
 *     their model, models and loaders before their engine.
 *   - A call that returns an error (not a note, not a suspension) leaves a session as it was before the call. A loader
 *     that returned an error answers only TERCET_DISABLED from then on: the file must be loaded afresh.
 *   - One thread at a time per handle; the exception is tercet_session_cancel. Sessions of one engine share its
 *     thread pool, so two sessions of one engine must not run at the same moment.
 */
#ifndef TERCET_H
#define TERCET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERCET_API_VERSION 1u

/* Status values are pinned: a value never changes its meaning. X(value, NAME, "what it means; what to do").
 * 0 ok; 1..31 notes; 32..63 suspensions (call again); 64.. errors. */
#define TERCET_STATUS_LIST(X)                                                                      \
    X(0, OK, "success")                                                                            \
    X(1, END_OF_TEXT, "the model ended its text")                                                  \
    X(2, FEWER_THREADS, "fewer threads than asked for could be started")                           \
    X(3, CONTEXT_FULL, "the context is full: start a new text or load with a larger context")      \
    X(32, NEED_BYTES, "the loader waits for bytes of the file")                                    \
    X(33, CANCELLED, "cancelled on request")                                                       \
    X(64, BAD_ARGUMENT, "an argument is out of range: change it")                                  \
    X(65, OUT_OF_MEMORY, "not enough memory: use a smaller model or a smaller context")            \
    X(66, DISABLED, "an earlier error disabled this handle: destroy it and start again")           \
    X(67, NO_KERNELS,                                                                              \
      "no kernel set of that name works on this machine: leave the choice to Tercet")              \
    X(80, BAD_MAGIC, "not a .tercet file: check its name or address, or pack it")                  \
    X(81, VERSION_TOO_NEW, "the file was written by a newer Tercet: update Tercet")                \
    X(82, TRUNCATED, "the file ends too early: download or pack it again")                         \
    X(83, BAD_HEADER, "the header is damaged: download or pack the file again")                    \
    X(84, LIMIT_EXCEEDED,                                                                          \
      "a size in the header is beyond the limits of the format: download or pack the file again")  \
    X(85, HEADER_HASH_MISMATCH,                                                                    \
      "the header does not match its hash: download or pack the file again")                       \
    X(86, CHUNK_HASH_MISMATCH, "a chunk does not match its hash: download or pack the file again") \
    X(87, UNSUPPORTED, "this version of Tercet cannot run this model: update Tercet")              \
    X(88, TRAILING_BYTES, "the file is longer than its header says: download or pack it again")    \
    X(96, INVALID_UTF8, "the text is not valid UTF-8: convert it")                                 \
    X(97, PROMPT_TOO_LONG,                                                                         \
      "the prompt does not fit into the context: shorten it or raise the context")                 \
    X(98, BAD_TOKEN, "a token id is not in the vocabulary: use the ids of this model")             \
    X(99, NO_CHAT_FORMAT,                                                                          \
      "the model has no such chat format: continue plain text, or name a format that fits it")     \
    X(100, BAD_STATE,                                                                              \
      "the saved session is damaged, or of another model or version: begin a new one")             \
    X(112, BAD_SOURCE, "the model to pack is damaged or incomplete: download it again")            \
    X(113, NOT_TERNARY, "the weights are not ternary: pass --quantize absmean or --dense f16")     \
    X(114, NOT_LOSSLESS, "a packed weight differs from its source: please report this")            \
    X(115, UNSUPPORTED_SOURCE,                                                                     \
      "this kind of model cannot be packed yet: choose another file or model")                     \
    X(116, CANNOT_EXPORT, "the model cannot be written in that format: choose another format")     \
    X(128, FILE_NOT_FOUND, "no such file: check its name")                                         \
    X(129, FILE_READ_FAILED,                                                                       \
      "the file cannot be read: check the disk and your rights, then try again")                   \
    X(130, FILE_WRITE_FAILED,                                                                      \
      "the file cannot be written: check the folder and your rights, then try again")              \
    X(131, DISK_FULL, "the disk is full: free space and try again")

typedef enum tercet_status {
#define TERCET_STATUS_ENUM(value, name, text) TERCET_##name = (value),
    TERCET_STATUS_LIST(TERCET_STATUS_ENUM)
#undef TERCET_STATUS_ENUM
} tercet_status;

/* What went wrong. `where` is a byte offset, tensor index, token position, ... as `detail` says. */
typedef struct tercet_error {
    tercet_status status;
    uint64_t where;
    char detail[192]; /* one sentence, NUL-terminated, plain ASCII except for quoted names */
} tercet_error;

/* "OK", "BAD_MAGIC", ... and the sentence of the list; never NULL. Unknown values give "UNKNOWN". */
const char *tercet_status_name(tercet_status status);
const char *tercet_status_text(tercet_status status);
/* 1 for a value >= 64. */
int tercet_status_is_error(tercet_status status);

/* ---------------------------------------------------------------- engine */

typedef struct tercet_engine tercet_engine;

/* alloc returns memory aligned to 64 bytes or NULL; free gets what alloc returned and the same size. */
typedef struct tercet_allocator {
    void *(*alloc)(void *opaque, size_t bytes);
    void (*free)(void *opaque, void *pointer, size_t bytes);
    void *opaque;
} tercet_allocator;

typedef struct tercet_engine_options {
    uint32_t struct_bytes; /* sizeof(tercet_engine_options), set by _init: lets the struct grow */
    uint32_t api_version;  /* TERCET_API_VERSION, set by _init */
    uint32_t threads;      /* 1..64, the calling thread included; 0 = 1 */
    const char
        *kernels; /* name of a set ("portable", "x86_avx2", ...); NULL = the best that works here */
    tercet_allocator allocator; /* all zero: aligned malloc */
} tercet_engine_options;

typedef struct tercet_engine_info {
    const char *kernels;      /* chosen set; static string */
    const char *kernels_note; /* "" or why a better set was dropped; lives as long as the engine */
    uint32_t threads;         /* threads that really run */
} tercet_engine_info;

void tercet_engine_options_init(tercet_engine_options *options);
/* OK, or the note FEWER_THREADS (the engine works); NO_KERNELS, OUT_OF_MEMORY, BAD_ARGUMENT. */
tercet_status tercet_engine_create(const tercet_engine_options *options, tercet_engine **engine,
                                   tercet_error *error);
void tercet_engine_get_info(const tercet_engine *engine, tercet_engine_info *info);
void tercet_engine_destroy(tercet_engine *engine);
/* Names of the compiled kernel sets in rising order, NULL past the end; whether this machine can run set i. */
const char *tercet_kernels_name(uint32_t index);
int tercet_kernels_usable(uint32_t index);

/* ---------------------------------------------------------------- loader */

typedef struct tercet_loader tercet_loader;
typedef struct tercet_model tercet_model;

typedef enum tercet_want_kind {
    TERCET_WANT_PREFIX = 0, /* the first 64 bytes (all of a shorter file); sha256 is NULL */
    TERCET_WANT_HEADER =
        1, /* bytes 0 .. header_bytes; sha256 covers bytes 0..31 and 64..end (CONTAINER.md) */
    TERCET_WANT_CHUNK = 2 /* one chunk of tensor data; sha256 covers exactly these bytes */
} tercet_want_kind;

/* The host copies bytes [offset, offset + bytes) of the file to destination, checks sha256 if it is not NULL, then
 * calls tercet_loader_give. destination and sha256 belong to the loader. */
typedef struct tercet_want {
    tercet_want_kind kind;
    uint32_t chunk_index;
    uint64_t offset;
    uint64_t bytes;
    void *destination;
    const uint8_t *sha256; /* 32 bytes */
} tercet_want;

typedef struct tercet_loader_options {
    uint32_t struct_bytes;
    uint32_t
        map_in_place; /* 1: no chunks are wanted; the host gives the data by tercet_loader_place */
    uint64_t file_bytes; /* size of the file if the host knows it, else 0 */
} tercet_loader_options;

void tercet_loader_options_init(tercet_loader_options *options);
tercet_status tercet_loader_create(tercet_engine *engine, const tercet_loader_options *options,
                                   tercet_loader **loader, tercet_error *error);
/* NEED_BYTES with *want filled; OK when everything is there. Chunks are wanted in file order. */
tercet_status tercet_loader_want(tercet_loader *loader, tercet_want *want, tercet_error *error);
/* The bytes of the current want are in place and their hash holds. Checks structure; errors disable the loader. */
tercet_status tercet_loader_give(tercet_loader *loader, tercet_error *error);
/* Only with map_in_place, after the header was given: `data` is the mapped tensor data (file offset header_bytes),
 * aligned to 64, `bytes` long, and must outlive the model. Hashes of the chunks are the host's business. `data` may be NULL:
 * the model then answers what it is, what it needs and about text, and no session can be made of it. */
tercet_status tercet_loader_place(tercet_loader *loader, const void *data, uint64_t bytes,
                                  tercet_error *error);
/* After the header was given: sizes for progress and planning. Pointers live until the loader is destroyed or hands its
 * model over. */
typedef struct tercet_file_info {
    uint64_t file_bytes, header_bytes, data_bytes;
    uint32_t chunk_bytes, chunks;
    const uint8_t *model_id;     /* 32 bytes: SHA-256 that names the model */
    const uint8_t *chunk_sha256; /* chunks x 32 bytes */
} tercet_file_info;
tercet_status tercet_loader_get_file_info(const tercet_loader *loader, tercet_file_info *info);
/* Hands the model over (the loader can then only be destroyed); BAD_ARGUMENT while bytes are missing. */
tercet_status tercet_loader_finish(tercet_loader *loader, tercet_model **model,
                                   tercet_error *error);
/* In place of finish, once the header was given and while chunks are still wanted: the model, which arrives while it is open.
 * The loader goes on; it must be destroyed before the model. Until every chunk was given the model answers what it is and
 * about text, sessions can be made of it, and tercet_session_arrive works on them; prefill, step and embed are BAD_ARGUMENT.
 * UNSUPPORTED for models of state spaces and for biases of the head in 16 bits, OUT_OF_MEMORY: the loader then goes on as before. */
tercet_status tercet_loader_open(tercet_loader *loader, tercet_model **model, tercet_error *error);
void tercet_loader_destroy(tercet_loader *loader);

/* ---------------------------------------------------------------- model */

typedef struct tercet_model_info {
    const char *name;      /* UTF-8, NUL-terminated, may be "" */
    const char *family;    /* "llama", "bitnet", "gpt2", "qwen3", "ternarylm", "bitmamba2" */
    const char *licence;   /* UTF-8, may be "" */
    const char *source;    /* what it was packed from, UTF-8, may be "" */
    const char *tokenizer; /* "byte-level BPE", "SentencePiece BPE", "WordPiece" */
    uint8_t model_id[32];
    uint32_t layers, hidden, inner, heads, kv_heads, head_dim, vocabulary, context;
    uint32_t tied_head;       /* 1: the output head is the embedding */
    uint32_t activation_bits; /* 8, or 32 for a dense model */
    uint32_t tensors;
    uint32_t token_count;     /* tokens with a text; the vocabulary may be padded beyond */
    uint32_t beginning_token; /* TERCET_NO_TOKEN if the model has none */
    uint64_t parameters;      /* logical weights, norms and embedding included */
    uint64_t ternary_parameters;
    uint64_t data_bytes; /* packed tensors */
    uint64_t file_bytes;
    /* Defaults for sampling that came with the model; zero temperature = greedy. */
    float temperature, top_p, min_p;
    uint32_t top_k;
} tercet_model_info;
#define TERCET_NO_TOKEN 0xFFFFFFFFu

typedef struct tercet_tensor_info {
    char name[64];     /* "layers.3.attention.q", "embedding", ... */
    const char *type;  /* "ternary", "int8", "f16", "f32" */
    const char *scale; /* "none", "tensor", "row", "group128", "group64" */
    uint64_t rows, columns;
    uint64_t offset, bytes; /* in the file; bytes with scales and padding */
    uint64_t zeros; /* ternary only, and of a model with data: how many logical weights are 0 */
} tercet_tensor_info;

void tercet_model_get_info(const tercet_model *model, tercet_model_info *info);
/* Counts zeros of a ternary tensor by reading it: not for loops. */
tercet_status tercet_model_get_tensor(const tercet_model *model, uint32_t index,
                                      tercet_tensor_info *info);
/* The bytes of the file where they lie in memory: the header, and the packed tensors, which begin at file offset header_bytes. Owned
 * by the model; `data` is NULL for a model without data, and complete only when every chunk was given. */
typedef struct tercet_model_bytes {
    const uint8_t *header, *data;
    uint64_t header_bytes, data_bytes;
} tercet_model_bytes;
void tercet_model_get_bytes(const tercet_model *model, tercet_model_bytes *bytes);
void tercet_model_destroy(tercet_model *model);

/* ---------------------------------------------------------------- text */

#define TERCET_TEXT_ADD_BEGINNING                                                                  \
    1u /* put the beginning-of-text token in front if the model uses one */
#define TERCET_TEXT_PARSE_SPECIAL                                                                  \
    2u /* recognise special tokens such as <|im_end|> written in the text */

/* Text to tokens. Writes at most `capacity` ids to `tokens` and the full number to *count; with count > capacity
 * returns BAD_ARGUMENT and *count says what is needed (capacity 0 and tokens NULL: just ask).
 * INVALID_UTF8 names the byte offset. */
tercet_status tercet_tokenize(const tercet_model *model, const char *text, size_t bytes,
                              uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
                              tercet_error *error);
/* Bytes of one token (not always whole UTF-8 characters; control tokens have none). Owned by the model. */
tercet_status tercet_token_bytes(const tercet_model *model, uint32_t token, const uint8_t **bytes,
                                 size_t *count);
/* Whether the model's own stop tokens include it: then a session never computes it (END_OF_TEXT). */
int tercet_token_is_stop(const tercet_model *model, uint32_t token);
/* Tokens to text, as tercet_tokenize would have seen it: the space that was put in front is taken off, bytes that are
 * no UTF-8 become U+FFFD. Same rule for capacity; no NUL is written. */
tercet_status tercet_detokenize(const tercet_model *model, const uint32_t *tokens,
                                size_t token_count, char *text, size_t capacity, size_t *bytes,
                                tercet_error *error);

/* ---------------------------------------------------------------- chat */

#define TERCET_CHAT_SYSTEM 1u
#define TERCET_CHAT_USER 2u
#define TERCET_CHAT_ASSISTANT 3u

typedef struct tercet_chat_message {
    uint32_t role;    /* TERCET_CHAT_* */
    const char *text; /* UTF-8 */
    size_t bytes;
} tercet_chat_message;

#define TERCET_CHAT_NO_THINKING                                                                    \
    1u /* ask for an answer without thinking; only where there is a switch */

typedef struct tercet_chat_info {
    const char *name;    /* "qwen3", "llama3", ... */
    const char *system;  /* system text where the conversation brings none; not NUL-terminated */
    size_t system_bytes; /* 0: none */
    uint32_t thinking_switch; /* 1: TERCET_CHAT_NO_THINKING can be asked for */
    char thinking_begin[65];  /* how an answer marks its thinking; both "": it does not think */
    char thinking_end[65];
    uint32_t stop_count;
    uint32_t stop_tokens[8]; /* an answer ends with these, besides the stop tokens of the model */
} tercet_chat_info;

/* Names of the formats that can be chosen for any model that has their tokens, NULL past the end. */
const char *tercet_chat_format_name(uint32_t index);
/* `format`: one of those names, or NULL for the model's own. NO_CHAT_FORMAT when the model has none, or lacks a token that
 * the format is made of; BAD_ARGUMENT for a name that is not known. `name` and `system` live as long as the model. */
tercet_status tercet_chat_get_info(const tercet_model *model, const char *format,
                                   tercet_chat_info *info, tercet_error *error);
/* Messages to the tokens of a prompt that asks for the assistant's next one, as tercet_tokenize gives tokens. Special tokens
 * come from the format alone: a message that holds their text stays text. The beginning of a longer conversation has the same
 * tokens but for what the format itself drops (thinking) and the end of the prompt: tercet_session_reuse finds them.
 * `where` of an error is the number of the message. */
tercet_status tercet_chat_tokenize(const tercet_model *model, const char *format,
                                   const tercet_chat_message *messages, size_t message_count,
                                   uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
                                   tercet_error *error);

/* ---------------------------------------------------------------- session */

typedef struct tercet_session tercet_session;

typedef struct tercet_sampling {
    uint32_t struct_bytes;
    float temperature; /* 0 = greedy (the highest logit, lowest id on a tie); at most 100 */
    uint32_t top_k;    /* keep the k best; 0 = all */
    float top_p;       /* keep the smallest set with at least this probability; 1 = all; (0, 1] */
    float min_p;       /* drop tokens below min_p x the best probability; 0 = off; [0, 1] */
    float
        repetition_penalty; /* 1 = off; (0, 100]; divides positive, multiplies negative logits of recent tokens */
    uint32_t repetition_window; /* how many recent tokens count; default 64; at most 4096 */
    uint64_t seed;              /* same seed, same text, on every build */
} tercet_sampling;

/* How a session keeps keys and values of earlier tokens. Memory and speed go down the list: int8 takes a quarter of f32 and
 * is read several times as fast, and is the default. int4 takes a little more than half of int8, for a tight budget: it is unpacked
 * to int8 at every token. What each costs in accuracy is measured in docs/decisions.md. */
#define TERCET_KV_DEFAULT 0u
#define TERCET_KV_F32 1u
#define TERCET_KV_F16 2u
#define TERCET_KV_INT8 3u
#define TERCET_KV_INT4 4u

/* Most tokens of one step with automatic speculation. */
#define TERCET_SPECULATION_AUTOMATIC 8u

typedef struct tercet_session_options {
    uint32_t struct_bytes;
    uint32_t
        context;    /* tokens; 0 = what the model was trained for; more than that is BAD_ARGUMENT */
    uint32_t slice; /* most tokens of a prompt computed at once; 0 = 32; at most 512 */
    uint32_t kv;    /* TERCET_KV_* */
    /* Most tokens that one step computes: the one that it returns, and a draft of what may follow it, looked up in the text
     * so far. Later steps that come to the same tokens return at once. The result is the same, bit for bit, only its time
     * differs. 0 = automatic: up to 8 where a draft is likely to pay; 1 = off; at most 16: always as many as are found.
     * A state-space model drafts nothing. */
    uint32_t speculation;
    tercet_sampling sampling;
} tercet_session_options;

/* Sampling defaults of the model, seed 0. */
void tercet_session_options_init(const tercet_model *model, tercet_session_options *options);
/* What a session will allocate, before anything is taken; 0 if the options are out of range. */
uint64_t tercet_session_bytes(const tercet_model *model, const tercet_session_options *options);
/* How much of that is one thread's own: for a host that plans for an engine with more threads than this one. */
uint64_t tercet_session_thread_bytes(const tercet_model *model,
                                     const tercet_session_options *options);
tercet_status tercet_session_create(tercet_model *model, const tercet_session_options *options,
                                    tercet_session **session, tercet_error *error);
/* New sampling options from the next token on; the random stream restarts from seed. */
tercet_status tercet_session_set_sampling(tercet_session *session, const tercet_sampling *sampling,
                                          tercet_error *error);
/* A prompt for an empty session, computed layer by layer while the model arrives (tercet_loader_open) or afterwards; `tokens`
 * are copied. tercet_session_arrive_more then does a part of the work, a slice of tokens through one layer, when its weights
 * are there; *more: there is more to do at once (else: nothing, or nothing before more chunks are given). After the last
 * layer the session has the tokens, without logits: tercet_session_reuse with the whole prompt, then prefill of what that
 * leaves. Same bits as prefill. Takes tercet_session_arriving_bytes until it is done. Reset, reuse and restore end it. PROMPT_TOO_LONG, BAD_TOKEN,
 * UNSUPPORTED for state spaces, OUT_OF_MEMORY, CANCELLED (call again to go on). */
uint64_t tercet_session_arriving_bytes(const tercet_model *model, size_t count);
tercet_status tercet_session_arrive(tercet_session *session, const uint32_t *tokens, size_t count,
                                    tercet_error *error);
tercet_status tercet_session_arrive_more(tercet_session *session, int *more, tercet_error *error);
/* Computes up to one slice of `tokens`; *done says how many were taken (call again with the rest). When all were taken the
 * logits after the last one are in tercet_session_logits; before that there are none. With `logits` not NULL the logits
 * of every taken token are written there too ([*done, vocabulary] f32, room for `slice` rows). OK, CANCELLED (state as
 * before the slice), PROMPT_TOO_LONG (nothing taken), BAD_TOKEN. */
tercet_status tercet_session_prefill(tercet_session *session, const uint32_t *tokens, size_t count,
                                     size_t *done, float *logits, tercet_error *error);
/* Samples the next token from the current logits and computes it. OK: *token is new text. END_OF_TEXT: *token is the
 * stop token, not computed. CONTEXT_FULL: nothing was sampled. CANCELLED: nothing happened. */
tercet_status tercet_session_step(tercet_session *session, uint32_t *token, tercet_error *error);
/* The same in parts, for a host that measures layers by its own clock: the first call samples, each of the next ones computes one layer,
 * the last one the end of the network, which gives the logits. *more: call again; *token is there when it is 0. A token that was
 * drafted and computed already takes one call. Layers can be counted by the calls: the model's, and two more. CANCELLED, and any other
 * use of the session's text before the last part: the step has not been. tercet_session_step in between ends it. */
tercet_status tercet_session_step_part(tercet_session *session, uint32_t *token, int *more,
                                       tercet_error *error);
/* UTF-8 text that the last step completed; half characters are held back for the next one. Text that is not taken is
 * dropped by the next step. `flush` also gives what is held back, as U+FFFD. A space that the tokenizer puts in front of
 * every text is taken off when nothing but control tokens came before. Owned by the session until its next call. */
tercet_status tercet_session_take_text(tercet_session *session, int flush, const char **text,
                                       size_t *bytes);
/* Logits [vocabulary] after the last token; NULL before the first, and between two slices of a prompt. Owned by the
 * session, until its next prefill or step. */
const float *tercet_session_logits(const tercet_session *session);
/* Forgets all but the first `keep` tokens (0: everything); the random stream restarts; logits are gone until the next
 * prefill, and so is a request to cancel. A state-space model can forget everything or nothing: BAD_ARGUMENT, and nothing happens,
 * for a `keep` between. */
tercet_status tercet_session_reset(tercet_session *session, uint32_t keep);
/* As tercet_session_reset, for a text that begins with `tokens`: keeps what the session has of them already, *kept tokens,
 * behind which prefill goes on; the result is that of a fresh session. The last token is not kept, so that its logits
 * can be computed, unless the session holds exactly these tokens and their logits: then *kept is `count`. A state-space model
 * keeps all of its tokens or none. */
tercet_status tercet_session_reuse(tercet_session *session, const uint32_t *tokens, size_t count,
                                   size_t *kept);
/* Other values from now on, at most those that the session was made with; 0 = the session's own slice, speculation = 0 as
 * in the options. For hosts that must not be away for long, and for measuring. */
tercet_status tercet_session_set_slice(tercet_session *session, uint32_t slice,
                                       tercet_error *error);
tercet_status tercet_session_set_speculation(tercet_session *session, uint32_t speculation,
                                             tercet_error *error);
/* Tokens that end a text besides the model's own, from the next step on (a chat format's); at most 8, NULL and 0: none. */
tercet_status tercet_session_set_stop_tokens(tercet_session *session, const uint32_t *tokens,
                                             size_t count, tercet_error *error);
/* The logarithm of the probability that a step's token had, and of the likeliest ones: by the model's logits alone, before the
 * repetition penalty, temperature and every other choice of sampling. */
#define TERCET_LOGPROBS_TOP_MAX 20u
typedef struct tercet_logprobs {
    float chosen;
    uint32_t count;                           /* of the likeliest, best first */
    uint32_t tokens[TERCET_LOGPROBS_TOP_MAX]; /* their ids */
    float values[TERCET_LOGPROBS_TOP_MAX];
} tercet_logprobs;
/* Whether the next steps note them, and how many of the likeliest: 0..TERCET_LOGPROBS_TOP_MAX. */
tercet_status tercet_session_set_logprobs(tercet_session *session, int on, uint32_t top,
                                          tercet_error *error);
/* Of the last step's token; NULL while they are not noted. Owned by the session, until its next step. */
const tercet_logprobs *tercet_session_logprobs(const tercet_session *session);
/* The same for any logits [vocabulary] and a token below it. */
double tercet_log_probability(const float *logits, uint32_t vocabulary, uint32_t token);
/* As tercet_session_prefill without logits, and adds the last hidden state of every token that was taken, as it is behind the
 * final norm, to sums [hidden] in the order of the tokens. sums divided by the number of tokens is their mean: an embedding. */
tercet_status tercet_session_embed(tercet_session *session, const uint32_t *tokens, size_t count,
                                   size_t *done, double *sums, tercet_error *error);

/* ---- a text that goes on in another session
 * The state of a session is its tokens and what the model keeps of them. It has tercet_session_state_bytes bytes, is the same on
 * every build, and is given and taken in parts of any size, so that no host needs room for a second copy. Nothing but the
 * model, the form of the cache and a context that is large enough need be the same in the session that takes it over. Logits, the
 * random stream and options are not part of it: go on with tercet_session_reuse. A host that keeps it guards it with a hash. */
#define TERCET_STATE_HEADER_BYTES 64u
uint64_t tercet_session_state_bytes(const tercet_session *session);
/* Bytes [offset, offset + count) of it; the session must not be used for anything else between the first part and the last. */
tercet_status tercet_session_save(tercet_session *session, uint64_t offset, void *bytes,
                                  uint64_t count, tercet_error *error);
/* The parts in order, from offset 0, which holds the whole header. BAD_STATE or PROMPT_TOO_LONG for the header: the session is as
 * before. From then on its text is gone, and it is empty until the last part came and everything in it was found to be sound;
 * any other use of it ends the restoring. */
tercet_status tercet_session_restore(tercet_session *session, uint64_t offset, const void *bytes,
                                     uint64_t count, tercet_error *error);
/* Which tokens may be sampled from now on, stop tokens included: bit i % 32 of words[i / 32] for token i, `count` words for
 * the whole vocabulary, which are copied. It comes before the sampling options, and what was drafted ahead counts only
 * where it allows it. Stays until the next mask; NULL and 0: every token. A step under a mask that allows no token: BAD_ARGUMENT. */
tercet_status tercet_session_set_mask(tercet_session *session, const uint32_t *words, size_t count,
                                      tercet_error *error);
/* From any thread: the running or next prefill or step returns CANCELLED soon (between two layers), once. */
void tercet_session_cancel(tercet_session *session);
/* Address of the 32-bit flag that tercet_session_cancel sets to 1 (atomically), for hosts whose other threads share memory
 * but cannot call functions, such as the page of a web worker. The word behind it counts the layers that were computed, for a
 * host that wants to know whether a long call is still at work. Valid as long as the session. */
int32_t *tercet_session_cancel_flag(tercet_session *session);

typedef struct tercet_session_info {
    uint32_t tokens;  /* in the context now */
    uint32_t context; /* at most */
    uint32_t slice;
    uint32_t kv;    /* TERCET_KV_* in use, never the default */
    uint64_t bytes; /* taken by this session */
    /* Since the session was made: passes through the network that steps needed, tokens drafted in them, and how many of
     * those were then sampled. */
    uint64_t passes, drafted, accepted;
    uint64_t kept_bytes; /* of `bytes`: the cache of keys and values, or the states */
} tercet_session_info;
void tercet_session_get_info(const tercet_session *session, tercet_session_info *info);
void tercet_session_destroy(tercet_session *session);

#ifdef __cplusplus
}
#endif
#endif
