/*
 * read_npz.h: the weights of a Ternary-Zero folder: one .npz a tensor, either a float `weight` or codes of two bits with a scale
 * for each row and one for all. Its patch_manifest.json says too little to run the network, so config.json and the tokenizer of
 * the model that was patched must lie beside. The arrays are mostly deflated, so they are unpacked once, into a file without
 * a name (in TMPDIR, or /tmp): behind it they are rows that are read in any order, codes in the form that MLX has.
 */
#ifndef TERCET_PACKER_READ_NPZ_H
#define TERCET_PACKER_READ_NPZ_H

#include "source_weights.h"

#define NPZ_FILES_MAX 16384u

/* Whether a folder is one of these: it has a patch_manifest.json and no safetensors. */
bool npz_is(const char *folder);
/* BAD_SOURCE (damaged; names the file), UNSUPPORTED_SOURCE (another content; no config.json), FILE_READ_FAILED,
 * DISK_FULL, FILE_WRITE_FAILED, LIMIT_EXCEEDED, OUT_OF_MEMORY. After a failure there is nothing to close. */
tercet_status npz_open(const char *folder, struct source_weights *source, tercet_error *error);

#endif
