/*
 * container_layout.h: the constants of the .tercet format: magic, offsets, ids, limits. CONTAINER.md is the text; this is
 * the one home of the numbers, for the reader in core and the writer in packer. No functions, no state.
 */
#ifndef TERCET_CONTAINER_LAYOUT_H
#define TERCET_CONTAINER_LAYOUT_H

#include <stdint.h>

/* All integers little-endian. The file is: prefix (64 bytes), section table, sections, tensor data. */
/* 8 bytes; high bit, CR LF and ^Z catch text-mode damage, as PNG's does. */
#define CONTAINER_MAGIC "\x89TRCT\r\n\x1a"
#define CONTAINER_VERSION 1u
#define CONTAINER_ALIGNMENT 64u /* of the section table, sections, header end, tensors */
/* Tensor data is hashed in chunks of this size, the last one shorter. */
#define CONTAINER_CHUNK_BYTES (1u << 20)
#define CHUNK_HASH_BYTES 32u /* SHA-256 */

/* Prefix. */
#define PREFIX_BYTES 64u
#define PREFIX_AT_MAGIC 0u
#define PREFIX_AT_VERSION 8u        /* u32 */
#define PREFIX_AT_SECTION_COUNT 12u /* u32 */
#define PREFIX_AT_HEADER_BYTES 16u  /* u64, multiple of 64: prefix + table + sections */
#define PREFIX_AT_FILE_BYTES 24u    /* u64 */
#define PREFIX_AT_SHA256 32u /* of bytes [0, 32) followed by [64, header_bytes): the model id */

/* Section table at 64: section_count entries, ids strictly rising. Sections follow in that order, each at the next
 * multiple of 64, gaps zero; header_bytes is the end of the last one padded to 64. */
#define SECTION_ENTRY_BYTES 24u
#define SECTION_AT_ID 0u     /* u32 */
#define SECTION_AT_FLAGS 4u  /* u32 */
#define SECTION_AT_OFFSET 8u /* u64 */
#define SECTION_AT_BYTES 16u /* u64 */
/* A reader that does not know the id must refuse the file; other flag bits are 0. */
#define SECTION_FLAG_REQUIRED 1u

#define SECTION_CONFIG 1u    /* required */
#define SECTION_ROPE 2u      /* required */
#define SECTION_TENSORS 3u   /* required */
#define SECTION_CHUNKS 4u    /* required: SHA-256 (32 bytes) of every chunk of tensor data */
#define SECTION_TOKENIZER 5u /* required */
#define SECTION_CHAT 6u      /* optional */
#define SECTION_ABOUT 7u     /* optional */

/* CONFIG: exactly 128 bytes. */
#define CONFIG_BYTES 128u
#define CONFIG_AT_FAMILY 0u
#define CONFIG_AT_FLAGS 4u
#define CONFIG_AT_LAYERS 8u
#define CONFIG_AT_HIDDEN 12u
#define CONFIG_AT_INNER 16u /* FFN width */
#define CONFIG_AT_HEADS 20u
#define CONFIG_AT_KV_HEADS 24u /* divides heads */
#define CONFIG_AT_HEAD_DIM 28u /* even where heads are rotated */
#define CONFIG_AT_VOCABULARY 32u
#define CONFIG_AT_CONTEXT 36u
#define CONFIG_AT_ACTIVATION 40u
/* 8: int8 per token in front of every ternary and int8 matrix of a layer; 32: float. */
#define CONFIG_AT_ACTIVATION_BITS 44u
#define CONFIG_AT_NORM_EPSILON 48u /* f32 > 0 */
#define CONFIG_AT_TEMPERATURE 52u  /* f32, sampling default */
#define CONFIG_AT_TOP_K 56u        /* u32, 0 = all */
#define CONFIG_AT_TOP_P 60u        /* f32 */
#define CONFIG_AT_MIN_P 64u        /* f32 */
#define CONFIG_AT_STOP_COUNT 68u   /* u32, 0..8 */
#define CONFIG_AT_STOP_TOKENS 72u  /* u32[8], unused ones 0xFFFFFFFF */
/* f32 > 0 with LINEAR_NORMS, else zero */
#define CONFIG_AT_LINEAR_NORM_EPSILON 104u
#define CONFIG_AT_RESERVED 108u /* to the end: zero */
#define CONFIG_STOP_TOKENS_MAX 8u

