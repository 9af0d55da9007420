/*
 * output_file.c: see output_file.h. One file at a time: the signal handler knows one name.
 */
#define _GNU_SOURCE 1 /* mkostemps, fsync */
#include "output_file.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the handler removes; set once the file exists, cleared when it has its name or is gone. */
static const char *volatile unfinished;

static void remove_unfinished(int signal_number) {
    const char *path = unfinished;
    if (path != NULL) {
        (void)unlink(path);
    }
    (void)raise(signal_number); /* SA_RESETHAND: now with the default action */
}

static void watch_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = remove_unfinished;
    action.sa_flags = (int)SA_RESETHAND;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

static tercet_status fail_open(struct output_file *file, tercet_error *error) {
    int number = errno;
    free(file->temporary);
    file->temporary = NULL;
    return set_error_from_errno(error, number, TERCET_FILE_WRITE_FAILED);
}

tercet_status output_file_open(struct output_file *file, const char *path, tercet_error *error) {
    struct stat status;
    memset(file, 0, sizeof *file);
    file->path = path;
    if (strcmp(path, "-") == 0) {
        file->stream = stdout;
        return TERCET_OK;
    }
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return set_error(error, TERCET_FILE_WRITE_FAILED, 0, "it is a folder: name a file in it");
    }
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        file->stream = fopen(path, "we"); /* /dev/null, a pipe: nothing to rename */
        return file->stream != NULL ? TERCET_OK : fail_open(file, error);
    }
    size_t capacity = strlen(path) + sizeof ".XXXXXX.part";
    file->temporary = malloc(capacity);
    if (file->temporary == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the name of the temporary file");
    }
    (void)snprintf(file->temporary, capacity, "%s.XXXXXX.part", path);
    int descriptor = mkostemps(file->temporary, (int)strlen(".part"), O_CLOEXEC);
    if (descriptor < 0) {
        return fail_open(file, error);
    }
    unfinished = file->temporary;
    watch_signals();
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(descriptor, 0666 & ~mask); /* mkostemps gives 0600 */
    file->stream = fdopen(descriptor, "w");
    if (file->stream == NULL) {
        int number = errno;
        (void)close(descriptor);
        output_file_drop(file);
        return set_error_from_errno(error, number, TERCET_FILE_WRITE_FAILED);
    }
    return TERCET_OK;
}

tercet_status output_file_write(struct output_file *file, const void *bytes, size_t count,
                                tercet_error *error) {
    errno = 0;
    return fwrite(bytes, 1, count, file->stream) == count
               ? TERCET_OK
               : set_error_from_errno(error, errno, TERCET_FILE_WRITE_FAILED);
}

tercet_status output_file_commit(struct output_file *file, tercet_error *error) {
    bool written = fflush(file->stream) == 0 && ferror(file->stream) == 0;
    if (written && file->temporary != NULL) {
        written = fsync(fileno(file->stream)) == 0;
    }
    int number = errno;
    if (file->stream != stdout) {
        if (fclose(file->stream) != 0 && written) {
            written = false;
            number = errno;
        }
    }
    file->stream = NULL;
    if (written && file->temporary != NULL) {
        written = rename(file->temporary, file->path) == 0;
        number = errno;
    }
    if (!written) {
        output_file_drop(file);
        return set_error_from_errno(error, number, TERCET_FILE_WRITE_FAILED);
    }
    unfinished = NULL;
    free(file->temporary);
    file->temporary = NULL;
    return TERCET_OK;
}

void output_file_drop(struct output_file *file) {
    if (file->stream != NULL && file->stream != stdout) {
        (void)fclose(file->stream);
    }
    file->stream = NULL;
    if (file->temporary != NULL) {
        (void)unlink(file->temporary);
        unfinished = NULL;
        free(file->temporary);
        file->temporary = NULL;
    }
}
