/* digits_data.h: reads the digits and deals them out in shuffled batches, each image a little warped: the test rows are by
   other hands than the training rows, and 1,437 images are few. */
#ifndef EXAMPLES_DIGITS_DATA_H
#define EXAMPLES_DIGITS_DATA_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { PIXELS = 64, CLASSES = 10, ROWS = 1797, TEST = 360, TRAIN = ROWS - TEST, BATCH = 32, STEPS = TRAIN / BATCH };

struct digits {
    float x[ROWS][PIXELS]; /* 0 to 1 */
    float mean[PIXELS];    /* of the training rows: the net sees x - mean */
    int32_t label[ROWS];
};

/* 64 values from 0 to 16 and the label a line. 0, or -1 with a message. */
static inline int digits_read(struct digits *d, const char *path)
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
    for (int i = 0; i < PIXELS; i++) {
        double sum = 0;
        for (int r = 0; r < TRAIN; r++) {
            sum += d->x[r][i];
        }
        d->mean[i] = (float)(sum / (double)TRAIN);
    }
    if (!good) {
        fprintf(stderr, "%s: line %d is not 64 values from 0 to 16 and a digit\n", path, row);
    }
    return good ? 0 : -1;
}

/* Deals the training rows in another order each epoch; the same seed deals the same. */
struct deck {
    uint64_t state;
    int order[TRAIN];
    float x[BATCH][PIXELS];
    int32_t label[BATCH];
};

static inline uint32_t deck_random(struct deck *k) /* 24 bits of splitmix64 (Steele, Lea and Flood 2014) */
{
    uint64_t z = k->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 40);
}

static inline double deck_normal(struct deck *k) /* nearly: the sum of twelve uniform numbers */
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += deck_random(k) * 0x1p-24;
    }
    return sum;
}

static inline void deck_shuffle(struct deck *k) /* Fisher and Yates */
{
    for (int i = TRAIN - 1; i > 0; i--) {
        const int j = (int)(deck_random(k) % (uint32_t)(i + 1)), t = k->order[i];
        k->order[i] = k->order[j];
        k->order[j] = t;
    }
}

static inline void deck_init(struct deck *k, uint64_t seed)
{
    k->state = seed;
    for (int i = 0; i < TRAIN; i++) {
        k->order[i] = i;
    }
}

/* image at (u, v), between pixels; 0 outside */
static inline double bilinear(const float *image, double u, double v)
{
    const int col = (int)floor(u), row = (int)floor(v);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        const int c = col + (k & 1), r = row + (k >> 1);
        if (c >= 0 && c < 8 && r >= 0 && r < 8) {
            sum += image[r * 8 + c] * (1 - fabs(u - c)) * (1 - fabs(v - r));
        }
    }
    return sum;
}

/* Turned, slanted, stretched and moved a little, its strokes made thicker or thinner */
static inline void deck_warp(struct deck *k, const float *image, const float *mean, float *out)
{
    const double turn = 0.11 * deck_normal(k), slant = 0.11 * deck_normal(k), c = cos(turn), s = sin(turn);
    const double wide = 1 + 0.07 * deck_normal(k), high = 1 + 0.07 * deck_normal(k), gamma = exp(0.31 * deck_normal(k));
    const double right = 3.5 + 0.35 * deck_normal(k), down = 3.5 + 0.35 * deck_normal(k);
    for (int i = 0; i < PIXELS; i++) {
        const int row = i / 8, column = i % 8;
        const double x = column - 3.5, y = row - 3.5, u = x * wide + y * slant, v = y * high;
        out[i] = (float)pow(bilinear(image, c * u - s * v + right, s * u + c * v + down), gamma) - mean[i];
    }
}

static inline void deck_deal(struct deck *k, const struct digits *d, int step)
{
    for (int i = 0; i < BATCH; i++) {
        const int row = k->order[step * BATCH + i];
        deck_warp(k, d->x[row], d->mean, k->x[i]);
        k->label[i] = d->label[row];
    }
}

/* n rows as they are, less the mean */
static inline void digits_centred(const struct digits *d, int first, int n, float (*out)[PIXELS])
{
    for (int i = 0; i < n * PIXELS; i++) {
        out[i / PIXELS][i % PIXELS] = d->x[first + i / PIXELS][i % PIXELS] - d->mean[i % PIXELS];
    }
}
#endif
