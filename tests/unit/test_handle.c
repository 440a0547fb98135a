/* SPDX-License-Identifier: MIT
 *
 * The handle table: what pins, what is stale, what is reused and when, with many threads and across a fork.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/handle.h"
#include "support/check.h"

#define ANY (~1u)
#define KIND(kind) (1u << HJ_KIND_##kind)

enum {
    CHUNK = 4096 /* as many slots are given out before the first one is given out again */
};

/* The only part of a handle that tests look into: a number in a pointer's shape. */
#define NUMBER(handle) ((uint64_t)(uintptr_t)(handle))
#define HANDLE(number) ((void *)(uintptr_t)(number))
#define KIND_BITS 0xf000000000000000u
#define INDEX_BITS 0x00000000ffffffffu
#define GENERATION_ONE 0x0000000100000000u

static _Atomic int destroyed;

static void destroy(struct hj_object *object)
{
    atomic_fetch_add(&destroyed, 1);
    free(object);
}

/* The handle keeps the only reference. */
static void *make(enum hj_kind kind)
{
    struct hj_object *object = calloc(1, sizeof(*object));
    hj_object_init(object, kind, destroy);
    if (hj_handle_new(object) != 0) {
        hj_object_unref(object);
        return NULL;
    }
    void *handle = object->handle;
    hj_object_unref(object);
    return handle;
}

static int end(const void *handle)
{
    struct hj_object *object;
    if (hj_handle_pin(&object, handle, ANY) != 0)
        return 0;
    int mine = hj_handle_kill(handle);
    hj_handle_unpin(handle);
    return mine;
}

static int reset(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    return 0;
}

static void a_pin_gives_the_object(void **state)
{
    (void)state;
    struct hj_object *object = calloc(1, sizeof(*object)), *pinned = NULL;
    hj_object_init(object, HJ_KIND_STREAM, destroy);
    CODE(hj_handle_new(object), 0);
    assert_non_null(object->handle);
    assert_int_equal(atomic_load(&object->refs), 2);
    CODE(hj_handle_pin(&pinned, object->handle, KIND(STREAM)), 0);
    assert_ptr_equal(pinned, object);
    assert_true(hj_handle_alive(object->handle));
    hj_handle_unpin(object->handle);
    CHECK(end(object->handle));
    assert_false(hj_handle_alive(object->handle));
    assert_int_equal(atomic_load(&destroyed), 0); /* the reference of this test is left */
    hj_object_unref(object);
    assert_int_equal(atomic_load(&destroyed), 1);
}

static void only_the_kinds_asked_for(void **state)
{
    (void)state;
    for (int kind = HJ_KIND_QUEUE; kind <= HJ_KIND_BROADCASTER; ++kind) {
        struct hj_object *object = NULL;
        void *handle = make((enum hj_kind)kind);
        for (int other = HJ_KIND_QUEUE; other <= HJ_KIND_BROADCASTER; ++other) {
            if (other != kind)
                CODE(hj_handle_pin(&object, handle, 1u << other), HIJACK_EHANDLE);
        }
        CODE(hj_handle_pin(&object, handle, ANY & ~(1u << kind)), HIJACK_EHANDLE);
        CODE(hj_handle_pin(&object, handle, 0), HIJACK_EHANDLE);
        assert_null(object);
        CODE(hj_handle_pin(&object, handle, 1u << kind | KIND(QUEUE)), 0);
        assert_int_equal(object->kind, kind);
        hj_handle_unpin(handle);
        CHECK(end(handle));
    }
}

