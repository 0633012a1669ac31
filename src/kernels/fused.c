/* fused.c: several elementwise ops in one pass over memory. The ops' own inner loops run one after another on a tile that
   stays in cache, light ones in registers (chain.h), so every element gets the bits it would get from the ops one by one. */
#include "core/compiler.h"
REEL_SMALL_LOOPS
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include "core/alloc.h"
#include "kernels/after.h"
#include "kernels/chain.h"
#include "kernels/cpu_table.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/printing.h"
#include "kernels/units.h"

/* Tiles live on the stack; what an op reads and writes should fit the first-level cache. */
enum { TEMPS = REEL_FUSED_PARTS + REEL_FUSED_NUMBERS };
enum { TILE_MAX = 1024, TILE_MIN = 64, TILE_BYTES = TILE_MIN * 8 * TEMPS, TILE_CACHE = 16 * 1024 };
enum { OPERANDS = REEL_FUSED_IN + REEL_FUSED_NUMBERS + REEL_FUSED_PARTS };

/* One element that a loop wants spread over a tile. */
typedef struct spread {
    uint8_t from, to, size;
} spread;

/* Registers: inputs, outputs, numbers, slots, temporaries. Slots have a block each: there a chain that its ops' own loops do again has what
   otherwise needs no memory. */
enum { REGS = REEL_FUSED_IN + REEL_FUSED_OUT + REEL_FUSED_NUMBERS + REEL_FUSED_PARTS + TEMPS };
typedef struct program {
    reel_loop loop;                                        /* over the inputs and outputs */
    reel_loop whole;                                       /* the same for the compiled form, */
    _Atomic(reel_group_fn *) compiled;                     /* NULL: there is none (yet) */
    int n_parts, n_numbers, n_temps, n_spread, tile, unit; /* unit: bytes of a temporary's element */
    int n_chains, n_links, n_slots;
    uint8_t size[REEL_FUSED_IN + REEL_FUSED_OUT];
    reel_own part[REEL_FUSED_PARTS];
    reel_chain chain[REEL_FUSED_PARTS];
    reel_group_call call[REEL_FUSED_PARTS];
    reel_loop_op op[REEL_FUSED_PARTS];
    spread spreads[REEL_FUSED_NUMBERS];
    reel_link link[REEL_CHAIN_LINKS];
} program;
typedef struct fused_plan {
    program *p;
} fused_plan;
/* What the loop's inner function gets. */
typedef struct running {
    const program *p;
    void *const *numbers;
} running;

typedef struct running_compiled {
    reel_group_fn *fn;
    void *const *numbers;
    const reel_group_call *call;
} running_compiled;

static void inner_compiled(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)
{
    const running_compiled *r = extra;
    (void)step; /* all 1 */
    r->fn(ptr, n, r->numbers, r->call);
}

static void fill(char *to, const char *from, int size, int64_t n)
{
    reel_gather_(to, from, 1, 0, n, 0, size);
}

/* Chains are of f32. */
static reel_spot spot(void *at, int step)
{
    return (reel_spot){at, (uint8_t)step, (uint8_t)(step ? sizeof(float) : 0), 0};
}

static void inner(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)
{
    const running *r = extra;
    const program *p = r->p;
    _Alignas(64) char temps[TILE_BYTES];
    _Alignas(64) float slots[REEL_FUSED_PARTS][REEL_CHAIN_BLOCK];
    reel_spot reg[REGS];
    const int n_io = p->loop.n_in + p->loop.n_out;
    int k = 0;
    for (; k < n_io; k++) reg[k] = spot(ptr[k], k < p->loop.n_in ? step[k] : 1);
    for (int i = 0; i < p->n_numbers; i++, k++)
        reg[k] = spot(r->numbers[i], p->loop.n == 1); /* as the ops one by one have it */
    for (int i = 0; i < p->n_slots; i++, k++) reg[k] = (reel_spot){(char *)slots[i], 1, 0, 0};
    for (int i = 0; i < p->n_temps; i++, k++) reg[k] = spot(temps + (size_t)i * (size_t)p->tile * (size_t)p->unit, 1);
    for (int i = 0; i < p->n_spread; i++)
        fill(reg[p->spreads[i].to].at, reg[p->spreads[i].from].at, p->spreads[i].size, n < p->tile ? n : p->tile);
    for (int64_t at = 0; at < n; at += p->tile) {
        const int64_t len = n - at < p->tile ? n - at : p->tile;
        for (int i = 0; i < p->n_chains; i++) {
            const reel_chain *c = &p->chain[i];
            if (c->n_parts > 1)
                reel_chain_run_(c, p->part, p->link, reg, 1, len);
            else
                reel_own_run_(&p->part[c->part], reg, 0, 0, len);
        }
        for (int i = 0; i < n_io; i++) reg[i].at += len * p->size[i] * reg[i].step;
    }
}

