/* ctc.c: emitters of ctc_loss, ctc_grad and ctc_curve: the recursion of kernels/ctc.c in double, a sequence after another. Its numbers are
   jets of 2^k along k directions, entry 0 the value: k = 0 for the loss and its gradient. */
#include "elements.h"

typedef struct ctc {
    const reel_attr_ctc *a;
    const reel_eoperand *x, *targets;
    int64_t t, n, c, states, jet; /* states: of the longest target */
    int directions;
    bool loss;
} ctc;

/* The labels of sequence n with blanks around each, as numbers, and its lengths; what is out of range is refused. */
static void say_sequence(reel_emit *e, const ctc *q)
{
    reel_set_(e, "t", q->t);
    reel_set_(e, "c", q->c);
    reel_set_(e, "most", (q->states - 1) / 2);
    reel_set_(e, "states", q->states);
    reel_set_(e, "width", q->states * q->jet);
    reel_set_(e, "jet", q->jet);
    reel_set_(e, "blank", q->a->blank);
    reel_set_(e, "lby", e->in[2].strides[0]);
    reel_set_(e, "sby", e->in[3].strides[0]);
    reel_set_text_(e, "target", "n * %lld + s / 2 * %lld", (long long)q->targets->strides[0],
                   (long long)q->targets->strides[1]);
    reel_say_(e, "const int64_t given = (int64_t)LD2(n * $lby), wanted = (int64_t)LD3(n * $sby);\n"
                 "if (given < 0 || given > $t || wanted < 0 || wanted > $most) return 1;\n"
                 "const long steps = (long)given, states = 2 * (long)wanted + 1;\n"
                 "double *mark = work, *alpha = work + $states;\n"
                 "for (long s = 0; s < states; s++) mark[s] = $blank;");
    if (q->states > 1)
        reel_say_(e, "for (long s = 1; s < states; s += 2) {\n    const int64_t l = (int64_t)LD1($target);\n"
                     "    if (l < 0 || l >= $c || l == $blank) return 1;\n    mark[s] = (double)l;\n}");
}

/* The score of state s at step t, and along each direction, to the jet at v. */
static void say_score(reel_emit *e, const ctc *q, const char *v, const char *t, const char *s)
{
    for (int i = q->directions; i >= 0; i--) {
        const int64_t *by = i ? e->in[3 + i].strides : q->x->strides;
        reel_sayf_(e, "%s[%d] += (double)LD%d(%s * %lld + n * %lld + (long)mark[%s] * %lld);", v, i ? 1 << (i - 1) : 0,
                   i ? 3 + i : 0, t, (long long)by[0], (long long)by[1], s, (long long)by[2]);
    }
}

/* alpha: the logarithm of the probability of all prefixes that end in state s at step t. The loss needs two steps of it. */
static void say_forward(reel_emit *e, const ctc *q)
{
    reel_set_text_(e, "here", q->loss ? "t %% 2" : "t");
    reel_set_text_(e, "before", q->loss ? "(t + 1) %% 2" : "(t > 0 ? t - 1 : 0)");
    reel_say_(e, "for (long t = 0; t < steps; t++) {\n    for (long s = 0; s < states; s++) {\n"
                 "        double *a = alpha + $here * $width + s * $jet;\n"
                 "        if (t > 0) {\n            const int n_from = ctc_skips(mark, s) ? 3 : s > 0 ? 2 : 1;\n"
                 "            ctc_sum(alpha + $before * $width + s * $jet, n_from, $jet, a);\n        } else {\n"
                 "            for (int k = 0; k < $jet; k++) a[k] = 0;\n"
                 "            a[0] = s < 2 ? 0 : -(double)INFINITY;\n        }");
    e->depth += 2;
    say_score(e, q, "a", "t", "s");
    e->depth -= 2;
    reel_say_(e, "    }\n}");
}

static void say_loss(reel_emit *e, const ctc *q)
{
    reel_sayf_(e,
               "double all[1] = {states > 1 ? -(double)INFINITY : 0};\n"
               "if (steps > 0) ctc_sum(alpha + (steps - 1) %% 2 * $width + states - 1, states > 1 ? 2 : 1, 1, all);\n"
               "ST0(n * %lld, %s0 - all[0]);",
               (long long)e->out[0].strides[0], q->a->zero_infinity ? "all[0] == -(double)INFINITY ? 0 : " : "");
}