static void a_killed_one_lives_until_the_last_pin(void **state)
{
    (void)state;
    struct hj_object *object = NULL, *untouched = NULL;
    void *handle = make(HJ_KIND_SOCKET);
    CODE(hj_handle_pin(&object, handle, ANY), 0);
    CODE(hj_handle_pin(&object, handle, ANY), 0);
    CHECK(hj_handle_kill(handle));
    CHECK(!hj_handle_kill(handle)); /* one caller only has ended it */
    assert_false(hj_handle_alive(handle));
    CODE(hj_handle_pin(&untouched, handle, ANY), HIJACK_EHANDLE);
    assert_null(untouched);
    hj_handle_unpin(handle);
    assert_int_equal(atomic_load(&destroyed), 0);
    assert_ptr_equal(object->handle, handle);
    hj_handle_unpin(handle);
    assert_int_equal(atomic_load(&destroyed), 1);
    CODE(hj_handle_pin(&untouched, handle, ANY), HIJACK_EHANDLE);
}

static void discarding_ends_it(void **state)
{
    (void)state;
    void *handle = make(HJ_KIND_REQUEST);
    hj_handle_discard(handle);
    assert_int_equal(atomic_load(&destroyed), 1);
    assert_false(hj_handle_alive(handle));
    hj_handle_discard(handle);
    hj_handle_discard(NULL);
    assert_int_equal(atomic_load(&destroyed), 1);
}

static void check_stale(const void *handle)
{
    struct hj_object *object = NULL;
    CODE(hj_handle_pin(&object, handle, UINT32_MAX), HIJACK_EHANDLE);
    assert_null(object);
    assert_false(hj_handle_alive(handle));
    hj_handle_discard(handle);
}

/* Numbers that are no handle, and near misses of one that is. */
static void any_number_is_checked(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {1, 2, 4095, 4096, 16777215, 16777216, UINT32_MAX, KIND_BITS, UINT64_MAX};
    int on_the_stack;
    check_stale(NULL);
    check_stale(&on_the_stack);
    check_stale(&destroyed);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i)
        check_stale(HANDLE(numbers[i]));
    void *handle = make(HJ_KIND_QUEUE);
    uint64_t number = NUMBER(handle);
    check_stale(HANDLE(number + GENERATION_ONE));
    check_stale(HANDLE(number - GENERATION_ONE));
    check_stale(HANDLE(number & ~INDEX_BITS));
    check_stale(HANDLE(number & INDEX_BITS));
    check_stale(HANDLE(number | INDEX_BITS));
    assert_true(hj_handle_alive(handle));
    CHECK(end(handle));
}

/* No slot is given out again while the first chunk is not used up, and then the oldest comes first; each time the
 * handle is another. Run first: the table of this process is new. */
static void slots_are_reused_oldest_first(void **state)
{
    (void)state;
    enum {
        COUNT = CHUNK + 904
    };
    uint64_t *numbers = calloc(COUNT, sizeof(*numbers));
    for (int i = 0; i < COUNT; ++i) {
        void *handle = make(HJ_KIND_STREAM);
        assert_non_null(handle);
        numbers[i] = NUMBER(handle);
        CHECK(end(handle));
    }
    assert_int_equal(atomic_load(&destroyed), COUNT);
    for (int i = 1; i < CHUNK; ++i)
        assert_true((numbers[i] & INDEX_BITS) > (numbers[i - 1] & INDEX_BITS));
    for (int i = CHUNK; i < COUNT; ++i) {
        assert_int_equal(numbers[i] & INDEX_BITS, numbers[i - CHUNK] & INDEX_BITS);
        assert_true(numbers[i] == numbers[i - CHUNK] + GENERATION_ONE);
    }
    for (int i = 0; i < COUNT; ++i)
        check_stale(HANDLE(numbers[i]));
    free(numbers);
}

