/*
 * source_file.c: see source_file.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "source_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* folder/name, malloc'ed; NULL when out of memory. */
static char *join_path(const char *folder, const char *name) {
    size_t folder_bytes = strlen(folder), name_bytes = strlen(name);
    char *path = malloc(folder_bytes + name_bytes + 2);
    if (path == NULL) {
        return NULL;
    }
    memcpy(path, folder, folder_bytes);
    path[folder_bytes] = '/';
    memcpy(path + folder_bytes + 1, name, name_bytes + 1);
    return path;
}

bool source_file_exists(const char *folder, const char *name) {
    struct stat info;
    char *path = join_path(folder, name);
    /* A link to nothing is there, too: reading it says what is wrong. So does reading what cannot be looked at. */
    bool exists = path == NULL || lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
    free(path);
    return exists;
}

static bool is_packed_name(const char *name) {
    static const char ending[] = ".tercet";
    size_t bytes = strlen(name), ending_bytes = sizeof ending - 1;
    return bytes >= ending_bytes && strcmp(name + bytes - ending_bytes, ending) == 0;
}

bool source_file_is_at(const char *folder, const char *path) {
    struct stat wanted, info;
    bool found = false;
    if (stat(folder, &info) == 0 && S_ISREG(info.st_mode)) {
        return stat(path, &wanted) == 0 && info.st_dev == wanted.st_dev &&
               info.st_ino == wanted.st_ino;
    }
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return false;
    }
    if (stat(path, &wanted) == 0 && S_ISREG(wanted.st_mode)) {
        for (struct dirent *entry = readdir(listing); entry != NULL && !found;
             entry = readdir(listing)) {
            found = !is_packed_name(entry->d_name) &&
                    fstatat(dirfd(listing), entry->d_name, &info, 0) == 0 &&
                    info.st_dev == wanted.st_dev && info.st_ino == wanted.st_ino;
        }
    }
    (void)closedir(listing);
    return found;
}

static tercet_status read_open_file(FILE *file, const char *name, size_t most_bytes,
                                    uint8_t **bytes, size_t *count, tercet_error *error) {
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        return tercet_fail(error, TERCET_FILE_READ_FAILED, 0, "%s is not a regular file", name);
    }
    if (info.st_size < 0 || (uint64_t)info.st_size > most_bytes) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0,
                           "%s has %llu bytes, more than the %llu that are read", name,
                           (unsigned long long)info.st_size, (unsigned long long)most_bytes);
    }
    size_t size = (size_t)info.st_size;
    uint8_t *block = malloc(size + 1);
    if (block == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the %llu bytes of %s",
                           (unsigned long long)size, name);
    }
    if (fread(block, 1, size, file) != size) {
        free(block);
        return tercet_fail(error, TERCET_FILE_READ_FAILED, 0,
                           "%s ended or failed while it was read", name);
    }
    block[size] = 0;
    *bytes = block;
    *count = size;
    return TERCET_OK;
}

tercet_status source_file_read(const char *folder, const char *name, size_t most_bytes,
                               uint8_t **bytes, size_t *count, tercet_error *error) {
    char *path = join_path(folder, name);
    if (path == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the path of %s", name);
    }
    /* Without O_NONBLOCK a pipe of that name would hang the program. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "rb");
    int reason = errno;
    if (file == NULL && descriptor >= 0) {
        (void)close(descriptor);
    }
    tercet_status status;
    if (file == NULL && (reason == ENOENT || reason == ENOTDIR)) {
        status = tercet_fail(error, TERCET_FILE_NOT_FOUND, 0, "there is no file %s", path);
    } else if (file == NULL) {
        status = tercet_fail(error, TERCET_FILE_READ_FAILED, 0, "%s cannot be opened: %s", path,
                             strerror(reason));
    } else {
        status = read_open_file(file, name, most_bytes, bytes, count, error);
        fclose(file);
    }
    free(path);
    return status;
}