#define FAMILY_LLAMA 1u
#define FAMILY_BITNET 2u
#define FAMILY_GPT2 3u
#define FAMILY_QWEN3 4u
#define FAMILY_TERNARYLM 5u
#define FAMILY_BITMAMBA2 6u
#define FAMILY_LAST FAMILY_BITMAMBA2
#define CONFIG_FLAG_TIED_HEAD 1u        /* no HEAD tensor: logits from EMBEDDING */
#define CONFIG_FLAG_SUB_NORMS 2u        /* ATTENTION_SUB_NORM before O, FFN_SUB_NORM before DOWN */
#define CONFIG_FLAG_ROPE_INTERLEAVED 4u /* pairs (2p, 2p+1) instead of (p, p + head_dim/2) */
#define CONFIG_FLAG_LAYER_NORMS                                                                    \
    8u /* layer norms with a bias in place of RMS norms; sub-norms stay */
/* POSITION_EMBEDDING is added to the embedding; no rotation */
#define CONFIG_FLAG_LEARNED_POSITIONS 16u
#define CONFIG_FLAG_QKV_BIASES 32u /* Q_BIAS, K_BIAS, V_BIAS */
#define CONFIG_FLAG_O_BIAS 64u
#define CONFIG_FLAG_FFN_BIASES 128u /* GATE_BIAS (with a gate), UP_BIAS, DOWN_BIAS */
#define CONFIG_FLAG_QK_NORMS 256u   /* RMS norms of each head of q and k, before the rotation */
#define CONFIG_FLAG_HEAD_BIAS 512u  /* HEAD_BIAS */
/* Layers are MIXER_* in place of attention and feed-forward part; nothing is rotated. */
#define CONFIG_FLAG_STATE_SPACE 1024u
#define CONFIG_FLAG_HEAD_NORM 2048u /* HEAD_NORM: a second norm in front of the head */
/* int8 activations: 1e-5 is added to the largest magnitude, else it is its least value. */
#define CONFIG_FLAG_ADDED_FLOOR 4096u
/* *_IN_NORM: RMS norms in front of each matrix of a layer, with linear_norm_epsilon. */
#define CONFIG_FLAG_LINEAR_NORMS 8192u
#define CONFIG_FLAGS_ALL 16383u
/* Which of them leave the heads as they are. */
#define CONFIG_FLAGS_UNROTATED (CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_STATE_SPACE)
#define ACTIVATION_SILU 1u  /* silu(gate) * up */
#define ACTIVATION_RELU2 2u /* relu(gate)^2 * up */
#define ACTIVATION_GELU 3u  /* gelu_new(up): no gate */
#define ACTIVATION_LAST ACTIVATION_GELU

/* ROPE: u32 count, u32 0, f64 scale (multiplies cos and sin; YaRN's attention factor, else 1), f64 frequency[count]:
 * radians per position of each pair; count = head_dim / 2, or 0 with scale 1 where nothing is rotated. Scaling rules (llama3,
 * YaRN, linear) are applied by the packer. */
#define ROPE_AT_COUNT 0u
#define ROPE_AT_RESERVED 4u
#define ROPE_AT_SCALE 8u
#define ROPE_AT_FREQUENCIES 16u

/* TENSORS: u32 count, u32 0, then entries; (stage, role) strictly rising, which is the order of a forward pass. Data is
 * contiguous: the first tensor at header_bytes, each next one at the end of the one before, the last ends the file. */
