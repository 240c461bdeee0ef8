/* test_rq_spline.c - the curves of splines and spline couplings, alone: one for all rows, in
 * double, and one for each, whose sizes and slopes are floats; and from a table. */
#include "check.h"
#include "core/layer/rq_spline.h"

#define PARAMETERS_MAX (3 * BOLTZ_RQ_BINS_MAX + 1)
#define ROWS_MAX 160

static const char *const names[] = {"line", "interval", "circle"};

/* A number of (0, 1) that is a multiple of 2^-16. */
static double uniform(uint64_t index) {
  uint64_t x = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
  return (double)(x >> 48) * 0x1p-16 + 0x1p-17;
}

static void fill(float *r, size_t n, double spread, uint64_t first) {
  for (size_t k = 0; k < n; k++) r[k] = (float)(spread * (2 * uniform(first + k) - 1));
}

/* One curve for all rows; the same one for each; and at every edge of a table. */
enum way { SHARED, EACH, TABULATED, WAYS };

#define WIDTH_MAX (3 * BOLTZ_RQ_BINS_MAX + 8)

static void apply_tabulated(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                            size_t n, const float *r, double *x, double *log_det) {
  float edges[2 * WIDTH_MAX];
  const struct boltz_rq_table table = {edges, boltz_rq_table_width(spline->bins)};
  CHECK(table.stride <= WIDTH_MAX);
  for (size_t e = 0; e < 2; e++) boltz_rq_tabulate(spline, r, edges + e * table.stride);
  for (size_t i = 0; i < n; i++) {
    const uint32_t cell = 0;
    const float part = (float)(i % 5) / 4;
    boltz_rq_apply_table(spline, direction, 1, &table, &cell, &part, x + i, log_det + i);
  }
}

static void apply_rows(const struct boltz_rq_spline *spline, enum way way,
                       enum boltz_direction direction, size_t n, const float *r, double *x,
                       double *log_det) {
  if (way == SHARED)
    boltz_rq_apply(spline, direction, n, r, x, log_det);
  else if (way == EACH)
    boltz_rq_apply_rows(spline, direction, n, 0, r, x, log_det, NULL);
  else
    apply_tabulated(spline, direction, n, r, x, log_det);
}

static double apply(const struct boltz_rq_spline *spline, enum way way,
                    enum boltz_direction direction, const float *r, double *x) {
  double log_det = 0;
  apply_rows(spline, way, direction, 1, r, x, &log_det);
  return log_det;
}

/* A tape of so many rows of any number of bins. */
static void *new_tape(size_t n) {
  static _Alignas(64) char room[2 << 20];
  CHECK(boltz_rq_tape(BOLTZ_RQ_BINS_MAX, n) <= sizeof room);
  return room;
}

/* A case of the file; false at its end. */
static bool read_case(FILE *in, struct boltz_rq_spline *spline, float *r) {
  char word[16];
  int count;
  double low, high;
  if (fscanf(in, "%15s %d %lf %lf %d", word, &spline->bins, &low, &high, &count) != 5) return false;
  spline->low = low;
  spline->width = high - low;
  for (int e = 0; e < 3; e++)
    if (strcmp(word, names[e]) == 0) spline->ends = (enum boltz_rq_ends)e;
  CHECK_INT(boltz_rq_parameters(spline->ends, spline->bins), count);
  for (int k = 0; k < count && k < PARAMETERS_MAX; k++) CHECK_INT(fscanf(in, "%f", &r[k]), 1);
  return true;
}

