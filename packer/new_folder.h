/*
 * new_folder.h: a folder that is filled file by file. Each file appears only when it is complete (partial_file.h); when one
 * fails, those before it are removed, and the folder too if it was made here. Knows no format.
 */
#ifndef TERCET_PACKER_NEW_FOLDER_H
#define TERCET_PACKER_NEW_FOLDER_H

#include "partial_file.h"

#include <stdbool.h>

enum { NEW_FOLDER_FILES = 8 };

struct new_folder {
    const char *path; /* the caller's; must outlive it */
    bool made;        /* it was not there before */
    const char *names[NEW_FOLDER_FILES];
    int files; /* that are in their place */
    struct partial_file file;
    uint64_t at; /* in the file */
};

/* FILE_WRITE_FAILED for what is there and no empty folder. */
tercet_status new_folder_make(const char *path, struct new_folder *folder, tercet_error *error);
/* One file after the other, each with as many bytes as it will have. A constant name. As partial_file.h. */
tercet_status new_folder_open_file(struct new_folder *folder, const char *name, uint64_t bytes,
                                   tercet_error *error);
tercet_status new_folder_append(struct new_folder *folder, const void *bytes, size_t count,
                                tercet_error *error);
tercet_status new_folder_commit_file(struct new_folder *folder, tercet_error *error);
/* Without `keep`: as if it had never been made. */
void new_folder_close(struct new_folder *folder, bool keep);

#endif