#define TENSORS_AT_COUNT 0u
#define TENSORS_AT_RESERVED 4u
#define TENSORS_AT_ENTRIES 8u
#define TENSOR_ENTRY_BYTES 48u
#define TENSOR_AT_STAGE 0u    /* u32: 0 input, 1 + layer, 1 + layers = output */
#define TENSOR_AT_ROLE 4u     /* u32 */
#define TENSOR_AT_TYPE 8u     /* u32 */
#define TENSOR_AT_SCALE 12u   /* u32 */
#define TENSOR_AT_ROWS 16u    /* u32, logical; 1 for a vector */
#define TENSOR_AT_COLUMNS 20u /* u32, logical */
#define TENSOR_AT_OFFSET 24u  /* u64, in the file */
/* An u64: exactly what type, scale and shape give (container_tensor_bytes). */
#define TENSOR_AT_BYTES 32u
#define TENSOR_AT_RESERVED 40u /* to the end: zero */

#define ROLE_EMBEDDING 1u
#define ROLE_POSITION_EMBEDDING 2u
#define ROLE_ATTENTION_NORM 16u
#define ROLE_Q 17u
#define ROLE_K 18u
#define ROLE_V 19u
#define ROLE_Q_BIAS 20u
#define ROLE_K_BIAS 21u
#define ROLE_V_BIAS 22u
#define ROLE_ATTENTION_SUB_NORM 24u
#define ROLE_O 25u
#define ROLE_O_BIAS 26u
#define ROLE_ATTENTION_NORM_BIAS 27u
#define ROLE_Q_NORM 28u
#define ROLE_K_NORM 29u
#define ROLE_FFN_NORM 32u
#define ROLE_GATE 33u
#define ROLE_UP 34u
#define ROLE_FFN_SUB_NORM 35u
#define ROLE_DOWN 36u
#define ROLE_FFN_NORM_BIAS 37u
#define ROLE_GATE_BIAS 38u
#define ROLE_UP_BIAS 39u
#define ROLE_DOWN_BIAS 40u
#define ROLE_MIXER_NORM 48u
#define ROLE_MIXER_IN 49u        /* [2 inner + 3 heads, hidden]: z, x, B, C, steps */
#define ROLE_MIXER_CONV 50u      /* [STATE_SPACE_TAPS, inner], floats, the earliest token first */
#define ROLE_MIXER_CONV_BIAS 51u /* [inner] */
#define ROLE_MIXER_STEP_BIAS 52u /* [heads] */
#define ROLE_MIXER_LOG_RATE 53u  /* [heads] */
#define ROLE_MIXER_SKIP 54u      /* [inner] */
#define ROLE_MIXER_OUT_NORM 55u  /* [inner] */
#define ROLE_MIXER_OUT 56u       /* [hidden, inner] */
#define ROLE_Q_IN_NORM 57u
#define ROLE_K_IN_NORM 58u
#define ROLE_V_IN_NORM 59u
#define ROLE_O_IN_NORM 60u
#define ROLE_GATE_IN_NORM 61u
#define ROLE_UP_IN_NORM 62u
#define ROLE_DOWN_IN_NORM 63u
#define STATE_SPACE_TAPS 4u
#define ROLE_OUTPUT_NORM 64u
#define ROLE_HEAD 65u
#define ROLE_OUTPUT_NORM_BIAS 66u
#define ROLE_HEAD_BIAS 67u
#define ROLE_HEAD_NORM 68u

/* Types. f32, f16: row-major, no padding between rows, zero padding to 64 at the end.
 * int8 and ternary: strips of 16 rows, rows and columns padded to 16 (padding means weight 0), tiles as in
 * kernels/ternary_tile.h; scales follow the codes at the next multiple of 64; zero padding to 64 at the end. */
#define TENSOR_F32 1u
#define TENSOR_F16 2u
#define TENSOR_INT8 3u
#define TENSOR_TERNARY 4u

/* Scales. none: f32, f16. row: int8 and ternary, f32[padded rows], 0 in padding. tensor: ternary, one f32.
 * group: ternary, f16[strip][group][16]: 16 contiguous values a strip and group of 64 or 128 columns (last one may be
 * short), 0 in padding rows. */
#define SCALE_NONE 0u
#define SCALE_TENSOR 1u
#define SCALE_ROW 2u
#define SCALE_GROUP64 3u
#define SCALE_GROUP128 4u

