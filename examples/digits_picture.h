/* digits_picture.h: the loss curves of both modes above, the ten worst-classified digits below. */
#ifndef EXAMPLES_DIGITS_PICTURE_H
#define EXAMPLES_DIGITS_PICTURE_H
#include "canvas.h"
#include "digits_data.h"
#include <math.h>

enum { MAX_EPOCHS = 1000, WORST = 10 };
enum { INK = 0x202020, GRID = 0xE0E0E0, EAGER_COLOUR = 0x7FB2E5, REPLAY_COLOUR = 0xC03010 };

struct picture {
    const struct digits *data;
    int epochs;
    const double *loss[2]; /* eager, replay: mean of each epoch */
    double accuracy;       /* percent */
    int row[WORST], guess[WORST];
    float row_loss[WORST];
};

struct axes {
    int x, y, w, h, epochs;
    double low, high; /* powers of ten */
};

static int axes_x(const struct axes *a, double epoch)
{
    return a->x + (int)lround((epoch - 1) / (a->epochs > 1 ? a->epochs - 1 : 1) * a->w);
}

static int axes_y(const struct axes *a, double loss)
{
    const double t = (log10(loss) - a->low) / (a->high - a->low);
    return a->y + a->h - (int)lround(fmin(fmax(t, 0), 1) * a->h);
}

static void picture_axes(struct canvas *c, const struct axes *a)
{
    char text[32];
    static const int steps[] = {1, 2, 5};
    for (int k = 0; k < 3 * (int)(a->high - a->low) + 1; k++) {
        const int decade = k / 3;
        const double loss = steps[k % 3] * pow(10, a->low + decade); /* 0.1, 0.2, 0.5, 1 ... */
        canvas_box(c, a->x, axes_y(a, loss), a->w, 1, GRID);
        snprintf(text, sizeof text, "%6g", loss);
        canvas_text(c, a->x - 46, axes_y(a, loss) - 3, 1, INK, text);
    }
    const int every =
        a->epochs <= 10 ? 1 : (a->epochs + 9) / 10 / 5 * 5 + 5 * (a->epochs > 50) + (a->epochs <= 50 ? 5 : 0);
    for (int e = every; e <= a->epochs; e += every) {
        const int x = axes_x(a, e);
        canvas_box(c, x, a->y + a->h, 1, 5, INK);
        snprintf(text, sizeof text, "%d", e);
        canvas_text(c, x - 3 * (int)strlen(text), a->y + a->h + 9, 1, INK, text);
    }
    canvas_box(c, a->x, a->y, 1, a->h, INK);
    canvas_box(c, a->x, a->y + a->h, a->w, 1, INK);
    canvas_text(c, a->x + a->w / 2 - 15, a->y + a->h + 24, 1, INK, "epoch");
    canvas_text(c, a->x + 8, a->y - 14, 1, INK, "mean training loss (cross-entropy, log scale)");
}

static void picture_curve(struct canvas *c, const struct axes *a, const double *loss, int width, uint32_t colour)
{
    for (int i = 0; i < a->epochs; i++) {
        const int from = i > 0 ? i - 1 : 0;
        canvas_line(c, axes_x(a, from + 1), axes_y(a, loss[from]), axes_x(a, i + 1), axes_y(a, loss[i]), width, colour);
    }
}

static void picture_digit(struct canvas *c, const struct picture *p, int k)
{
    const int x = 30 + 71 * k, y = 396, row = p->row[k];
    char text[32];
    for (int i = 0; i < PIXELS; i++) {
        const uint32_t v = 255 - (uint32_t)lround(255 * p->data->x[row][i]);
        canvas_box(c, x + i % 8 * 7, y + i / 8 * 7, 7, 7, v << 16 | v << 8 | v);
    }
    canvas_box(c, x - 1, y - 1, 58, 1, GRID);
    canvas_box(c, x - 1, y + 56, 58, 1, GRID);
    canvas_box(c, x - 1, y, 1, 56, GRID);
    canvas_box(c, x + 56, y, 1, 56, GRID);
    snprintf(text, sizeof text, "is %d", (int)p->data->label[row]);
    canvas_text(c, x, y + 62, 1, INK, text);
    snprintf(text, sizeof text, "taken %d", p->guess[k]);
    canvas_text(c, x, y + 74, 1, p->guess[k] == p->data->label[row] ? INK : REPLAY_COLOUR, text);
    snprintf(text, sizeof text, "loss %.2g", (double)p->row_loss[k]);
    canvas_text(c, x, y + 86, 1, INK, text);
}

static int picture_write(const struct picture *p, const char *path)
{
    struct canvas *c = malloc(sizeof *c);
    if (!c) {
        return -1;
    }
    memset(c, 0xFF, sizeof *c);
    struct axes a = {.x = 76, .y = 54, .w = 640, .h = 250, .epochs = p->epochs};
    double low = p->loss[0][0], high = low;
    for (int i = 0; i < p->epochs; i++) {
        low = fmin(low, fmin(p->loss[0][i], p->loss[1][i]));
        high = fmax(high, fmax(p->loss[0][i], p->loss[1][i]));
    }
    a.low = floor(log10(low > 0 ? low : 1e-9));
    a.high = ceil(log10(high > 0 ? high : 1));
    a.high = a.high > a.low ? a.high : a.low + 1;

    canvas_text(c, 20, 12, 2, INK, "Digits: MLP 64-32-10, trained eagerly and replayed");
    picture_axes(c, &a);
    picture_curve(c, &a, p->loss[0], 7, EAGER_COLOUR);
    picture_curve(c, &a, p->loss[1], 2, REPLAY_COLOUR);
    canvas_box(c, 560, 70, 24, 7, EAGER_COLOUR);
    canvas_text(c, 592, 70, 1, INK, "eager");
    canvas_box(c, 560, 88, 24, 2, REPLAY_COLOUR);
    canvas_text(c, 592, 86, 1, INK, "replay");

    char text[96];
    snprintf(text, sizeof text, "the %d of %d test digits with the largest loss (accuracy %.1f %%)", WORST, TEST,
             p->accuracy);
    canvas_text(c, 30, 372, 1, INK, text);
    for (int k = 0; k < WORST; k++) {
        picture_digit(c, p, k);
    }
    const int rc = canvas_write(c, path);
    free(c);
    return rc;
}
#endif