/* beta: of all ways on from there; and what all paths through a state have of the whole. */
static void say_gradient(reel_emit *e, const ctc *q)
{
    const int64_t *o = e->out[0].strides;
    reel_set_text_(e, "o", "t * %lld + n * %lld + c * %lld", (long long)o[0], (long long)o[1], (long long)o[2]);
    reel_say_(e, "double all[$jet], *b = alpha + $t * $width, *b2 = b + $width, *share = b2 + $width;\n"
                 "for (long t = 0; t < $t; t++)\n    for (long c = 0; c < $c; c++) ST0($o, 0);\n"
                 "if (steps == 0) continue;\n"
                 "ctc_sum(alpha + (steps - 1) * $width + (states - 1) * $jet, states > 1 ? 2 : 1, $jet, all);\n"
                 "const int none = all[0] == -(double)INFINITY;");
    if (q->a->zero_infinity) reel_say_(e, "if (none) continue;");
    reel_say_(e, "for (long t = steps - 1; t >= 0; t--) {\n    double *kept = b;\n"
                 "    for (long s = 0; s < states; s++) {\n        double ahead[3 * $jet];\n        int m = 0;\n"
                 "        for (long k = s; k < states && k <= s + 2 && t < steps - 1; k++) {\n"
                 "            double *a = ahead + m * $jet;\n"
                 "            if (k == s + 2 && !ctc_skips(mark, k)) continue;\n"
                 "            memcpy(a, b + k * $jet, $jet * sizeof *a);");
    e->depth += 3;
    say_score(e, q, "a", "(t + 1)", "k");
    e->depth -= 3;
    reel_say_(e, "            m++;\n        }\n"
                 "        if (m) {\n            ctc_sum(ahead + (m - 1) * $jet, m, $jet, b2 + s * $jet);\n"
                 "            continue;\n        }\n"
                 "        for (int k = 0; k < $jet; k++) b2[s * $jet + k] = 0;\n"
                 "        b2[s * $jet] = s >= states - 2 ? 0 : -(double)INFINITY;\n    }\n"
                 "    b = b2;\n    b2 = kept;\n"
                 "    for (long c = 0; c < $c; c++) share[c] = none ? (double)NAN : 0;\n"
                 "    for (long s = 0; s < states && !none; s++)\n"
                 "        share[(long)mark[s]] -= ctc_share(alpha + t * $width + s * $jet, b + s * $jet, all, $jet);\n"
                 "    for (long c = 0; c < $c; c++) ST0($o, share[c]);\n}");
}

int reel_emit_ctc_(reel_emit *e)
{
    ctc q = {.a = e->attr, .x = &e->in[0], .targets = &e->in[1], .directions = e->n_in - 4};
    q.loss = e->op->id == REEL_OP_ctc_loss;
    q.t = q.x->dims[0], q.n = q.x->dims[1], q.c = q.x->dims[2];
    q.states = 2 * q.targets->dims[1] + 1;
    q.jet = (int64_t)1 << q.directions;
    if (q.n == 0) return 0;
    reel_refuses_(e, "a length or a label is out of range");
    e->work = (size_t)(q.states * (1 + q.jet * (q.loss ? 2 : q.t + 2)) + (q.loss ? 0 : q.c));
    e->work_type = "double";
    reel_open_(e, "n", q.n);
    say_sequence(e, &q);
    say_forward(e, &q);
    if (q.loss)
        say_loss(e, &q);
    else
        say_gradient(e, &q);
    reel_close_(e, 1);
    return 0;
}

/* clang-format off */
const reel_known reel_ctc_helpers_[] = {
    {"ctc_skips", "int ctc_skips(const double *mark, long s) /* may a path come to state s from s - 2? */\n{\n"
     "    return s >= 2 && s % 2 == 1 && mark[s] != mark[s - 2];\n}\n"},
    {"ctc_exp", "void ctc_exp(const double *a, int n, double *e) /* e^a, entry 0 given: entry s is the derivative along the directions in s */\n{\n"
     "    for (int s = 1; s < n; s++) {\n"
     "        const int d = s & -s, rest = s & ~d;\n"
     "        double sum = 0;\n"
     "        for (int t = rest; e[0] > 0; t = (t - 1) & rest) {\n"
     "            sum += a[t | d] * e[rest & ~t];\n"
     "            if (!t) break;\n"
     "        }\n"
     "        e[s] = sum;\n"
     "    }\n}\n"},
    {"ctc_log", "void ctc_log(const double *z, int n, double *l) /* ln z, entry 0 given */\n{\n"
     "    for (int s = 1; s < n; s++) {\n"
     "        const int d = s & -s, rest = s & ~d;\n"
     "        double sum = z[s];\n"
     "        for (int t = (rest - 1) & rest; rest; t = (t - 1) & rest) {\n"
     "            sum -= l[t | d] * z[rest & ~t];\n"
     "            if (!t) break;\n"
     "        }\n"
     "        l[s] = sum / z[0];\n"
     "    }\n}\n"},
    {"ctc_sum", "void ctc_sum(const double *last, int n, int jet, double *to) /* ln of the sum of e^a over n <= 3 jets, that at `last` the last */\n{\n"
     "    double m = -(double)INFINITY, sum[32] = {0}, e[32];\n"
     "    for (int s = 0; s < jet; s++) to[s] = 0;\n"
     "    for (int i = 0; i < n; i++)\n"
     "        if (!(last[-i * jet] <= m)) m = m == m ? last[-i * jet] : m; /* NaN stays */\n"
     "    to[0] = m;\n"
     "    if (m != m || m == -(double)INFINITY) return;\n"
     "    for (int i = n - 1; i >= 0; i--) {\n"
     "        const double *a = last - i * jet;\n"
     "        e[0] = exp(a[0] - m);\n"
     "        ctc_exp(a, jet, e);\n"
     "        for (int s = 0; s < jet; s++) sum[s] += e[s];\n"
     "    }\n"
     "    to[0] = m + log(sum[0]);\n"
     "    ctc_log(sum, jet, to);\n}\n"},
    {"ctc_share", "double ctc_share(const double *a, const double *b, const double *all, int jet) /* e^(a + b - all), along all directions */\n{\n"
     "    double d[32], e[32];\n"
     "    for (int s = 0; s < jet; s++) d[s] = a[s] + b[s] - all[s];\n"
     "    e[0] = exp(d[0]);\n"
     "    if (!(e[0] > 0)) return e[0];\n"
     "    ctc_exp(d, jet, e);\n"
     "    return e[jet - 1];\n}\n"},
    {NULL, NULL}};
