/* Printing against strings that NumPy 2.4 printed for the same values. */
#include "core/alloc.h"
#include "core/dtype.h"
#include "core/tensor.h"
#include "reel/reel.h"
#include "tap.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct golden {
    reel_type type;
    const double *values; /* NULL: a ramp i * step */
    double step;
    const char *text;
} golden;

static const golden table[] = {
    {{REEL_F32, {0, {0}}}, (const double[]){1.0}, 0, "1.0"},
    {{REEL_F32, {0, {0}}}, (const double[]){-0.0}, 0, "-0.0"},
    {{REEL_F32, {0, {0}}}, (const double[]){9.999999747378752e-06}, 0, "1e-05"},
    {{REEL_F32, {0, {0}}}, (const double[]){123456792.0}, 0, "1.2345679e+08"},
    {{REEL_F64, {0, {0}}}, (const double[]){0.1}, 0, "0.1"},
    {{REEL_F64, {0, {0}}}, (const double[]){1e+16}, 0, "1e+16"},
    {{REEL_F16, {0, {0}}}, (const double[]){65504.0}, 0, "6.55e+04"},
    {{REEL_F32, {0, {0}}}, (const double[]){NAN}, 0, "nan"},
    {{REEL_I32, {0, {0}}}, (const double[]){7}, 0, "7"},
    {{REEL_BOOL, {0, {0}}}, (const double[]){1}, 0, "True"},
    {{REEL_F32, {1, {0}}}, (const double[]){0}, 0, "[]"},
    {{REEL_F32, {2, {0, 3}}}, (const double[]){0}, 0, "[]"},
    {{REEL_F32, {2, {2, 2}}},
     (const double[]){1.0, 2.0, 3.0, 4.0},
     0,
     "[[1. 2.]\n"
     " [3. 4.]]"},
    {{REEL_F32, {1, {3}}}, (const double[]){1.5, -2.0, 0.25}, 0, "[ 1.5  -2.    0.25]"},
    {{REEL_F32, {1, {3}}},
     (const double[]){0.10000000149011612, 0.20000000298023224, 0.30000001192092896},
     0,
     "[0.1 0.2 0.3]"},
    {{REEL_F32, {1, {2}}}, (const double[]){0.3333333432674408, 0.6666666865348816}, 0, "[0.33333334 0.6666667 ]"},
    {{REEL_F64, {1, {2}}}, (const double[]){0.3333333333333333, 0.6666666666666666}, 0, "[0.33333333 0.66666667]"},
    {{REEL_F32, {1, {2}}}, (const double[]){9.999999747378752e-06, 1.0}, 0, "[1.e-05 1.e+00]"},
    {{REEL_F32, {1, {2}}}, (const double[]){1000000.0, 1.0}, 0, "[1.e+06 1.e+00]"},
    {{REEL_F32, {1, {2}}}, (const double[]){999999.0, 1.0}, 0, "[9.99999e+05 1.00000e+00]"},
    {{REEL_F32, {1, {2}}}, (const double[]){1.0, 1001.0}, 0, "[1.000e+00 1.001e+03]"},
    {{REEL_F32, {1, {2}}}, (const double[]){1.0, 1000.0}, 0, "[   1. 1000.]"},
    {{REEL_F64, {1, {2}}}, (const double[]){100000000.0, 1.0}, 0, "[1.e+08 1.e+00]"},
    {{REEL_F64, {1, {2}}}, (const double[]){1e-300, 1e+300}, 0, "[1.e-300 1.e+300]"},
    {{REEL_F64, {1, {1}}}, (const double[]){5e-324}, 0, "[5.e-324]"},
    {{REEL_F32, {1, {4}}}, (const double[]){NAN, 1.0, INFINITY, -INFINITY}, 0, "[ nan   1.  inf -inf]"},
    {{REEL_F32, {1, {2}}}, (const double[]){NAN, INFINITY}, 0, "[nan inf]"},
    {{REEL_F32, {1, {1}}}, (const double[]){-INFINITY}, 0, "[-inf]"},
    {{REEL_F32, {1, {2}}}, (const double[]){NAN, 10000000000.0}, 0, "[   nan 1.e+10]"},
    {{REEL_F32, {1, {2}}}, (const double[]){0.0, -0.0}, 0, "[ 0. -0.]"},
    {{REEL_F16, {1, {3}}}, (const double[]){65504.0, 1.0, 5.960464477539063e-08}, 0, "[6.55e+04 1.00e+00 5.96e-08]"},
    {{REEL_F16, {1, {2}}}, (const double[]){999.0, 0.5}, 0, "[9.99e+02 5.00e-01]"},
    {{REEL_F16, {1, {1}}}, (const double[]){3.140625}, 0, "[3.14]"},
    {{REEL_BOOL, {1, {2}}}, (const double[]){1, 0}, 0, "[ True False]"},
    {{REEL_I8, {1, {3}}}, (const double[]){-128, 127, 0}, 0, "[-128  127    0]"},
    {{REEL_U8, {1, {2}}}, (const double[]){255, 0}, 0, "[255   0]"},
    {{REEL_I32, {1, {2}}}, (const double[]){-2147483648.0, 7}, 0, "[-2147483648           7]"},
    {{REEL_I64, {1, {2}}},
     (const double[]){-9223372036854775808.0, 4611686018427387904.0},
     0,
     "[-9223372036854775808  4611686018427387904]"},
    {{REEL_I32, {3, {2, 3, 4}}},
     NULL,
     1,
     "[[[ 0  1  2  3]\n"
     "  [ 4  5  6  7]\n"
     "  [ 8  9 10 11]]\n"
     "\n"
     " [[12 13 14 15]\n"
     "  [16 17 18 19]\n"
     "  [20 21 22 23]]]"},
    {{REEL_I32, {1, {40}}},
     NULL,
     1,
     "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
     " 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]"},
    {{REEL_F32, {1, {30}}},
     NULL,
     0.123,
     "[0.    0.123 0.246 0.369 0.492 0.615 0.738 0.861 0.984 1.107 1.23  1.353\n"
     " 1.476 1.599 1.722 1.845 1.968 2.091 2.214 2.337 2.46  2.583 2.706 2.829\n"
     " 2.952 3.075 3.198 3.321 3.444 3.567]"},
    {{REEL_F32, {1, {1001}}}, NULL, 1, "[   0.    1.    2. ...  998.  999. 1000.]"},
    {{REEL_F32, {2, {40, 50}}},
     NULL,
     1,
     "[[0.000e+00 1.000e+00 2.000e+00 ... 4.700e+01 4.800e+01 4.900e+01]\n"
     " [5.000e+01 5.100e+01 5.200e+01 ... 9.700e+01 9.800e+01 9.900e+01]\n"
     " [1.000e+02 1.010e+02 1.020e+02 ... 1.470e+02 1.480e+02 1.490e+02]\n"
     " ...\n"
     " [1.850e+03 1.851e+03 1.852e+03 ... 1.897e+03 1.898e+03 1.899e+03]\n"
     " [1.900e+03 1.901e+03 1.902e+03 ... 1.947e+03 1.948e+03 1.949e+03]\n"
     " [1.950e+03 1.951e+03 1.952e+03 ... 1.997e+03 1.998e+03 1.999e+03]]"},
    {{REEL_I64, {3, {10, 11, 11}}},
     NULL,
     1,
     "[[[   0    1    2 ...    8    9   10]\n"
     "  [  11   12   13 ...   19   20   21]\n"
     "  [  22   23   24 ...   30   31   32]\n"
     "  ...\n"
     "  [  88   89   90 ...   96   97   98]\n"
     "  [  99  100  101 ...  107  108  109]\n"
     "  [ 110  111  112 ...  118  119  120]]\n"
     "\n"
     " [[ 121  122  123 ...  129  130  131]\n"
     "  [ 132  133  134 ...  140  141  142]\n"
     "  [ 143  144  145 ...  151  152  153]\n"
     "  ...\n"
     "  [ 209  210  211 ...  217  218  219]\n"
     "  [ 220  221  222 ...  228  229  230]\n"
     "  [ 231  232  233 ...  239  240  241]]\n"
     "\n"
     " [[ 242  243  244 ...  250  251  252]\n"
     "  [ 253  254  255 ...  261  262  263]\n"
     "  [ 264  265  266 ...  272  273  274]\n"
     "  ...\n"
     "  [ 330  331  332 ...  338  339  340]\n"
     "  [ 341  342  343 ...  349  350  351]\n"
     "  [ 352  353  354 ...  360  361  362]]\n"
     "\n"
     " ...\n"
     "\n"
     " [[ 847  848  849 ...  855  856  857]\n"
     "  [ 858  859  860 ...  866  867  868]\n"
     "  [ 869  870  871 ...  877  878  879]\n"
     "  ...\n"
     "  [ 935  936  937 ...  943  944  945]\n"
     "  [ 946  947  948 ...  954  955  956]\n"
     "  [ 957  958  959 ...  965  966  967]]\n"
     "\n"
     " [[ 968  969  970 ...  976  977  978]\n"
     "  [ 979  980  981 ...  987  988  989]\n"
     "  [ 990  991  992 ...  998  999 1000]\n"
     "  ...\n"
     "  [1056 1057 1058 ... 1064 1065 1066]\n"
     "  [1067 1068 1069 ... 1075 1076 1077]\n"
     "  [1078 1079 1080 ... 1086 1087 1088]]\n"
     "\n"
     " [[1089 1090 1091 ... 1097 1098 1099]\n"
     "  [1100 1101 1102 ... 1108 1109 1110]\n"
     "  [1111 1112 1113 ... 1119 1120 1121]\n"
     "  ...\n"
     "  [1177 1178 1179 ... 1185 1186 1187]\n"
     "  [1188 1189 1190 ... 1196 1197 1198]\n"
     "  [1199 1200 1201 ... 1207 1208 1209]]]"},
    {{REEL_F32, {2, {2, 1}}},
     (const double[]){1.0, 10.25},
     0,
     "[[ 1.  ]\n"
     " [10.25]]"},
    {{REEL_F64, {4, {2, 1, 2, 2}}},
     (const double[]){0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5},
     0,
     "[[[[0.  0.5]\n"
     "   [1.  1.5]]]\n"
     "\n"
     "\n"
     " [[[2.  2.5]\n"
     "   [3.  3.5]]]]"},
    {{REEL_F32, {1, {2}}}, (const double[]){9.999999747378752e-05, 0.05000000074505806}, 0, "[0.0001 0.05  ]"},
    {{REEL_F64, {1, {2}}}, (const double[]){16777216.0, 1.0}, 0, "[1.6777216e+07 1.0000000e+00]"},
    {{REEL_F64, {1, {2}}}, (const double[]){123456.789, 0.001}, 0, "[1.23456789e+05 1.00000000e-03]"},
    {{REEL_F64, {1, {2}}}, (const double[]){0.015625, 5.684341886080802e-14}, 0, "[1.56250000e-02 5.68434189e-14]"},
    {{REEL_F32, {2, {3, 3}}},
     (const double[]){1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0},
     0,
     "[[1. 0. 0.]\n"
     " [0. 1. 0.]\n"
     " [0. 0. 1.]]"},
    {{REEL_F64, {1, {1}}}, (const double[]){0.30000000000000004}, 0, "[0.3]"},
    {{REEL_F64, {1, {2}}}, (const double[]){1.123456789, 2.1}, 0, "[1.12345679 2.1       ]"},
    {{REEL_BOOL, {1, {4}}}, (const double[]){1, 0, 0, 1}, 0, "[ True False False  True]"},
};