static void curves_inverses_and_slopes_are_those_of_fifty_digits(void) {
  FILE *in = fopen("tests/golden/spline.txt", "r");
  CHECK_MSG(in != NULL, "tests/golden/spline.txt: run the tests in the project's folder");
  if (!in) return;
  struct boltz_rq_spline spline = {0};
  float r[PARAMETERS_MAX];
  int rows = 0;
  while (read_case(in, &spline, r)) {
    for (int row = 0; row < 6; row++, rows++) {
      double z, x, log_slope;
      CHECK_INT(fscanf(in, "%lf %lf %lf", &z, &x, &log_slope), 3);
      double to_x = z, to_z = x;
      const double up = apply(&spline, SHARED, BOLTZ_TO_X, r, &to_x);
      const double down = apply(&spline, SHARED, BOLTZ_TO_Z, r, &to_z);
      /* roundings of 1e-16 of a width of 10, through slopes of up to e^6 */
      const double grown = exp(fabs(log_slope));
      CHECK_NEAR(to_x, x, 4e-15 * (1 + grown));
      CHECK_NEAR(to_z, z, 4e-15 * (1 + grown));
      /* slopes change by up to 1e3 times themselves over a bin of 1e-3 */
      CHECK_NEAR(up, log_slope, 1e-12);
      CHECK_NEAR(down, -log_slope, 1e-12 * grown);
    }
  }
  CHECK_INT(rows, 42);
  fclose(in);
}

/* A size is made by some five operations, each right to 6e-8: knots are 3e-7 off, and what lies
   behind them is so, times the slope. Of a bin of 3e-3 that is 1e-4, and a log slope may change by
   5 within it. */
static void check_floats(enum way way) {
  FILE *in = fopen("tests/golden/spline.txt", "r");
  struct boltz_rq_spline spline = {0};
  float r[PARAMETERS_MAX];
  if (!in) return;
  while (read_case(in, &spline, r)) {
    for (int row = 0; row < 6; row++) {
      double z, x, log_slope;
      CHECK_INT(fscanf(in, "%lf %lf %lf", &z, &x, &log_slope), 3);
      double to_x = z, to_z = x;
      const double up = apply(&spline, way, BOLTZ_TO_X, r, &to_x);
      const double down = apply(&spline, way, BOLTZ_TO_Z, r, &to_z);
      const double grown = exp(fabs(log_slope));
      CHECK_NEAR(to_x, x, 3e-7 * spline.width * (1 + grown));
      CHECK_NEAR(to_z, z, 3e-7 * spline.width * (1 + grown));
      CHECK_NEAR(up, log_slope, 5e-4 * grown);
      CHECK_NEAR(down, -log_slope, 5e-4 * grown);
    }
  }
  fclose(in);
}

static void curves_of_rows_and_tables_are_those_of_fifty_digits_to_a_float(void) {
  check_floats(EACH);
  check_floats(TABULATED);
}

static void parameters_of_zero_are_the_identity(void) {
  const float r[PARAMETERS_MAX] = {0};
  for (int e = 0; e < 3 * WAYS; e++)
    for (int bins = 2; bins <= 64; bins += 31) {
      const enum way way = (enum way)(e / 3);
      const struct boltz_rq_spline spline = {(enum boltz_rq_ends)(e % 3), bins, -2, 5};
      for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++)
        for (double x = -1.99; x < 3; x += 0.13) {
          double y = x;
          /* 64 roundings of the knots */
          CHECK_NEAR(apply(&spline, way, (enum boltz_direction)d, r, &y), 0, 1e-12);
          CHECK_NEAR(y, x, 1e-14);
        }
    }
}

static void check_ends(enum way way) {
  float r[PARAMETERS_MAX];
  for (int e = 0; e < 3; e++)
    for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
      const enum boltz_direction direction = (enum boltz_direction)d;
      const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, 7, -2, 5};
      fill(r, PARAMETERS_MAX, 3, 11);
      double low = -2, high = 3, below = -2.5, above = 3.5;
      const double at_low = apply(&spline, way, direction, r, &low);
      const double at_high = apply(&spline, way, direction, r, &high);
      const double past =
          apply(&spline, way, direction, r, &below) + apply(&spline, way, direction, r, &above);
      CHECK_NEAR(low, -2, 0);
      CHECK_NEAR(high, e == BOLTZ_RQ_CIRCLE ? -2 : 3, 0);
      if (e == BOLTZ_RQ_LINE) {
        CHECK_NEAR(at_low, 0, 1e-14);
        CHECK_NEAR(at_high, 0, 1e-14);
        CHECK(below == -2.5 && above == 3.5 && past == 0);
      }
      if (e == BOLTZ_RQ_INTERVAL) CHECK(isnan(below) && isnan(above));
      if (e == BOLTZ_RQ_CIRCLE) {
        double inside = 2.5, end = nextafter(3, 0); /* the curve and its slope close at the seam */
        apply(&spline, way, direction, r, &inside);
        CHECK_NEAR(below, inside, 1e-14);
        CHECK_NEAR(apply(&spline, way, direction, r, &end), at_low, 1e-12);
        CHECK_NEAR(at_high, at_low, 0);
      }
    }
}