/* ---- registers --------------------------------------------------------------------------------------- */

typedef struct registers {
    const reel_fused *f;
    const reel_unit *unit;
    program *p;
    int16_t reg[OPERANDS];         /* of an operand; -1: none yet */
    int16_t end[REEL_FUSED_PARTS]; /* of a unit: of the chain that it is in, itself if it is in none */
    int16_t last[OPERANDS];        /* the last unit that reads it, or the end of that one's chain */
    int16_t wide[OPERANDS];        /* of a number that a loop wants spread: where */
    bool busy[TEMPS];
    int first_temp;
} registers;

/* There are as many as parts and numbers together: one is always free. */
static int16_t take_temp(registers *r)
{
    int i = 0;
    while (i < TEMPS - 1 && r->busy[i]) i++;
    r->busy[i] = true;
    if (i >= r->p->n_temps) r->p->n_temps = i + 1;
    return (int16_t)(r->first_temp + i);
}

static bool is_number(const reel_fused *f, int operand)
{
    return operand >= f->n_in && operand < f->n_in + f->n_numbers;
}

/* sig has inputs, numbers, outputs; registers have the numbers behind the outputs, as the loop does not see them. */
static void number_registers(registers *r)
{
    const reel_fused *f = r->f;
    memset(r->last, 0xff, sizeof r->last);
    memset(r->reg, 0xff, sizeof r->reg);
    memset(r->wide, 0xff, sizeof r->wide);
    for (int i = 0; i < f->n_in; i++) r->reg[i] = (int16_t)i;
    for (int i = 0; i < f->n_numbers; i++) r->reg[f->n_in + i] = (int16_t)(f->n_in + f->n_out + i);
    for (int i = 0; i < f->n_out; i++) r->reg[f->n_in + f->n_numbers + i] = (int16_t)(f->n_in + i);
    for (int first = 0, last = 0; first < f->n_parts; first = last + 1) {
        last = reel_chain_end_(f, first);
        if (last > first && last - first > r->p->n_slots) r->p->n_slots = last - first;
        for (int i = first; i <= last; i++) {
            r->end[i] = (int16_t)last;
            for (int j = 0; j < r->unit[i].n_in; j++) r->last[r->unit[i].in[j]] = (int16_t)last;
        }
    }
    r->first_temp = f->n_in + f->n_out + f->n_numbers + r->p->n_slots;
}

/* Numbers that some loop wants spread get a register for good, before any other: it is filled before the first tile. */
static void widen_numbers(registers *r)
{
    const reel_fused *f = r->f;
    for (int i = 0; i < f->n_parts; i++)
        for (int j = 0; j < r->unit[i].n_in && !r->unit[i].op.spread; j++) {
            const int operand = r->unit[i].in[j];
            if (!is_number(f, operand) || r->wide[operand] >= 0) continue;
            r->wide[operand] = take_temp(r);
            if (reel_dtype_bytes_[r->unit[i].in_dtype[j]] > r->p->unit)
                r->p->unit = reel_dtype_bytes_[r->unit[i].in_dtype[j]];
            r->p->spreads[r->p->n_spread++] = (spread){(uint8_t)r->reg[operand], (uint8_t)r->wide[operand],
                                                       reel_dtype_bytes_[r->unit[i].in_dtype[j]]};
        }
}

/* Temporaries that unit i is the last to read are free: those of the result's size for the result, too. */
static void free_read(registers *r, int i, bool same_size)
{
    const reel_unit *u = &r->unit[i];
    for (int j = 0; j < u->n_in; j++) {
        const int reg = r->reg[u->in[j]];
        const bool same = reel_dtype_bytes_[u->in_dtype[j]] == reel_dtype_bytes_[u->out_dtype];
        if (reg >= r->first_temp && r->last[u->in[j]] == i && same == same_size) r->busy[reg - r->first_temp] = false;
    }
}

