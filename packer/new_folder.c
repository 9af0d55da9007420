/*
 * new_folder.c: see new_folder.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "new_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_empty_folder(const char *path) {
    DIR *folder = opendir(path);
    bool empty = folder != NULL;
    for (struct dirent *entry = empty ? readdir(folder) : NULL; entry != NULL && empty;
         entry = readdir(folder)) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return empty;
}

tercet_status new_folder_make(const char *path, struct new_folder *folder, tercet_error *error) {
    memset(folder, 0, sizeof *folder);
    folder->path = path;
    folder->file.descriptor = -1;
    folder->made = mkdir(path, 0777) == 0;
    if (folder->made || (errno == EEXIST && is_empty_folder(path))) {
        return TERCET_OK;
    }
    return errno == EEXIST || errno == ENOTDIR
               ? tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0,
                             "it is there and no empty folder: choose a new one")
               : tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0, "%s", strerror(errno));
}

/* malloc'ed; NULL without memory. */
static char *join_path(const struct new_folder *folder, const char *name) {
    size_t room = strlen(folder->path) + strlen(name) + 2;
    char *path = malloc(room);
    if (path != NULL) {
        (void)snprintf(path, room, "%s/%s", folder->path, name);
    }
    return path;
}

tercet_status new_folder_open_file(struct new_folder *folder, const char *name, uint64_t bytes,
                                   tercet_error *error) {
    char *path = join_path(folder, name);
    if (path == NULL || folder->files == NEW_FOLDER_FILES) {
        free(path);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no room for another file");
    }
    folder->names[folder->files] = name;
    folder->at = 0;
    tercet_status status = partial_file_open(path, bytes, &folder->file, error);
    free(path);
    return status;
}

tercet_status new_folder_append(struct new_folder *folder, const void *bytes, size_t count,
                                tercet_error *error) {
    TERCET_TRY(partial_file_write(&folder->file, folder->at, bytes, count, error));
    folder->at += count;
    return TERCET_OK;
}

tercet_status new_folder_commit_file(struct new_folder *folder, tercet_error *error) {
    TERCET_TRY(partial_file_commit(&folder->file, error));
    folder->files++;
    return TERCET_OK;
}

void new_folder_close(struct new_folder *folder, bool keep) {
    if (keep) {
        return;
    }
    partial_file_discard(&folder->file);
    for (int i = 0; i < folder->files; i++) {
        char *path = join_path(folder, folder->names[i]);
        if (path != NULL) {
            (void)unlink(path);
        }
        free(path);
    }
    if (folder->made) {
        (void)rmdir(folder->path);
    }
}
