/* Looks for the phrases of one file in the texts of another with Vectorscan: once for every line it is sent, and answers
 * each with the nanoseconds a text took. */
#define _POSIX_C_SOURCE 200809L
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lines {
    char **text;
    size_t *bytes;
    size_t count;
};

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(2);
}

/* Lines of a file; a text that has lines of its own has them as tabs. */
static struct lines read_lines(const char *path) {
    struct lines lines = {0};
    char *line = NULL;
    size_t room = 0, slots = 0;
    ssize_t length;
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot open a file");
    while ((length = getline(&line, &room, file)) > 0) {
        if (lines.count == slots) {
            slots = slots ? slots * 2 : 1024;
            lines.text = realloc(lines.text, slots * sizeof *lines.text);
            lines.bytes = realloc(lines.bytes, slots * sizeof *lines.bytes);
            if (!lines.text || !lines.bytes) fail("out of memory");
        }
        line[--length] = 0;
        lines.text[lines.count] = strdup(line);
        lines.bytes[lines.count++] = (size_t)length;
    }
    free(line);
    fclose(file);
    return lines;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *found) {
    (void)id, (void)from, (void)to, (void)flags;
    ++*(unsigned long long *)found;
    return 0;
}

int main(int count, char **arguments) {
    if (count != 3) fail("two files are needed");
    struct lines phrases = read_lines(arguments[1]), texts = read_lines(arguments[2]);
    unsigned *flags = calloc(phrases.count, sizeof *flags), *ids = calloc(phrases.count, sizeof *ids);
    for (size_t at = 0; at < phrases.count; ++at) ids[at] = (unsigned)at;
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    if (hs_compile_lit_multi((const char *const *)phrases.text, flags, ids, phrases.bytes, (unsigned)phrases.count,
                             HS_MODE_BLOCK, NULL, &database, &error) != HS_SUCCESS)
        fail(error->message);
    hs_scratch_t *scratch = NULL;
    if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) fail("no scratch space");
    char line[16];
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long found = 0;
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (size_t at = 0; at < texts.count; ++at)
            hs_scan(database, texts.text[at], (unsigned)texts.bytes[at], 0, scratch, on_match, &found);
        clock_gettime(CLOCK_MONOTONIC, &to);
        double took = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        printf("%.3f %llu\n", took / (double)texts.count, found);
        fflush(stdout);
    }
    return 0;
}
