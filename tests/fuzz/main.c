/* Runs a fuzz target over the files of a folder, then over mutations of them. The mutations come from a fixed seed, so
 * that a failure happens again. Each input lies in memory of exactly its size, where a sanitizer sees a read past it.
 * Usage: fuzz_<name> folder [mutations]; HIJACK_LONG=1 makes the default the larger one. */
#include "target.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILES = 200,
    MAX_SIZE = 16384,
    MUTATIONS = 100000,
    MUTATIONS_LONG = 1000000
};

struct input {
    unsigned char bytes[MAX_SIZE];
    size_t len;
};

static struct input files[MAX_FILES];
static unsigned file_count;
static uint64_t random_state = 88172645463325252;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void run(const struct input *input)
{
    unsigned char *exact = malloc(input->len ? input->len : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, input->bytes, input->len);
    LLVMFuzzerTestOneInput(exact, input->len);
    free(exact);
}

static void load(const char *folder)
{
    char path[4096];
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && file_count < MAX_FILES && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL)
            continue;
        files[file_count].len = fread(files[file_count].bytes, 1, MAX_SIZE, file);
        ++file_count;
        fclose(file);
    }
    if (dir != NULL)
        closedir(dir);
}

/* Bytes that mean something to text protocols come more often than others. */
static unsigned char random_byte(void)
{
    static const char special[] = "\r\n\0 :,;\t/0129afx\x7f\xff";
    return (unsigned char)(random_below(2) ? special[random_below(sizeof(special))] : (char)random_below(256));
}

static void mutate(struct input *input)
{
    const struct input *other = &files[random_below(file_count)];
    size_t at = random_below(input->len + 1);
    size_t from = random_below(other->len + 1), n = random_below(other->len - from + 1);
    switch (random_below(5)) {
    case 0: /* change a byte */
        if (at < input->len)
            input->bytes[at] = random_byte();
        break;
    case 1: /* insert one */
        if (input->len < MAX_SIZE) {
            memmove(input->bytes + at + 1, input->bytes + at, input->len - at);
            input->bytes[at] = random_byte();
            ++input->len;
        }
        break;
    case 2: /* cut some out */
        n = random_below(input->len - at + 1) % 16;
        memmove(input->bytes + at, input->bytes + at + n, input->len - at - n);
        input->len -= n;
        break;
    case 3: /* end here */
        input->len = at;
        break;
    default: /* go on as another file does */
        if (at + n <= MAX_SIZE) {
            memcpy(input->bytes + at, other->bytes + from, n);
            input->len = at + n;
        }
    }
}

int main(int argc, char **argv)
{
    static struct input input;
    if (argc < 2)
        return 2;
    load(argv[1]);
    if (file_count == 0) {
        fprintf(stderr, "no files in %s\n", argv[1]);
        return 1;
    }
    for (unsigned i = 0; i < file_count; ++i)
        run(&files[i]);
    long mutations = getenv("HIJACK_LONG") != NULL ? MUTATIONS_LONG : MUTATIONS;
    if (argc > 2)
        mutations = atol(argv[2]);
    for (long i = 0; i < mutations; ++i) {
        input = files[random_below(file_count)];
        for (uint64_t n = 1 + random_below(4); n > 0; --n)
            mutate(&input);
        run(&input);
    }
    printf("%u files, %ld mutations\n", file_count, mutations);
    return 0;
}