/* Those that the chain is the last to read: bools when its result has a place, as a loop that writes f32 over them would find some gone. */
static void free_chained(registers *r, int first, int last, reel_dtype dtype)
{
    for (int i = first; i <= last; i++)
        for (int j = 0; j < r->unit[i].n_in; j++) {
            const int operand = r->unit[i].in[j], reg = r->reg[operand];
            if (r->unit[i].in_dtype[j] == dtype && reg >= r->first_temp && r->last[operand] == last)
                r->busy[reg - r->first_temp] = false;
        }
}

static bool is_inside(const reel_fused *f, int operand)
{
    return operand >= f->n_in + f->n_numbers + f->n_out;
}

static void result_temp(registers *r, int i)
{
    const reel_unit *u = &r->unit[i];
    r->reg[u->out] = take_temp(r);
    if (reel_dtype_bytes_[u->out_dtype] > r->p->unit) r->p->unit = reel_dtype_bytes_[u->out_dtype];
}

/* Its registers are there. */
static void add_part(registers *r, int i)
{
    const reel_unit *u = &r->unit[i];
    program *p = r->p;
    reel_own *to = &p->part[p->n_parts++];
    *to = (reel_own){.fn = p->op[i].fn, .extra = &p->op[i].extra, .n_in = (uint8_t)u->n_in};
    for (int j = 0; j < u->n_in; j++)
        to->in[j] = (uint8_t)(u->op.spread || r->wide[u->in[j]] < 0 ? r->reg[u->in[j]] : r->wide[u->in[j]]);
    to->out = (uint8_t)r->reg[u->out];
}

static void place_unit(registers *r, int i)
{
    free_read(r, i, true);
    if (is_inside(r->f, r->unit[i].out)) result_temp(r, i);
    r->p->chain[r->p->n_chains++] = (reel_chain){.part = (uint8_t)r->p->n_parts, .n_parts = 1};
    add_part(r, i);
    free_read(r, i, false);
}

/* What a chain stores before its end has temporaries that hold nothing that it reads, for it may give up and begin again. */
static void place_chain(registers *r, int first, int last)
{
    const reel_fused *f = r->f;
    program *p = r->p;
    if (p->unit < (int)sizeof(float)) p->unit = sizeof(float);
    reel_chain c = {(uint8_t)p->n_parts, (uint8_t)(last - first + 1), (uint8_t)p->n_links, 0};
    for (int i = first; i < last; i++) {
        bool kept;
        if (reel_chain_stores_(f, first, i, last, &kept))
            result_temp(r, i);
        else
            r->reg[f->part[i].out] = (int16_t)(f->n_in + f->n_out + f->n_numbers + i - first);
    }
    free_chained(r, first, last, REEL_F32);
    if (is_inside(f, f->part[last].out)) result_temp(r, last);
    for (int i = first; i <= last; i++) add_part(r, i);
    c.n_links = (uint8_t)reel_chain_links_(f, first, last, r->reg, p->op, p->link + p->n_links);
    p->n_links += c.n_links;
    p->chain[p->n_chains++] = c;
    free_chained(r, first, last, REEL_BOOL);
}

/* ---- the kernel -------------------------------------------------------------------------------------- */

bool reel_fuses_(const reel_op *op)
{
    const reel_kernel *k = reel_kernel_(&reel_cpu_device_, op);
    return k == &reel_k_elementwise_ || k == &reel_k_where_ || k == &reel_k_cast_;
}

/* As long as what is read and written fits the first-level cache, and what is on the stack its place. Where nothing is read again, all is
   one. */
static int tile_of(const program *p, const reel_fused *f)
{
    if (p->n_chains == 1 && !p->n_temps) return INT_MAX;
    const int lists = f->n_in + f->n_out + p->n_temps + 1;
    int tile = TILE_CACHE / (p->unit * lists), most = TILE_BYTES / (p->unit * (p->n_temps + 1));
    if (tile > TILE_MAX) tile = TILE_MAX;
    if (tile > most) tile = most;
    tile &= ~(TILE_MIN - 1);
    return tile < TILE_MIN ? TILE_MIN : tile;
}

