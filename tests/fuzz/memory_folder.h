/*
 * memory_folder.h: the folder of a model for fuzz targets, out of the fuzzer's bytes: linked in place of the packer's
 * source_file.c and source_shard.c, so that its readers run as they are and no file is touched.
 *
 * The bytes are files one after the other, each behind a mark: "@@@A" begins the file with the first of the target's names,
 * "@@@B" that with the second. "@@@C+500:" says that 500 zero bytes stand behind the file's own, as the tensors would;
 * "@@@C#500:" that besides its length stands in front, as in safetensors. Of two files of one name the first counts.
 */
#ifndef TERCET_TESTS_FUZZ_MEMORY_FOLDER_H
#define TERCET_TESTS_FUZZ_MEMORY_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_FOLDER "fuzz" /* the path to give; any other has the same files */
#define MEMORY_FOLDER_FILES_MAX 8u
#define MEMORY_FOLDER_ZEROS_MAX (1u << 20) /* what is announced beyond is not there */

/* From now on the files are these. `names` and `data` must outlive the reading. */
void memory_folder_fill(const char *const *names, size_t name_count, const uint8_t *data,
                        size_t size);
/* The same with one file, which is all of the bytes. */
void memory_folder_fill_one(const char *name, const uint8_t *data, size_t size);
/* How many shards are open: none when a target is done. */
int memory_folder_open_shards(void);

#endif
