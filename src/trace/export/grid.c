/* grid.c: emitters of sampling at a grid of places: for each place the pixels and weights along each axis, then what they say together. */
#include <string.h>
#include "elements.h"
#include "reel/image.h"

typedef struct sampling {
    const reel_eoperand *x, *grid, *g; /* g: what comes back, of the output's shape; NULL: forward */
    int x_in, grid_in, axes, taps;
    bool back;
} sampling;

static sampling sampling_of(reel_emit *e)
{
    const reel_attr_grid *a = e->attr;
    sampling s = {.back = e->op->id == REEL_OP_grid_sample_grad};
    s.x_in = s.back ? 1 : 0;
    s.grid_in = s.x_in + 1;
    s.x = &e->in[s.x_in];
    s.grid = &e->in[s.grid_in];
    s.g = s.back ? &e->in[0] : NULL;
    s.axes = s.x->rank - 2;
    s.taps = a->mode == REEL_SAMPLE_NEAREST ? 1 : a->mode == REEL_SAMPLE_LINEAR ? 2 : 4;
    return s;
}

/* Loops over images n and places p0 ...; then the pixels and weights along each axis: at0[], w0[], d0[]. */
static int open_places(reel_emit *e, const sampling *s)
{
    static const char *const paddings[] = {[REEL_ZEROS] = "0", [REEL_BORDER] = "1", [REEL_REFLECTION] = "2"};
    const reel_attr_grid *a = e->attr;
    const int mode = a->mode == REEL_SAMPLE_NEAREST ? 0 : a->mode == REEL_SAMPLE_LINEAR ? 1 : 2, r = s->grid->rank;
    char buf[REEL_OFFSET_TEXT];
    reel_open_(e, "n", s->x->dims[0]);
    int loops = 1 + reel_open_all_(e, "p", s->grid->dims + 1, s->axes);
    reel_say_(e, "{");
    e->depth++;
    reel_set_text_(e, "place", "n * %lld + %s", (long long)s->grid->strides[0],
                   reel_offset_(s->grid->dims + 1, s->grid->strides + 1, s->axes, "p", ~0u, buf));
    for (int k = 0; k < s->axes; k++)
        reel_sayf_(e,
                   "long at%d[4];\nT w%d[4], d%d[4];\n(void)V(grid_axis)(LD%d($place + %lld), %lld, %d, %s, %d, %d, "
                   "at%d, w%d, d%d);\n(void)d%d;",
                   k, k, k, s->grid_in, (long long)(s->axes - 1 - k) * (long long)s->grid->strides[r - 1],
                   (long long)s->x->dims[2 + k], mode, paddings[a->padding], a->align != 0, a->order[s->axes - 1 - k],
                   k, k, k, k);
    return loops + 1;
}

/* Loops over channels, and the pixels of each; $pixel: where one lies by those strides, $weight: its weight; by: the axis whose weights
   are differentiated, -1: none. */
static int open_pixels(reel_emit *e, const sampling *s, const int64_t *strides, int by)
{
    reel_text pixel = {0}, weight = {0};
    reel_text_fmt_(&pixel, "n * %lld + c * %lld", (long long)strides[0], (long long)strides[1]);
    for (int k = 0; k < s->axes; k++) {
        char v[24];
        snprintf(v, sizeof v, "t%d", k);
        reel_open_(e, v, s->taps);
        reel_sayf_(e, "if (at%d[t%d] < 0) continue;", k, k);
        reel_text_fmt_(&pixel, " + at%d[t%d] * %lld", k, k, (long long)strides[2 + k]);
        reel_text_fmt_(&weight, "%s%s%d[t%d]", k ? " * " : "", k == by ? "d" : "w", k, k);
    }
    reel_set_built_(e, "pixel", &pixel);
    reel_set_built_(e, "weight", &weight);
    return s->axes;
}

/* Where the result of the place at hand lies, in o, [images, channels, places]. */
static void set_result(reel_emit *e, const char *name, const sampling *s, const reel_eoperand *o)
{
    char buf[REEL_OFFSET_TEXT];
    reel_set_text_(e, name, "n * %lld + c * %lld + %s", (long long)o->strides[0], (long long)o->strides[1],
                   reel_offset_(s->grid->dims + 1, o->strides + 2, s->axes, "p", ~0u, buf));
}

static int sample(reel_emit *e, const sampling *s)
{
    if (e->out[0].count == 0) return 0;
    const int loops = open_places(e, s);
    set_result(e, "result", s, &e->out[0]);
    reel_open_(e, "c", s->x->dims[1]);
    reel_say_(e, "T sum = 0;");
    const int taps = open_pixels(e, s, s->x->strides, -1);
    reel_say_(e, "sum += $weight * LD0($pixel);");
    reel_close_(e, taps);
    reel_say_(e, "ST0($result, sum);");
    reel_close_(e, loops + 1);
    return 0;
}

/* The gradient by x in a workspace, as pixels meet; that by the grid at once. */
static int sample_back(reel_emit *e, const sampling *s)
{
    const reel_eoperand *dx = &e->out[0], *dgrid = &e->out[1];
    char buf[REEL_OFFSET_TEXT];
    e->work = (size_t)dx->count + 1;
    e->work_type = e->real == REEL_F64 ? "double" : "float";
    reel_set_(e, "all", dx->count);
    if (dx->count) reel_say_(e, "for (long i = 0; i < $all; i++) work[i] = 0;");
    const int loops = open_places(e, s);
    set_result(e, "result", s, s->g);
    reel_sayf_(e, "T by[%d] = {0};", s->axes);
    reel_open_(e, "c", s->x->dims[1]);
    reel_say_(e, "const T back = LD0($result);");
    for (int k = -1; k < s->axes; k++) {
        const int taps = open_pixels(e, s, k < 0 ? dx->strides : s->x->strides, k);
        if (k < 0)
            reel_say_(e, "work[$pixel] += $weight * back;");
        else
            reel_sayf_(e, "by[%d] += $weight * LD1($pixel) * back;", s->axes - 1 - k);
        reel_close_(e, taps);
    }
    reel_close_(e, 1);
    reel_set_text_(e, "place", "n * %lld + %s", (long long)dgrid->strides[0],
                   reel_offset_(dgrid->dims + 1, dgrid->strides + 1, s->axes, "p", ~0u, buf));
    for (int k = 0; k < s->axes; k++) reel_sayf_(e, "ST1($place + %d, by[%d]);", k, k);
    reel_close_(e, loops);
    if (dx->count) reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
    return 0;
}

int reel_emit_grid_sample_(reel_emit *e)
{
    const sampling s = sampling_of(e);
    e->real = s.x->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    return s.back ? sample_back(e, &s) : sample(e, &s);
}
