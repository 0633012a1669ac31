/* text.c: text that grows, for the exporter. */
#include <stdarg.h>
#include <string.h>
#include "core/alloc.h"
#include "emit.h"

void reel_text_put_(reel_text *t, const char *s, size_t n)
{
    if (reel_grow_((void **)&t->s, &t->cap, t->n + n + 1, 1)) return;
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

void reel_text_add_(reel_text *t, const char *s)
{
    reel_text_put_(t, s, strlen(s));
}

static void add_formatted(reel_text *t, const char *fmt, va_list ap)
{
    char small[512];
    va_list again;
    va_copy(again, ap);
    const int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        reel_text_put_(t, small, (size_t)n);
    } else if (n >= 0 && !reel_grow_((void **)&t->s, &t->cap, t->n + (size_t)n + 1, 1)) {
        vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

void reel_text_fmt_(reel_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_formatted(t, fmt, ap);
    va_end(ap);
}

void reel_text_free_(reel_text *t)
{
    reel_free_(t->s, t->cap);
    *t = (reel_text){0};
}

bool reel_is_word_(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ---- words of a body ------------------------------------------------------------------------------------ */

static void set(reel_emit *e, const char *name)
{
    int i = 0;
    while (i < e->n_words && strcmp(e->word[i].name, name) != 0) i++;
    if (i == REEL_EMIT_WORDS) {
        reel_fail_at_("", REEL_ETRACE, "reel_export_c: an emitter has too many words");
        return;
    }
    if (i == e->n_words) e->n_words++;
    snprintf(e->word[i].name, sizeof e->word[i].name, "%s", name);
    e->word[i].at = e->words.n;
}

void reel_set_(reel_emit *e, const char *name, int64_t value)
{
    set(e, name);
    reel_text_fmt_(&e->words, "%lld", (long long)value);
    reel_text_put_(&e->words, "", 1);
}

void reel_set_text_(reel_emit *e, const char *name, const char *fmt, ...)
{
    va_list ap;
    reel_text t = {0}; /* fmt's arguments may be words */
    va_start(ap, fmt);
    add_formatted(&t, fmt, ap);
    va_end(ap);
    set(e, name);
    reel_text_put_(&e->words, reel_text_of_(&t), t.n + 1);
    reel_text_free_(&t);
}

void reel_set_built_(reel_emit *e, const char *name, reel_text *t)
{
    reel_set_text_(e, name, "%s", t->n ? t->s : "0");
    reel_text_free_(t);
}

/* ---- lines ----------------------------------------------------------------------------------------------- */

/* Behind the bracket that closes the one before s. */
static const char *behind_bracket(const char *s)
{
    int depth = 1;
    for (; *s && depth; s++) depth += (*s == '(') - (*s == ')');
    return s;
}

static void expand(reel_emit *e, reel_text *out, const char *s, const char *end);

/* The comma between two arguments. */
static const char *comma(const char *s, const char *end)
{
    int depth = 0;
    for (; s < end; s++) {
        if (*s == ',' && depth == 0) return s;
        depth += (*s == '(' || *s == '[') - (*s == ')' || *s == ']');
    }
    return end;
}

static void load(reel_emit *e, reel_text *out, reel_eoperand *o, bool raw, const char *s, const char *end)
{
    const bool half = !raw && (o->dtype == REEL_F16 || o->dtype == REEL_BF16);
    if (half) reel_text_add_(out, o->dtype == REEL_F16 ? "f16_get(" : "bf16_get(");
    if (o->text) {
        reel_text_fmt_(out, half ? "%s)" : "%s", o->text);
        return;
    }
    o->read = true;
    reel_text_fmt_(out, "%s[", o->name);
    expand(e, out, s, end);
    reel_text_add_(out, half ? "])" : "]");
}

static void store(reel_emit *e, reel_text *out, reel_eoperand *o, bool raw, const char *s, const char *end)
{
    const char *mid = comma(s, end), *value = mid + (mid < end);
    while (value < end && *value == ' ') value++;
    const bool half = !raw && (o->dtype == REEL_F16 || o->dtype == REEL_BF16);
    o->read = true;
    reel_text_fmt_(out, "%s[", o->name);
    expand(e, out, s, mid);
    if (half)
        reel_text_add_(out, o->dtype == REEL_F16 ? "] = f16_put((float)(" : "] = bf16_put((float)(");
    else
        reel_text_fmt_(out, raw ? "] = (" : "] = (%s)(", reel_ctype_(o->dtype));
    expand(e, out, value, end);
    reel_text_add_(out, half ? "))" : ")");
}

static const char *word_of(const reel_emit *e, const char *s, size_t n)
{
    for (int i = 0; i < e->n_words; i++)
        if (strlen(e->word[i].name) == n && memcmp(e->word[i].name, s, n) == 0)
            return e->words.s ? e->words.s + e->word[i].at : "";
    return NULL;
}

/* One identifier at s of n letters. Returns what comes behind it. */
static const char *expand_word(reel_emit *e, reel_text *out, const char *s, size_t n)
{
    const char *behind = s + n;
    const bool call = *behind == '(';
    int k = 0;
    for (size_t i = 2; i < n; i++)
        k = s[i] >= '0' && s[i] <= '9' && k < REEL_MAX_IN ? k * 10 + (s[i] - '0') : REEL_MAX_IN;
    static const char kinds[] = "LDLORDSTWR";
    const char *kind = n > 2 && call && k < REEL_MAX_IN ? kinds : "";
    while (*kind && memcmp(kind, s, 2) != 0) kind += 2;
    if (*kind) {
        const char *end = behind_bracket(behind + 1);
        const bool raw = *kind == 'R' || *kind == 'W';
        if (kind - kinds < 6)
            load(e, out, s[1] == 'D' ? &e->in[k] : &e->out[k], raw, behind + 1, end - 1);
        else
            store(e, out, &e->out[k], raw, behind + 1, end - 1);
        return end;
    }
    if (call && n == 1 && *s == 'V') {
        char name[32], buf[64];
        const char *end = behind_bracket(behind + 1);
        snprintf(name, sizeof name, "%.*s", (int)(end - 1 - behind - 1), behind + 1);
        reel_text_add_(out, reel_math_(e->real, name, buf));
        return end;
    }
    if (n == 1 && *s == 'T')
        reel_text_add_(out, reel_compute_type_(e->real));
    else
        reel_text_put_(out, s, n);
    return behind;
}

static void expand(reel_emit *e, reel_text *out, const char *s, const char *end)
{
    while (s < end) {
        size_t n = 0;
        if (*s == '$') {
            while (s + 1 + n < end && reel_is_word_(s[1 + n])) n++;
            const char *w = word_of(e, s + 1, n);
            if (w)
                expand(e, out, w, w + strlen(w));
            else
                reel_fail_at_("", REEL_ETRACE, "reel_export_c: reel_%s: no word %.*s", e->op ? e->op->name : "copy",
                              (int)n, s + 1);
            s += 1 + n;
        } else if (reel_is_word_(*s)) {
            while (s + n < end && reel_is_word_(s[n])) n++;
            s = *s >= '0' && *s <= '9' ? (reel_text_put_(out, s, n), s + n) : expand_word(e, out, s, n);
        } else {
            reel_text_put_(out, s++, 1);
        }
    }
}

static void indent(reel_emit *e)
{
    for (int i = 0; i <= e->depth; i++) reel_text_add_(&e->body, "    ");
}

/* Offsets without what adds nothing: "0 + " behind a bracket, " * 1" before one or a sum. */
static void put_tidy(reel_text *to, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        size_t skip = 0;
        if ((s[i] == '[' || s[i] == '(') && i + 4 < n && memcmp(s + i + 1, "0 + ", 4) == 0) skip = 4;
        if (skip) {
            reel_text_put_(to, s + from, i + 1 - from);
            from = i + 1 + skip;
            i += skip;
        } else if (i + 4 < n && memcmp(s + i, " * 1", 4) == 0 &&
                   (s[i + 4] == ']' || s[i + 4] == ')' || memcmp(s + i + 4, " + ", 3) == 0)) {
            reel_text_put_(to, s + from, i - from);
            from = i + 4;
            i += 3;
        }
    }
    if (from < n) reel_text_put_(to, s + from, n - from);
}

void reel_say_(reel_emit *e, const char *lines)
{
    reel_text line = {0};
    for (const char *s = lines; *s;) {
        const char *end = strchr(s, '\n');
        if (!end) end = s + strlen(s);
        if (end > s) indent(e);
        line.n = 0;
        expand(e, &line, s, end);
        put_tidy(&e->body, reel_text_of_(&line), line.n);
        reel_text_add_(&e->body, "\n");
        s = end + (*end == '\n');
    }
    reel_text_free_(&line);
}

void reel_sayf_(reel_emit *e, const char *fmt, ...)
{
    va_list ap;
    reel_text t = {0};
    va_start(ap, fmt);
    add_formatted(&t, fmt, ap);
    va_end(ap);
    reel_say_(e, reel_text_of_(&t));
    reel_text_free_(&t);
}

/* ---- loops and places ------------------------------------------------------------------------------------- */

void reel_open_(reel_emit *e, const char *v, int64_t n)
{
    reel_sayf_(e, "for (long %s = 0; %s < %lld; %s++) {", v, v, (long long)n, v);
    e->depth++;
}

void reel_close_(reel_emit *e, int n)
{
    while (n-- > 0) {
        e->depth--;
        reel_say_(e, "}");
    }
}

int reel_open_all_(reel_emit *e, const char *p, const int64_t *dims, int rank)
{
    int n = 0;
    for (int i = 0; i < rank; i++) {
        char v[24];
        if (dims[i] == 1) continue;
        snprintf(v, sizeof v, "%s%d", p, i);
        reel_open_(e, v, dims[i]);
        n++;
    }
    return n;
}

const char *reel_offset_(const int64_t *dims, const int64_t *strides, int rank, const char *p, unsigned only,
                         char buf[REEL_OFFSET_TEXT])
{
    size_t n = 0;
    for (int i = 0; i < rank && n + 48 < REEL_OFFSET_TEXT; i++) {
        if (dims[i] == 1 || strides[i] == 0 || !((only >> i) & 1u)) continue;
        const char *sign = n == 0 ? (strides[i] < 0 ? "-" : "") : strides[i] < 0 ? " - " : " + ";
        const long long s = (long long)(strides[i] < 0 ? -strides[i] : strides[i]);
        n += (size_t)snprintf(buf + n, REEL_OFFSET_TEXT - n, s == 1 ? "%s%s%d" : "%s%s%d * %lld", sign, p, i, s);
    }
    if (n == 0) memcpy(buf, "0", 2);
    return buf;
}

void reel_set_offset_(reel_emit *e, const char *name, const reel_eoperand *o, const char *p)
{
    char buf[REEL_OFFSET_TEXT];
    reel_set_text_(e, name, "%s", reel_offset_(o->dims, o->strides, o->rank, p, ~0u, buf));
}

void reel_set_along_(reel_emit *e, const char *name, const reel_eoperand *o, const int64_t *dims, int rank,
                     const char *p)
{
    int64_t strides[REEL_MAX_RANK] = {0};
    char buf[REEL_OFFSET_TEXT];
    for (int i = 0; i < o->rank; i++)
        if (o->dims[i] != 1) strides[rank - o->rank + i] = o->strides[i];
    reel_set_text_(e, name, "%s", reel_offset_(dims, strides, rank, p, ~0u, buf));
}