/* TOKENIZER: 64-byte head, then the arrays in this order without gaps. */
#define TOKENIZER_HEAD_BYTES 64u
#define TOKENIZER_AT_KIND 0u
#define TOKENIZER_AT_SPLITTER 4u
#define TOKENIZER_AT_FLAGS 8u
#define TOKENIZER_AT_TOKEN_COUNT 12u /* at most the model's vocabulary */
#define TOKENIZER_AT_SORTED_COUNT 16u
#define TOKENIZER_AT_MERGE_COUNT 20u
#define TOKENIZER_AT_SPECIAL_COUNT 24u
#define TOKENIZER_AT_TEXT_BYTES 28u
#define TOKENIZER_AT_BEGINNING 32u /* token or 0xFFFFFFFF */
#define TOKENIZER_AT_UNKNOWN 36u   /* token or 0xFFFFFFFF */
#define TOKENIZER_AT_RESERVED 40u  /* to 63: zero */
/* Arrays:
 *   u32 text_offsets[token_count + 1]  not falling, first 0, last text_bytes: the raw bytes of each token (byte-level
 *                                      characters mapped back to bytes; U+2581 of SentencePiece stored as a space)
 *   u32 sorted[sorted_count]           ids of the tokens that text can match, strictly rising by bytes (memcmp, shorter first)
 *   u32 byte_tokens[256]               token of each single byte, or 0xFFFFFFFF
 *   u32 merges[merge_count][4]         left, right, rank, result; strictly rising by (left, right); lowest rank first,
 *                                      leftmost on a tie; text(result) = text(left) text(right)
 *   u32 specials[special_count]        tokens recognised in text before anything else; longest first, then rising id
 *   u8  kinds[token_count]             TOKEN_*, zero padding to a multiple of 4
 *   u8  text[text_bytes] */
#define TOKENIZER_BYTE_BPE 1u
#define TOKENIZER_SENTENCEPIECE 2u
#define TOKENIZER_WORDPIECE 3u /* no merges; words have a space in front, what goes on has none */
#define SPLITTER_NONE 0u
#define SPLITTER_GPT2 1u
#define SPLITTER_LLAMA3 2u
#define SPLITTER_QWEN2 3u
#define TOKENIZER_FLAG_ADD_BEGINNING 1u
/* A space in front of the text (SentencePiece), taken off by detokenize. */
#define TOKENIZER_FLAG_ADD_PREFIX_SPACE 2u
/* Characters not in the vocabulary become byte tokens, else UNKNOWN. */
#define TOKENIZER_FLAG_BYTE_FALLBACK 4u
#define TOKENIZER_FLAG_IGNORE_MERGES 8u /* a piece that is a token is taken whole (Llama-3) */
/* Where ADD_PREFIX_SPACE puts its space: in front of the part of the text that begins it; with EVERY_PART in front of every
 * part between special tokens; with IF_MISSING only where the part does not begin with a space itself. */
#define TOKENIZER_FLAG_PREFIX_EVERY_PART 16u
#define TOKENIZER_FLAG_PREFIX_IF_MISSING 32u
#define TOKENIZER_FLAG_NFC 64u /* text is put into Unicode's normal form C first */
#define TOKENIZER_FLAGS_ALL 127u
#define TOKEN_NORMAL 1u
#define TOKEN_UNKNOWN 2u
#define TOKEN_CONTROL 3u /* has no text when decoded */
#define TOKEN_USER_DEFINED 4u
#define TOKEN_UNUSED 5u
#define TOKEN_BYTE 6u /* text is that one byte; not in `sorted` */