static int compile(const reel_ksig *sig, program *p)
{
    const reel_fused *f = sig->attr;
    reel_unit unit[REEL_FUSED_PARTS];
    registers r = {.f = f, .unit = unit, .p = p};
    const int rc = reel_units_(f, unit);
    if (rc) return rc;
    double cost = 0;
    bool all_spread = true;
    number_registers(&r);
    p->unit = 1;
    for (int i = 0; i < f->n_parts; i++) {
        p->op[i] = unit[i].op;
        p->call[i] = (reel_group_call){p->op[i].fn, &p->op[i].extra};
        all_spread = all_spread && p->op[i].spread;
        cost += 1.0 / (double)p->op[i].grain;
    }
    widen_numbers(&r);
    for (int i = 0; i < f->n_parts; i = r.end[i] + 1) {
        if (r.end[i] > i)
            place_chain(&r, i, r.end[i]);
        else
            place_unit(&r, i);
    }
    reel_ksig whole = *sig; /* the numbers stand between the inputs and the outputs */
    whole.n_in = f->n_in;
    p->n_numbers = f->n_numbers;
    /* threads get whole blocks, which begin at cache lines where the operands do */
    const int64_t grain = ((int64_t)(1 / cost) / REEL_CHAIN_BLOCK + 1) * REEL_CHAIN_BLOCK;
    reel_loop_init_(&p->loop, &whole, inner, grain, all_spread);
    reel_loop_init_(&p->whole, &whole, inner_compiled, grain, false);
    memcpy(p->size, p->loop.size, (size_t)f->n_in + (size_t)f->n_out);
    p->tile = tile_of(p, f);
    return 0;
}

static int fused_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    fused_plan *fp = plan;
    fp->p = reel_zalloc_(sizeof *fp->p);
    if (!fp->p) return REEL_ENOMEM;
    const int rc = compile(sig, fp->p);
    if (!rc) return 0;
    reel_free_(fp->p, sizeof *fp->p);
    fp->p = NULL;
    return rc;
}

static void pointers(const program *p, void *const *ptr, void **io)
{
    const int n_in = p->loop.n_in, n_out = p->loop.n_out;
    for (int i = 0; i < n_in; i++) io[i] = ptr[i];
    for (int i = 0; i < n_out; i++) io[n_in + i] = ptr[n_in + p->n_numbers + i];
}

/* Elements [begin, end); end < 0: all, on threads. */
static void run_range(const program *p, void *const *ptr, int64_t begin, int64_t end)
{
    reel_group_fn *const compiled = atomic_load_explicit(&p->compiled, memory_order_acquire);
    const running_compiled fast = {compiled, ptr + p->loop.n_in, p->call};
    const running slow = {p, ptr + p->loop.n_in};
    const reel_loop *l = compiled ? &p->whole : &p->loop;
    const void *extra = compiled ? (const void *)&fast : &slow;
    void *io[REEL_FUSED_IN + REEL_FUSED_OUT];
    pointers(p, ptr, io);
    if (end < 0)
        reel_loop_run_(l, io, extra);
    else
        reel_loop_range_(l, io, extra, begin, end);
}

static int fused_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    run_range(((const fused_plan *)plan)->p, ptr, 0, -1);
    return 0;
}

void reel_fused_range_(const void *plan, void *const *ptr, int64_t begin, int64_t end)
{
    run_range(((const fused_plan *)plan)->p, ptr, begin, end);
}

int reel_fused_new_(const reel_ksig *sig, void **group)
{
    size_t none = 0;
    void *plan = reel_zalloc_(reel_k_fused_.plan_size);
    if (!plan) return REEL_ENOMEM;
    const int rc = reel_k_fused_.prepare(sig, plan, &none);
    if (rc)
        reel_free_(plan, reel_k_fused_.plan_size);
    else
        *group = plan;
    return rc;
}

void reel_fused_use_(void *plan, reel_group_fn *fn)
{
    atomic_store_explicit(&((fused_plan *)plan)->p->compiled, fn, memory_order_release);
}

static void fused_drop(void *plan)
{
    reel_free_(((fused_plan *)plan)->p, sizeof(program));
}
const reel_kernel reel_k_fused_ = {
    .plan_size = sizeof(fused_plan), .prepare = fused_prepare, .run = fused_run, .drop = fused_drop};