/* Three chunks alive at once, then twice more: every handle leads to its own object, no old one to any. */
static void many_at_once(void **state)
{
    (void)state;
    enum {
        COUNT = 3 * CHUNK
    };
    void **handles = calloc(COUNT, sizeof(*handles)), **old = calloc(COUNT, sizeof(*old));
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < COUNT; ++i) {
            handles[i] = make((enum hj_kind)(1 + i % 6));
            assert_non_null(handles[i]);
        }
        for (int i = 0; i < COUNT; ++i) {
            struct hj_object *object;
            CODE(hj_handle_pin(&object, handles[i], 1u << (1 + i % 6)), 0);
            assert_ptr_equal(object->handle, handles[i]);
            hj_handle_unpin(handles[i]);
            if (old[i] != NULL)
                CODE(hj_handle_pin(&object, old[i], ANY), HIJACK_EHANDLE);
        }
        for (int i = 0; i < COUNT; ++i) {
            CHECK(end(handles[i]));
            old[i] = handles[i];
        }
        assert_int_equal(atomic_load(&destroyed), (round + 1) * COUNT);
    }
    free(handles);
    free(old);
}

enum {
    THREADS = 4,
    RACES = 300
};

struct race {
    void *handles[RACES];
    pthread_barrier_t barrier;
    _Atomic int kills;
    _Atomic int wrong;
};

/* All threads pin the same handles at the same time, and each tries to end every one of them. */
static void *pin_and_kill(void *argument)
{
    struct race *race = argument;
    pthread_barrier_wait(&race->barrier);
    for (int i = 0; i < RACES; ++i) {
        struct hj_object *object;
        for (int again = 0; again < 3; ++again) {
            if (hj_handle_pin(&object, race->handles[i], ANY) != 0)
                break;
            if (object->handle != race->handles[i] || atomic_load(&object->refs) != 1)
                atomic_fetch_add(&race->wrong, 1);
            if (again == 2 && hj_handle_kill(race->handles[i]))
                atomic_fetch_add(&race->kills, 1);
            hj_handle_unpin(race->handles[i]);
        }
    }
    return NULL;
}

static void pinning_against_freeing(void **state)
{
    (void)state;
    struct race race = {.kills = 0};
    pthread_t threads[THREADS];
    pthread_barrier_init(&race.barrier, NULL, THREADS);
    for (int i = 0; i < RACES; ++i)
        race.handles[i] = make(HJ_KIND_STREAM);
    for (int i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, pin_and_kill, &race), 0);
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&race.barrier);
    assert_int_equal(race.wrong, 0);
    assert_int_equal(race.kills, RACES);
    assert_int_equal(atomic_load(&destroyed), RACES);
    for (int i = 0; i < RACES; ++i)
        assert_false(hj_handle_alive(race.handles[i]));
}

enum {
    SHARED = 16,
    TURNS = 4000
};

struct churn {
    void *_Atomic shared[SHARED];
    _Atomic int made, wrong;
};

/* Makes handles, swaps them with those that others work on, ends what it got: old handles meet slots given out again.
 */
static void *replace(void *argument)
{
    struct churn *churn = argument;
    for (int i = 0; i < TURNS; ++i) {
        void *handle = make(HJ_KIND_SOCKET);
        if (handle == NULL)
            break;
        atomic_fetch_add(&churn->made, 1);
        void *old = atomic_exchange(&churn->shared[i % SHARED], handle);
        if (old != NULL && !end(old))
            atomic_fetch_add(&churn->wrong, 1); /* whoever swapped it out is the only one to end it */
    }
    return NULL;
}

static void *look(void *argument)
{
    struct churn *churn = argument;
    for (int i = 0; i < 4 * TURNS; ++i) {
        void *handle = atomic_load(&churn->shared[i % SHARED]);
        struct hj_object *object;
        if (handle == NULL || hj_handle_pin(&object, handle, KIND(SOCKET)) != 0)
            continue;
        if (object->handle != handle)
            atomic_fetch_add(&churn->wrong, 1);
        hj_handle_unpin(handle);
    }
    return NULL;
}

static void slots_given_out_again_while_others_look(void **state)
{
    (void)state;
    struct churn churn = {.made = 0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? look : replace, &churn), 0);
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SHARED; ++i)
        CHECK(end(churn.shared[i]));
    assert_int_equal(churn.wrong, 0);
    assert_int_equal(churn.made, THREADS / 2 * TURNS);
    assert_int_equal(atomic_load(&destroyed), churn.made);
}