static reel_tensor *make(const golden *g)
{
    const int64_t n = reel_shape_count(g->type.shape);
    const size_t bytes = (size_t)n * reel_dtype_size(g->type.dtype);
    double *x = malloc(sizeof *x * (size_t)(n + 1));
    char *data = malloc(bytes + 1);
    for (int64_t i = 0; i < n; i++) {
        x[i] = g->values ? g->values[i] : (double)i * g->step;
    }
    reel_convert_(data, g->type.dtype, 1, x, REEL_F64, 1, n);
    reel_tensor *t = reel_from(g->type, data, bytes);
    free(data);
    free(x);
    return t;
}

static void test_golden(void)
{
    char buf[16384];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        REEL_SCOPED;
        const int64_t n = reel_format(make(&table[i]), buf, sizeof buf);
        if (TAP_OK(n == (int64_t)strlen(table[i].text), "row %zu has NumPy's length", i)) {
            TAP_EQ_STR(buf, table[i].text);
        }
    }
}

static void test_bf16(void)
{
    REEL_SCOPED;
    char buf[64];
    const uint16_t x[3] = {0x3f80, 0x3e80, 0xc049}; /* 1, 0.25, -3.140625 */
    reel_format(reel_from((reel_type){REEL_BF16, REEL_SHAPE(3)}, x, sizeof x), buf, sizeof buf);
    TAP_EQ_STR(buf, "[ 1.    0.25 -3.14]");
}