static void ends_go_to_themselves_and_a_line_goes_on_beyond_them(void) {
  for (int way = 0; way < WAYS; way++) check_ends((enum way)way);
}

/* Wild parameters: slopes from 1e-3 to 1e3 and above. */
static void check_steep(enum way way) {
  enum { N = 4001 };
  static double x[N], z[N], log_det[N];
  float r[PARAMETERS_MAX];
  for (int e = 0; e < 3; e++)
    for (uint64_t k = 0; k < 20; k++) {
      const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, 2 + (int)k, -3, 6};
      fill(r, PARAMETERS_MAX, k % 2 ? 4 : 60, 1000 * k);
      for (int i = 0; i < N; i++) {
        x[i] = z[i] = -3 + 5.9999 * i / (N - 1);
        log_det[i] = 0;
      }
      apply_rows(&spline, way, BOLTZ_TO_X, N, r, x, log_det);
      for (int i = 1; i < N; i++) CHECK(x[i] >= x[i - 1]);
      double worst = 0, off = 0, back[1];
      for (int i = 0; i < N; i++) {
        back[0] = x[i];
        const double down = apply(&spline, way, BOLTZ_TO_Z, r, back);
        /* a rounding of x is worth 1/slope of it in z */
        worst = fmax(worst, fabs(back[0] - z[i]) / (1 + exp(-log_det[i])));
        off = fmax(off, fabs(down + log_det[i]) / (1 + exp(-log_det[i])));
      }
      CHECK_MSG(worst < 1e-14, "%s, %d bins: %g", names[e], spline.bins, worst);
      /* of log slope up to d/(s h), 60/(1e-3 1e-3) */
      CHECK_MSG(off < 1e-8, "%s, %d bins: log slopes %g", names[e], spline.bins, off);
    }
}

static void steep_curves_rise_and_come_back(void) {
  for (int way = 0; way < WAYS; way++) check_steep((enum way)way);
}

/* Knots, or slopes, of raw parameters as the header defines them. */
struct curve {
  double u[BOLTZ_RQ_BINS_MAX + 1], v[BOLTZ_RQ_BINS_MAX + 1], d[BOLTZ_RQ_BINS_MAX + 1];
};

static void take_knots(int bins, const float *r, double *knot) {
  double sum = 0;
  for (int k = 0; k < bins; k++) sum += exp(r[k]);
  knot[0] = 0;
  for (int k = 0; k < bins; k++) knot[k + 1] = knot[k] + 1e-3 + (1 - 1e-3 * bins) * exp(r[k]) / sum;
}

static struct curve curve_of(enum boltz_rq_ends ends, int bins, const float *r) {
  struct curve curve;
  take_knots(bins, r, curve.u);
  take_knots(bins, r + bins, curve.v);
  const double offset = log(exp(1 - 1e-3) - 1); /* so that 0 is the slope 1 */
  for (int k = 0; k <= bins; k++) {
    const int number = ends == BOLTZ_RQ_LINE ? k - 1 : ends == BOLTZ_RQ_CIRCLE ? k % bins : k;
    const bool given = ends != BOLTZ_RQ_LINE || (k > 0 && k < bins);
    curve.d[k] = given ? 1e-3 + log1p(exp(r[2 * bins + number] + offset)) : 1;
  }
  return curve;
}

/* v at u, and the log slope there. */
static double bend(const struct curve *c, double u, double *log_slope) {
  int k = 0;
  while (c->u[k + 1] < u) k++;
  const double w = c->u[k + 1] - c->u[k], h = c->v[k + 1] - c->v[k], s = h / w;
  const double xi = (u - c->u[k]) / w, t = xi * (1 - xi);
  const double below = s + (c->d[k] + c->d[k + 1] - 2 * s) * t;
  *log_slope = log(s * s / (below * below) *
                   (c->d[k + 1] * xi * xi + 2 * s * t + c->d[k] * (1 - xi) * (1 - xi)));
  return c->v[k] + h * (s * xi * xi + c->d[k] * t) / below;
}