/* What a child sees, as an exit code: 0, or the number of the step that went wrong. */
static int child(void *inherited, void *freed)
{
    struct hj_object *object = NULL;
    atomic_store(&destroyed, 0);
    if (hj_handle_pin(&object, inherited, ANY) != HIJACK_EFORK || object != NULL)
        return 1;
    hj_handle_discard(inherited);
    if (atomic_load(&destroyed) != 0)
        return 2; /* freeing what is the parent's does nothing */
    if (hj_handle_pin(&object, inherited, KIND(QUEUE)) != HIJACK_EHANDLE)
        return 3; /* another kind is another kind here too */
    if (hj_handle_pin(&object, freed, ANY) != HIJACK_EHANDLE)
        return 4;
    void *handle = make(HJ_KIND_QUEUE);
    if (handle == NULL || hj_handle_pin(&object, handle, KIND(QUEUE)) != 0 || object->handle != handle)
        return 5;
    hj_handle_unpin(handle);
    pid_t pid = fork();
    if (pid == 0)
        _exit(hj_handle_pin(&object, handle, ANY) != HIJACK_EFORK ||
              hj_handle_pin(&object, inherited, ANY) != HIJACK_EFORK);
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 6; /* a grandchild inherits from both */
    return end(handle) && atomic_load(&destroyed) == 1 ? 0 : 7;
}

static void a_child_owns_only_what_it_made(void **state)
{
    (void)state;
    struct hj_object *object;
    void *freed = make(HJ_KIND_STREAM), *handle = make(HJ_KIND_STREAM), *pinned = make(HJ_KIND_STREAM);
    CHECK(end(freed));
    CODE(hj_handle_pin(&object, pinned, ANY), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int wrong = child(handle, freed);
        _exit(wrong != 0 ? wrong : child(pinned, freed));
    }
    int status = -1;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    hj_handle_unpin(pinned);
    CHECK(end(pinned)); /* the parent's are the parent's as before */
    CHECK(end(handle));
    assert_int_equal(atomic_load(&destroyed), 3);
}

static void free_object(struct hj_object *object)
{
    free(object);
}

/* A number that was never given out: index and generation of a handle, another kind in its bits. */
static void kind_bits_are_not_trusted(void **state)
{
    (void)state;
    struct hj_object *object = calloc(1, sizeof(*object)), *got = NULL;
    hj_object_init(object, HJ_KIND_STREAM, free_object);
    CODE(hj_handle_new(object), 0);
    uint64_t number = (uint64_t)(uintptr_t)object->handle;
    void *forged = (void *)(uintptr_t)((number & 0x0fffffffffffffffu) | (uint64_t)HJ_KIND_QUEUE << 60);
    int rc = hj_handle_pin(&got, forged, 1u << HJ_KIND_QUEUE);
    if (rc == 0)
        hj_handle_unpin(forged);
    hj_handle_discard(object->handle);
    hj_object_unref(object);
    CODE(rc, HIJACK_EHANDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(slots_are_reused_oldest_first, reset),
        cmocka_unit_test_setup(a_pin_gives_the_object, reset),
        cmocka_unit_test_setup(only_the_kinds_asked_for, reset),
        cmocka_unit_test_setup(a_killed_one_lives_until_the_last_pin, reset),
        cmocka_unit_test_setup(discarding_ends_it, reset),
        cmocka_unit_test_setup(any_number_is_checked, reset),
        cmocka_unit_test_setup(kind_bits_are_not_trusted, reset),
        cmocka_unit_test_setup(many_at_once, reset),
        cmocka_unit_test_setup(pinning_against_freeing, reset),
        cmocka_unit_test_setup(slots_given_out_again_while_others_look, reset),
        cmocka_unit_test_setup(a_child_owns_only_what_it_made, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