/* The three ways to lay out the same numbers print the same. */
static void test_strided(void)
{
    REEL_SCOPED;
    char buf[64];
    const float x[6] = {1, 4, 2, 5, 3, 6};
    reel_tensor *t = reel_from_f32(REEL_SHAPE(3, 2), x, 6);
    const reel_type type = {REEL_F32, REEL_SHAPE(2, 3)};
    reel_rec *view = reel_make_view_("here:1", &type, (const int64_t[]){1, 2}, reel_rec_of_(t), 0);
    reel_format(reel_handle_(view), buf, sizeof buf);
    TAP_EQ_STR(buf, "[[1. 2. 3.]\n [4. 5. 6.]]");
    view = reel_make_view_("here:2", &type, (const int64_t[]){-1, -2}, reel_rec_of_(t), 5 * (int64_t)sizeof *x);
    reel_format(reel_handle_(view), buf, sizeof buf);
    TAP_EQ_STR(buf, "[[6. 5. 4.]\n [3. 2. 1.]]");
    view = reel_make_view_("here:3", &type, (const int64_t[]){0, 0}, reel_rec_of_(t), 0);
    reel_format(reel_handle_(view), buf, sizeof buf);
    TAP_EQ_STR(buf, "[[1. 1. 1.]\n [1. 1. 1.]]");
}