/* Three edges, each curve another one; floats as above. */
static void between_edges_knots_and_slopes_are_in_proportion(void) {
  enum { N = 200, EDGES = 3 };
  float r[EDGES][PARAMETERS_MAX], edges[EDGES * WIDTH_MAX];
  for (int e = 0; e < 3; e++)
    for (int bins = 2; bins <= 64; bins += bins < 20 ? 3 : 22) {
      const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, bins, -1, 4};
      const struct boltz_rq_table table = {edges, boltz_rq_table_width(bins)};
      struct curve at[EDGES];
      for (uint64_t k = 0; k < EDGES; k++) {
        fill(r[k], PARAMETERS_MAX, 1.5, 300 * k);
        boltz_rq_tabulate(&spline, r[k], edges + k * table.stride);
        at[k] = curve_of(spline.ends, bins, r[k]);
      }
      for (size_t i = 0; i < N; i++) {
        const uint32_t cell = (uint32_t)(i % 2);
        const double p = uniform(i), u = uniform(i + N);
        const float part = (float)p;
        struct curve own;
        double log_slope, x = -1 + 4 * u, log_det = 0, back_det = 0;
        for (int k = 0; k <= bins; k++) {
          own.u[k] = (1 - p) * at[cell].u[k] + p * at[cell + 1].u[k];
          own.v[k] = (1 - p) * at[cell].v[k] + p * at[cell + 1].v[k];
          own.d[k] = (1 - p) * at[cell].d[k] + p * at[cell + 1].d[k];
        }
        const double expected = -1 + 4 * bend(&own, u, &log_slope);
        boltz_rq_apply_table(&spline, BOLTZ_TO_X, 1, &table, &cell, &part, &x, &log_det);
        CHECK_NEAR(x, expected, 3e-7 * 4 * (1 + exp(log_slope)));
        CHECK_NEAR(log_det, log_slope, 5e-4);
        boltz_rq_apply_table(&spline, BOLTZ_TO_Z, 1, &table, &cell, &part, &x, &back_det);
        CHECK_NEAR(x, -1 + 4 * u, 1e-13);
        CHECK_NEAR(back_det, -log_det, 1e-11);
      }
    }
}

/* J = c out + d log_det of one row */
static double loss(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                   const float *r, double x, double c, double d) {
  const double log_det = apply(spline, SHARED, direction, r, &x);
  return c * x + d * log_det;
}

/* Steps are 2^-14, exact in these floats; errors of differences h^4 times fifth derivatives of 1e5
   and roundings of 1e-15/h. */
static double difference(const double v[4], double h) {
  return (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h);
}

static const double steps[4] = {-2, -1, 1, 2};

static void gradients_match(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                            float *r, double x) {
  const size_t n = boltz_rq_parameters(spline->ends, spline->bins);
  const double c = 0.7, d = -1.3, h = 0x1p-14;
  float gr[PARAMETERS_MAX];
  double v[4], out = x, g = c, glog = d;
  apply(spline, SHARED, direction, r, &out);
  boltz_rq_backward(spline, direction, 1, r, direction == BOLTZ_TO_X ? &x : &out, &glog, &g, gr);
  for (int s = 0; s < 4; s++) v[s] = loss(spline, direction, r, x + steps[s] * h, c, d);
  CHECK_NEAR(g, difference(v, h), 1e-9 * (1 + fabs(g)));
  for (size_t k = 0; k < n; k++) {
    const float at = r[k];
    for (int s = 0; s < 4; s++) {
      r[k] = (float)(at + steps[s] * h);
      v[s] = loss(spline, direction, r, x, c, d);
    }
    r[k] = at;
    /* gr is a float */
    CHECK_MSG(fabs(gr[k] - difference(v, h)) < 1e-7 * (1 + fabs(gr[k])),
              "%s, %d bins, parameter %zu at x = %g: %g, not %g", names[spline->ends], spline->bins,
              k, x, gr[k], difference(v, h));
  }
}

