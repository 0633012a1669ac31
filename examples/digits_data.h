/* digits_data.h: reads the digits and deals them out in shuffled batches. */
#ifndef EXAMPLES_DIGITS_DATA_H
#define EXAMPLES_DIGITS_DATA_H
#include <stdint.h>
#include <stdio.h>

enum { PIXELS = 64, CLASSES = 10, ROWS = 1797, TEST = 360, TRAIN = ROWS - TEST, BATCH = 32, STEPS = TRAIN / BATCH };

struct digits {
    float x[ROWS][PIXELS]; /* 0 to 1 */
    int32_t label[ROWS];
};

/* 64 values from 0 to 16 and the label a line. 0, or -1 with a message. */
static int digits_read(struct digits *d, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return -1;
    }
    int row = 0, good = 1;
    for (; good && row < ROWS; row++) {
        int value = 0;
        for (int i = 0; good && i < PIXELS; i++) {
            good = fscanf(f, "%d,", &value) == 1 && value >= 0 && value <= 16;
            d->x[row][i] = (float)value / 16;
        }
        good = good && fscanf(f, "%d", &value) == 1 && value >= 0 && value < CLASSES;
        d->label[row] = value;
    }
    fclose(f);
    if (!good) {
        fprintf(stderr, "%s: line %d is not 64 values from 0 to 16 and a digit\n", path, row);
    }
    return good ? 0 : -1;
}

/* Deals the training rows in another order each epoch; the same seed deals the same. */
struct deck {
    uint32_t state;
    int order[TRAIN];
    float x[BATCH][PIXELS];
    int32_t label[BATCH];
};

static void deck_shuffle(struct deck *k) /* Fisher and Yates, with a linear congruential generator */
{
    for (int i = TRAIN - 1; i > 0; i--) {
        k->state = k->state * 1664525u + 1013904223u;
        const int j = (int)((k->state >> 8) % (uint32_t)(i + 1)), t = k->order[i];
        k->order[i] = k->order[j];
        k->order[j] = t;
    }
}

static void deck_init(struct deck *k, uint32_t seed)
{
    k->state = seed;
    for (int i = 0; i < TRAIN; i++) {
        k->order[i] = i;
    }
}

static void deck_deal(struct deck *k, const struct digits *d, int step)
{
    for (int i = 0; i < BATCH; i++) {
        const int row = k->order[step * BATCH + i];
        for (int p = 0; p < PIXELS; p++) {
            k->x[i][p] = d->x[row][p];
        }
        k->label[i] = d->label[row];
    }
}
#endif
