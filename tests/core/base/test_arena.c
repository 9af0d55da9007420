/* test_arena.c - two passes over one layout, alignment, and every overflow. */
#include "base/arena.h"
#include "check.h"

static void layout(struct arena *arena, void *pieces[4]) {
    pieces[0] = arena_take(arena, 3, 1);
    pieces[1] = arena_take(arena, 10, 8);
    pieces[2] = arena_take(arena, 0, 8);
    pieces[3] = arena_take(arena, 64, 1);
}

static void counts_then_cuts(void) {
    void *pieces[4];
    struct arena counting = {0};
    layout(&counting, pieces);
    CHECK_EQ(counting.used, 64 + 128 + 0 + 64);
    CHECK(pieces[0] == NULL && pieces[3] == NULL);

    tercet_allocator allocator = arena_default_allocator();
    uint8_t *block = allocator_take(&allocator, counting.used);
    REQUIRE(block != NULL);
    struct arena arena = {.memory = block, .capacity = counting.used};
    layout(&arena, pieces);
    CHECK(!arena.overflow);
    for (int i = 0; i < 4; i++)
        CHECK_EQ((uintptr_t)pieces[i] % 64, 0);
    CHECK((uint8_t *)pieces[1] == block + 64);
    CHECK((uint8_t *)pieces[3] == block + 192);
    CHECK(arena_take(&arena, 1, 1) == NULL);
    CHECK(arena.overflow);
    CHECK(arena_take(&arena, 0, 1) == NULL); /* sticky */
    allocator_give(&allocator, block, counting.used);
}

static void refuses_overflow(void) {
    struct arena product = {0};
    arena_take(&product, UINT64_MAX / 2, 3);
    CHECK(product.overflow);
    struct arena padding = {0};
    arena_take(&padding, UINT64_MAX - 3, 1);
    CHECK(padding.overflow);
    struct arena sum = {0};
    arena_take(&sum, UINT64_MAX / 2, 1);
    arena_take(&sum, UINT64_MAX / 2, 1);
    CHECK(sum.overflow);
    tercet_allocator allocator = arena_default_allocator();
    CHECK(allocator_take(&allocator, 0) == NULL);
    CHECK(allocator_take(&allocator, UINT64_MAX) == NULL);
    CHECK(allocator.alloc(allocator.opaque, SIZE_MAX) == NULL);
    allocator_give(&allocator, NULL, 10);
}

int main(void) {
    counts_then_cuts();
    refuses_overflow();
    return check_done();
}