static void test_snprintf_rules(void)
{
    REEL_SCOPED;
    const float x[3] = {1, 2, 3};
    reel_tensor *t = reel_from_f32(REEL_SHAPE(3), x, 3);
    char buf[8];
    memset(buf, '#', sizeof buf);
    TAP_EQ_INT(reel_format(t, buf, 5), 10);
    TAP_EQ_STR(buf, "[1. ");
    TAP_OK(buf[5] == '#', "nothing is written behind the buffer's end");
    TAP_EQ_INT(reel_format(t, buf, 1), 10);
    TAP_EQ_STR(buf, "");
    TAP_EQ_INT(reel_format(t, NULL, 0), 10);
}

static void test_streams(void)
{
    REEL_SCOPED;
    float x[400];
    char *expected = malloc(8192), *text = NULL;
    size_t size = 0;
    for (int i = 0; i < 400; i++) {
        x[i] = (float)i * 1.37f;
    }
    reel_tensor *t = reel_from_f32(REEL_SHAPE(20, 20), x, 400);
    TAP_OK(reel_format(t, expected, 8192) > 2000, "a text longer than the stream's buffer");
    FILE *f = open_memstream(&text, &size);
    TAP_EQ_INT(reel_fprint(f, t), 0);
    fclose(f);
    TAP_OK(size == strlen(expected) + 1 && memcmp(text, expected, size - 1) == 0 && text[size - 1] == '\n',
           "reel_fprint writes the same, and a newline");
    free(text);
    free(expected);
    f = fopen("/dev/full", "w");
    if (f) {
        setvbuf(f, NULL, _IONBF, 0);
        TAP_EQ_INT(reel_fprint(f, t), REEL_EIO);
        TAP_EQ_INT(reel_take_error(NULL), REEL_EIO);
        fclose(f);
    } else {
        TAP_SKIP("no /dev/full here");
    }
    TAP_EQ_INT(reel_fprint(NULL, t), REEL_EARG);
    reel_take_error(NULL);
}

static void test_errors(void)
{
    reel_error e;
    char buf[8] = "before";
    TAP_EQ_INT(reel_format(NULL, buf, sizeof buf), -1);
    TAP_EQ_STR(buf, "");
    TAP_EQ_INT(reel_take_error(&e), REEL_EARG);
    TAP_OK(strstr(e.text, "reel_format") != NULL, "the error names the function: %s", e.text);
    reel_scope *s = reel_scope_begin("here:9", "gone");
    const float x = 1;
    reel_tensor *t = reel_from_f32(REEL_SCALAR, &x, 1);
    reel_scope_end(s);
    TAP_EQ_INT(reel_print(t), REEL_EARG);
    TAP_EQ_INT(reel_take_error(&e), REEL_EARG);
    TAP_OK(strstr(e.text, "reel_print") != NULL, "a dead tensor is an error: %s", e.text);
}

static void test_symbolic(void)
{
    REEL_SCOPED;
    char buf[64];
    const reel_type type = {REEL_F32, REEL_SHAPE(REEL_ANY, 784)};
    reel_rec *r = reel_make_symbolic_("here:1", &type);
    TAP_EQ_INT(reel_format(reel_handle_(r), buf, sizeof buf), 23);
    TAP_EQ_STR(buf, "<f32[?,784] in a graph>");
}

static void test_numbers_and_variables(void)
{
    REEL_SCOPED;
    char buf[64];
    reel_format(reel_num(2.5), buf, sizeof buf);
    TAP_EQ_STR(buf, "2.5");
    TAP_CLOSE(reel_item(reel_num(2.5)), 2.5, 0, 0, "a weak number is read as it is printed");
    const float x[2] = {1, 2};
    reel_vars *vars = reel_vars_new("net");
    reel_format(reel_var(vars, "w", reel_from_f32(REEL_SHAPE(2), x, 2)), buf, sizeof buf);
    TAP_EQ_STR(buf, "[1. 2.]");
    TAP_EQ_INT(reel_format(reel_var_empty(vars, "later", REEL_F32, REEL_SHAPE(2)), buf, sizeof buf), -1);
    reel_error e = {0};
    TAP_EQ_INT(reel_take_error(&e), REEL_EARG);
    TAP_OK(strstr(e.text, "later") != NULL, "a variable without a value is named: %s", e.text);
    reel_vars_free(vars);
}

TAP_MAIN(test_golden, test_bf16, test_strided, test_snprintf_rules, test_streams, test_errors, test_symbolic,
         test_numbers_and_variables)
