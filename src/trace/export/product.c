/* product.c: emitters of products: matmul with any strides and batches, einsum. */
#include <string.h>
#include "elements.h"

/* ---- matmul ------------------------------------------------------------------------------------------------------------ */

typedef struct product {
    int64_t m, n, k, am, ak, bk, bn;
    int rank; /* of the batch */
    int64_t dims[REEL_MAX_RANK];
} product;

/* Where a batch's matrix begins: strides against the batch's dims. */
static void set_batch(reel_emit *e, const char *name, const reel_eoperand *o, const product *p)
{
    int64_t strides[REEL_MAX_RANK] = {0};
    char buf[REEL_OFFSET_TEXT];
    const int lead = o->rank > 2 ? o->rank - 2 : 0;
    for (int i = 0; i < lead; i++)
        if (o->dims[i] != 1) strides[p->rank - lead + i] = o->strides[i];
    reel_set_text_(e, name, "%s", reel_offset_(p->dims, strides, p->rank, "b", ~0u, buf));
}

static void measure(const reel_emit *e, product *p)
{
    const reel_eoperand *a = &e->in[0], *b = &e->in[1], *y = &e->out[0];
    const int ra = a->rank, rb = b->rank;
    memset(p, 0, sizeof *p);
    p->m = ra > 1 ? a->dims[ra - 2] : 1;
    p->am = ra > 1 ? a->strides[ra - 2] : 0;
    p->k = a->dims[ra - 1];
    p->ak = a->strides[ra - 1];
    p->bk = rb > 1 ? b->strides[rb - 2] : b->strides[0];
    p->n = rb > 1 ? b->dims[rb - 1] : 1;
    p->bn = rb > 1 ? b->strides[rb - 1] : 0;
    p->rank = y->rank - (ra > 1) - (rb > 1);
    memcpy(p->dims, y->dims, sizeof p->dims);
}

int reel_emit_matmul_(reel_emit *e)
{
    product p;
    if (e->out[0].count == 0) return 0;
    measure(e, &p);
    set_batch(e, "A", &e->in[0], &p);
    set_batch(e, "B", &e->in[1], &p);
    int64_t strides[REEL_MAX_RANK], step = p.m * p.n;
    char buf[REEL_OFFSET_TEXT];
    for (int i = p.rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= p.dims[i];
    }
    reel_set_text_(e, "Y", "%s", reel_offset_(p.dims, strides, p.rank, "b", ~0u, buf));
    const struct {
        const char *name;
        int64_t x;
    } numbers[] = {{"m", p.m}, {"n", p.n}, {"k", p.k}, {"am", p.am}, {"ak", p.ak}, {"bk", p.bk}, {"bn", p.bn}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) reel_set_(e, numbers[i].name, numbers[i].x);
    const bool real = reel_is_float_(e->out[0].dtype), wide = reel_size_(e->out[0].dtype) >= 4;
    const int n = reel_open_all_(e, "b", p.dims, p.rank);
    if (!real)
        reel_say_(e,
                  "for (long i = 0; i < $m; i++)\n    for (long j = 0; j < $n; j++) {\n        uint64_t sum = 0;\n"
                  "        for (long k = 0; k < $k; k++)\n"
                  "            sum += (uint64_t)LD0($A + i * $am + k * $ak) * (uint64_t)LD1($B + k * $bk + j * $bn);\n"
                  "        ST0($Y + i * $n + j, sum);\n    }");
    else if (wide && p.n > 1 && p.bn == 1)
        reel_say_(e, "for (long i = 0; i < $m; i++) {\n    T *restrict row = out + ($Y + i * $n);\n"
                     "    for (long j = 0; j < $n; j++) row[j] = 0;\n    for (long k = 0; k < $k; k++) {\n"
                     "        const T by = LD0($A + i * $am + k * $ak);\n"
                     "        for (long j = 0; j < $n; j++) row[j] += by * LD1($B + k * $bk + j);\n    }\n}");
    else
        reel_say_(e,
                  "for (long i = 0; i < $m; i++)\n    for (long j = 0; j < $n; j++) {\n"
                  "        T sum[8] = {0};\n        long k = 0;\n"
                  "        for (; k + 8 <= $k; k += 8)\n            for (int l = 0; l < 8; l++)\n"
                  "                sum[l] += LD0($A + i * $am + (k + l) * $ak) * LD1($B + (k + l) * $bk + j * $bn);\n"
                  "        for (; k < $k; k++) sum[0] += LD0($A + i * $am + k * $ak) * LD1($B + k * $bk + j * $bn);\n"
                  "        ST0($Y + i * $n + j, ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] "
                  "+ sum[7])));\n    }");
    e->out[0].read = true;
    reel_close_(e, n);
    return 0;
}

/* ---- einsum -------------------------------------------------------------------------------------------------------------- */

enum { LABELS = 64 };
typedef struct sums {
    int64_t size[LABELS];
    bool out[LABELS], used[LABELS];
} sums;

static void set_labels(reel_emit *e, const char *name, const reel_eoperand *o, const uint8_t *label)
{
    reel_text t = {0};
    for (int i = 0; i < o->rank; i++)
        if (o->dims[i] != 1) reel_text_fmt_(&t, "%sl%d * %lld", t.n ? " + " : "", label[i], (long long)o->strides[i]);
    reel_set_built_(e, name, &t);
}

static int open_labels(reel_emit *e, const sums *s, bool out)
{
    int n = 0;
    for (int l = 0; l < LABELS; l++) {
        char v[16];
        if (!s->used[l] || s->out[l] != out) continue;
        snprintf(v, sizeof v, "l%d", l);
        reel_open_(e, v, s->size[l]);
        n++;
    }
    return n;
}

int reel_emit_einsum_(reel_emit *e)
{
    const reel_attr_einsum *a = e->attr;
    const uint8_t *label = a->label;
    const bool real = reel_is_float_(e->out[0].dtype);
    sums s;
    memset(&s, 0, sizeof s);
    reel_text terms = {0};
    if (e->out[0].count == 0) return 0;
    for (int k = 0; k < e->n_in; k++) {
        char name[12];
        snprintf(name, sizeof name, "x%d", k);
        set_labels(e, name, &e->in[k], label);
        for (int i = 0; i < e->in[k].rank; i++) {
            const int l = label[i];
            s.used[l] = true;
            if (e->in[k].dims[i] != 1 || s.size[l] == 0) s.size[l] = e->in[k].dims[i];
        }
        label += e->in[k].rank;
        reel_text_fmt_(&terms, real ? "%s(double)LD%d($x%d)" : "%s(uint64_t)LD%d($x%d)", k ? " * " : "", k, k);
    }
    for (int i = 0; i < a->n_out; i++) {
        s.out[label[i]] = s.used[label[i]] = true;
        if (s.size[label[i]] <= 1) s.size[label[i]] = e->out[0].dims[i];
    }
    set_labels(e, "o", &e->out[0], label);
    bool twice = false;
    for (int i = 0; i < a->n_out; i++)
        for (int k = 0; k < i; k++) twice |= label[i] == label[k];
    if (twice) reel_emit_fill_(e, 0);
    const int outer = open_labels(e, &s, true);
    reel_say_(e, real ? "double sum = 0;" : "uint64_t sum = 0;");
    const int inner = open_labels(e, &s, false);
    reel_sayf_(e, "sum += %s;", reel_text_of_(&terms));
    reel_close_(e, inner);
    reel_say_(e, "ST0($o, sum);");
    reel_close_(e, outer);
    reel_text_free_(&terms);
    return 0;
}