static void gradients_match_differences_in_every_bin(void) {
  float r[PARAMETERS_MAX];
  for (int e = 0; e < 3; e++)
    for (int bins = 2; bins <= 12; bins += 5)
      for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
        const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, bins, -1.5, 4};
        fill(r, PARAMETERS_MAX, 1, (uint64_t)bins);
        for (int k = 0; k < 40; k++)
          gradients_match(&spline, (enum boltz_direction)d, r, -1.49 + 0.1 * k);
        if (e == BOLTZ_RQ_LINE) gradients_match(&spline, (enum boltz_direction)d, r, 3.25);
      }
}

static void a_column_cut_in_pieces_gives_the_same_bits(void) {
  enum { N = 150, LD = 48, USED = 23 };
  static float r[N * LD], gr[N * LD], hr[N * LD];
  double whole[N], parts[N], a[N] = {0}, b[N] = {0}, g[N], h[N], z[N], glog[N];
  fill(r, N * LD, 2, 77);
  for (int e = 0; e < 3; e++)
    for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
      const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, 8, -1, 2};
      const enum boltz_direction direction = (enum boltz_direction)d;
      void *tape = new_tape(N);
      for (size_t i = 0; i < N; i++) {
        whole[i] = parts[i] = z[i] = -1 + 2 * uniform(i + 9000);
        g[i] = h[i] = uniform(i + 700), glog[i] = uniform(i + 900);
      }
      boltz_rq_apply_rows(&spline, direction, N, LD, r, whole, a, tape);
      boltz_rq_backward_rows(&spline, direction, N, LD, tape, d == BOLTZ_TO_X ? z : whole, glog, g,
                             gr);
      for (size_t first = 0, n = 1; first < N; first += n, n = n % 23 + 1) {
        if (first + n > N) n = N - first;
        boltz_rq_apply_rows(&spline, direction, n, LD, r + first * LD, parts + first, b + first,
                            tape);
        boltz_rq_backward_rows(&spline, direction, n, LD, tape,
                               (d == BOLTZ_TO_X ? z : whole) + first, glog + first, h + first,
                               hr + first * LD);
      }
      CHECK(memcmp(whole, parts, sizeof whole) == 0 && memcmp(a, b, sizeof a) == 0);
      CHECK(memcmp(g, h, sizeof g) == 0);
      for (size_t i = 0; i < N; i++)
        CHECK(memcmp(gr + i * LD, hr + i * LD, USED * sizeof *gr) == 0);
    }
}

/* What rows are given belongs to their own parameters, and nothing is written beside it. */
static void a_tape_changes_no_bit_and_gradients_stay_in_their_columns(void) {
  enum { N = 77, LD = 30, USED = 23 };
  static float r[N * LD], gr[N * LD];
  const struct boltz_rq_spline spline = {BOLTZ_RQ_LINE, 8, -1, 2};
  double x[N], y[N], a[N] = {0}, b[N] = {0}, g[N], glog[N];
  fill(r, N * LD, 2, 77);
  for (size_t i = 0; i < N; i++) x[i] = y[i] = -1.1 + 2.2 * uniform(i), g[i] = glog[i] = 1;
  for (size_t i = 0; i < N * LD; i++) gr[i] = -7;
  boltz_rq_apply_rows(&spline, BOLTZ_TO_Z, N, LD, r, x, a, new_tape(N));
  boltz_rq_apply_rows(&spline, BOLTZ_TO_Z, N, LD, r, y, b, NULL);
  CHECK(memcmp(x, y, sizeof x) == 0 && memcmp(a, b, sizeof a) == 0);
  boltz_rq_backward_rows(&spline, BOLTZ_TO_Z, N, LD, new_tape(N), x, glog, g, gr);
  for (size_t i = 0; i < N; i++)
    for (size_t k = 0; k < LD; k++) CHECK((gr[i * LD + k] == -7) == (k >= USED));
}

/* In double and in floats. Knots are 3e-7 off, bins 1e-2 or more: rows are off by 3e-5 of a bin, in
   which log slopes and their slopes change by up to 10 times themselves. */