/* CHAT: 128-byte head, then u32 segments[segment_count][2], name, default system text, and the texts of the segments. */
#define CHAT_HEAD_BYTES 128u
#define CHAT_AT_FLAGS 0u
#define CHAT_AT_NAME_BYTES 4u   /* with its final NUL */
#define CHAT_AT_SYSTEM_BYTES 8u /* 0: no default system text */
#define CHAT_AT_STOP_COUNT 12u
#define CHAT_AT_STOP_TOKENS 16u /* u32[8], unused ones 0xFFFFFFFF */
#define CHAT_AT_SEGMENT_COUNT 48u
#define CHAT_AT_TEXT_BYTES 52u
#define CHAT_AT_PART_ENDS 56u /* u32[CHAT_PARTS]: where the segments of each part end */
#define CHAT_AT_RESERVED 100u /* to the end: zero */
#define CHAT_STOP_TOKENS_MAX 8u
/* Parts: what a rendered conversation is put together from. A segment is a token, or none and a number of bytes of text. */
#define CHAT_PART_BEGINNING 0u /* once, in front of everything */
#define CHAT_PART_SYSTEM_BEFORE 1u
#define CHAT_PART_SYSTEM_AFTER 2u
#define CHAT_PART_USER_BEFORE 3u
#define CHAT_PART_USER_AFTER 4u
#define CHAT_PART_ASSISTANT_BEFORE 5u
#define CHAT_PART_ASSISTANT_AFTER 6u
#define CHAT_PART_ANSWER 7u      /* at the end: the answer follows */
#define CHAT_PART_NO_THINKING 8u /* behind ANSWER when thinking is switched off; empty: no switch */
#define CHAT_PART_THINKING_BEGIN                                                                   \
    9u /* how an answer begins and ends its thinking; empty: it does not think */
#define CHAT_PART_THINKING_END 10u
#define CHAT_PARTS 11u
#define CHAT_SEGMENT_FIELDS 2u /* token or 0xFFFFFFFF; bytes of text, 0 for a token */
#define CHAT_FLAG_TRIM 1u      /* white space at both ends of a message is dropped */
/* Of an earlier answer what stands up to the last THINKING_END is dropped, and the newlines behind it. */
#define CHAT_FLAG_DROP_THINKING 2u
#define CHAT_FLAGS_ALL 3u

/* ABOUT: u32 name_bytes, licence_bytes, source_bytes, 0; then the three UTF-8 strings, each with a final NUL that its
 * length counts. */
#define ABOUT_AT_NAME_BYTES 0u
#define ABOUT_AT_LICENCE_BYTES 4u
#define ABOUT_AT_SOURCE_BYTES 8u
#define ABOUT_AT_RESERVED 12u
#define ABOUT_HEAD_BYTES 16u
#define ABOUT_STRING_BYTES_MAX 4096u

/* Limits. A reader refuses more with LIMIT_EXCEEDED; they bound every allocation before it is made. */
#define LIMIT_HEADER_BYTES (64u << 20)
#define LIMIT_FILE_BYTES ((uint64_t)1 << 40)
#define LIMIT_SECTIONS 32u
#define LIMIT_LAYERS 256u
#define LIMIT_HIDDEN 65536u
#define LIMIT_INNER 262144u
#define LIMIT_HEADS 1024u
#define LIMIT_HEAD_DIM 1024u
#define LIMIT_ATTENTION_WIDTH 131072u /* heads * head_dim */
#define LIMIT_VOCABULARY (1u << 20)
#define LIMIT_CONTEXT (1u << 20)
#define LIMIT_TENSORS 16384u
/* Columns of an int8 matrix: 131072 * 128 * 127 < 2^31, so its sums stay exact in 32 bits. */
#define LIMIT_INT8_COLUMNS 131072u
#define LIMIT_MERGES (1u << 22)
#define LIMIT_SPECIALS 65536u
#define LIMIT_TOKEN_TEXT_BYTES (32u << 20)
#define LIMIT_TOKEN_BYTES 1024u /* one token's text */
#define LIMIT_CHAT_NAME_BYTES 32u
#define LIMIT_CHAT_SYSTEM_BYTES 65536u
#define LIMIT_CHAT_SEGMENTS 256u
#define LIMIT_CHAT_TEXT_BYTES 65536u
#define LIMIT_CHAT_THINKING_BYTES 64u /* of what marks the begin, and the end */
/* Ranges of the floats. Positive ones begin at the least normal f32. A frequency times the last position must stay within
 * the range of math_sincos: LIMIT_CONTEXT * 128 = 2^27. */
#define LEAST_POSITIVE_F32 0x1p-126f
#define LIMIT_NORM_EPSILON 1.0f
#define LIMIT_TEMPERATURE 100.0f
#define LIMIT_ROPE_SCALE 128.0
#define LIMIT_ROPE_FREQUENCY 128.0

#endif
