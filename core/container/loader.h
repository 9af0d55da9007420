/*
 * loader.h: the state machine behind tercet_loader (tercet.h has the contract): prefix, header, then chunks, or data in
 * place. Owns the header bytes and, unless mapped, the data bytes; hands both to the model at the end. Core computes no
 * hashes: the host checks the sha256 of each want.
 */
#ifndef TERCET_LOADER_H
#define TERCET_LOADER_H

#include "container_reader.h"

/* What a finished loader hands over. Owned blocks are freed with the allocator that took them. */
struct loaded_file {
    struct container container;
    uint8_t *header;
    size_t header_bytes;
    const uint8_t *data; /* tensor data: file offset header_bytes is data[0]; aligned to 64 */
    uint64_t data_bytes;
    void *owned_data; /* NULL when mapped by the host */
    tercet_allocator allocator;
};

struct tercet_loader {
    tercet_engine *engine; /* set by api.c, not used by the loader */
    tercet_model *model;   /* likewise: who was lent the file and hears of every chunk; or NULL */
    tercet_allocator allocator;
    tercet_loader_options options;
    enum {
        LOADER_PREFIX,   /* wants the first 64 bytes */
        LOADER_HEADER,   /* header memory is taken; wants the header */
        LOADER_CHUNKS,   /* data memory is taken; wants next_chunk */
        LOADER_PLACE,    /* map_in_place: waits for loader_place */
        LOADER_COMPLETE, /* waits for loader_take */
        LOADER_TAKEN,    /* the model owns the blocks */
        LOADER_FAILED    /* answers only DISABLED */
    } state;
    bool wanted; /* the current want was handed out and not given yet */
    _Alignas(64) uint8_t prefix[PREFIX_BYTES];
    struct container_prefix prefix_values;
    uint32_t next_chunk;
    struct loaded_file file;
    bool lent; /* the blocks are somebody else's; the loader still writes into them */
};

/* Bodies of the public calls; `loader` memory is the caller's (api.c). Any error of want, give, place or take, also a call
 * out of turn, is final: the loader then answers DISABLED. Asking for the same want twice is no error. */
void loader_init(struct tercet_loader *loader, const tercet_allocator *allocator,
                 const tercet_loader_options *options);
/* OK when nothing more is wanted: everything is there, or with map_in_place loader_place comes next. */
tercet_status loader_want(struct tercet_loader *loader, tercet_want *want, tercet_error *error);
tercet_status loader_give(struct tercet_loader *loader, tercet_error *error);
tercet_status loader_place(struct tercet_loader *loader, const void *data, uint64_t bytes,
                           tercet_error *error);
/* BAD_ARGUMENT before the header was given and after the blocks were taken. */
tercet_status loader_file_info(const struct tercet_loader *loader, tercet_file_info *info);
/* Moves the blocks out; the loader keeps none of them. */
tercet_status loader_take(struct tercet_loader *loader, struct loaded_file *file,
                          tercet_error *error);
/* The same as soon as the header was given, not with map_in_place: the loader goes on to want chunks, which end in the blocks
 * that it has lent. It must be released before they are. */
tercet_status loader_lend(struct tercet_loader *loader, struct loaded_file *file,
                          tercet_error *error);
/* Bytes of data that were given. */
uint64_t loader_arrived(const struct tercet_loader *loader);
void loader_release(struct tercet_loader *loader); /* frees what it still owns */
void loaded_file_release(struct loaded_file *file);

#endif