static void a_curve_of_its_own_does_as_one_for_all(void) {
  enum { N = ROWS_MAX };
  static float each[N * PARAMETERS_MAX];
  float r[PARAMETERS_MAX], sum[PARAMETERS_MAX];
  double z[N], x[N], y[N], a[N], b[N], g[N], h[N], glog[N];
  for (int e = 0; e < 3; e++)
    for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++)
      for (int bins = 2; bins <= 12; bins += 5) {
        const enum boltz_direction direction = (enum boltz_direction)d;
        const struct boltz_rq_spline spline = {(enum boltz_rq_ends)e, bins, -1, 2};
        const size_t n = boltz_rq_parameters(spline.ends, bins);
        void *tape = new_tape(N);
        fill(r, n, 1, (uint64_t)bins);
        for (size_t i = 0; i < N; i++) {
          z[i] = x[i] = y[i] = (e == BOLTZ_RQ_INTERVAL ? 1 : 1.3) * (2 * uniform(i + 500) - 1);
          g[i] = h[i] = uniform(i + 700), glog[i] = uniform(i + 900), a[i] = b[i] = 0;
        }
        boltz_rq_apply(&spline, direction, N, r, x, a);
        boltz_rq_apply_rows(&spline, direction, N, 0, r, y, b, tape);
        boltz_rq_backward(&spline, direction, N, r, direction == BOLTZ_TO_X ? z : x, glog, g, sum);
        /* rows of parameters may all be the same row; those of gradients not */
        boltz_rq_backward_rows(&spline, direction, N, PARAMETERS_MAX, tape,
                               direction == BOLTZ_TO_X ? z : y, glog, h, each);
        for (size_t i = 0; i < N; i++) {
          CHECK_NEAR(y[i], x[i], 3e-6);
          CHECK_NEAR(b[i], a[i], 1e-4);
          CHECK_NEAR(h[i], g[i], 1e-3 * (1 + fabs(g[i])));
        }
        for (size_t k = 0; k < n; k++) {
          double expected = 0, size = 1;
          for (size_t i = 0; i < N; i++) {
            expected += each[i * PARAMETERS_MAX + k];
            size += fabs(each[i * PARAMETERS_MAX + k]);
          }
          CHECK_NEAR(sum[k], expected, 3e-5 * size);
        }
      }
}

static void parameters_that_overflow_leave_nan(void) {
  for (int k = 0; k < 11 * WAYS; k++) {
    const struct boltz_rq_spline spline = {BOLTZ_RQ_LINE, 4, -1, 2};
    const enum way way = (enum way)(k / 11);
    float r[11] = {0};
    double x = 0.1, nan_x = 0.1;
    r[k % 11] = INFINITY;
    apply(&spline, way, BOLTZ_TO_X, r, &x);
    r[k % 11] = NAN;
    apply(&spline, way, BOLTZ_TO_X, r, &nan_x);
    const bool slope_elsewhere = k % 11 == 8 || k % 11 == 10; /* x lies between knots 2 and 3 */
    CHECK_MSG(isnan(x) || slope_elsewhere, "parameter %d", k);
    CHECK_MSG(isnan(nan_x) || slope_elsewhere, "parameter %d", k);
  }
}

int main(int argc, char **argv) {
  RUN(curves_inverses_and_slopes_are_those_of_fifty_digits);
  RUN(curves_of_rows_and_tables_are_those_of_fifty_digits_to_a_float);
  RUN(parameters_of_zero_are_the_identity);
  RUN(ends_go_to_themselves_and_a_line_goes_on_beyond_them);
  RUN(steep_curves_rise_and_come_back);
  RUN(between_edges_knots_and_slopes_are_in_proportion);
  RUN(gradients_match_differences_in_every_bin);
  RUN(a_column_cut_in_pieces_gives_the_same_bits);
  RUN(a_tape_changes_no_bit_and_gradients_stay_in_their_columns);
  RUN(a_curve_of_its_own_does_as_one_for_all);
  RUN(parameters_that_overflow_leave_nan);
  return check_report();
}
