// SPDX-License-Identifier: GPL-2.0-only
/* The text formats; exposition.h has the difference. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "metrics/exposition.h"

#define NUMBER	32

const char *kho_metric_type_name(enum kho_metric_type type)
{
	static const char *const names[_KHO_METRIC_TYPE_MAX] = {
		[KHO_METRIC_GAUGE] = "gauge",
		[KHO_METRIC_COUNTER] = "counter",
		[KHO_METRIC_HISTOGRAM] = "histogram",
		[KHO_METRIC_INFO] = "info",
		[KHO_METRIC_STATESET] = "stateset",
	};

	return names[type];
}

int kho_exposition_begin(struct kho_exposition *x, enum kho_metrics_format format)
{
	*x = (struct kho_exposition){ .format = format };
	x->out = open_memstream(&x->text, &x->size);
	return x->out ? 0 : -ENOMEM;
}

void kho_exposition_family(struct kho_exposition *x, const struct kho_metric *metric)
{
	x->metric = metric;
	x->headed = false;
}

int kho_exposition_end(struct kho_exposition *x, char **ret)
{
	bool failed;

	if (x->format == KHO_METRICS_OPENMETRICS)
		fputs("# EOF\n", x->out);
	failed = ferror(x->out);
	if (fclose(x->out) != 0 || failed) {
		free(x->text);
		return -ENOMEM;
	}
	*ret = x->text;
	return 0;
}

/* ---- a family's head ---- */

static const char *suffix(const struct kho_metric *metric)
{
	if (metric->type == KHO_METRIC_COUNTER)
		return "_total";
	return metric->type == KHO_METRIC_INFO ? "_info" : "";
}

static const char *type_in(const struct kho_exposition *x)
{
	enum kho_metric_type type = x->metric->type;
	bool as_is = x->format == KHO_METRICS_OPENMETRICS || type < KHO_METRIC_INFO;

	return kho_metric_type_name(as_is ? type : KHO_METRIC_GAUGE);
}

static void write_head(struct kho_exposition *x)
{
	const struct kho_metric *metric = x->metric;
	bool open = x->format == KHO_METRICS_OPENMETRICS;
	const char *end = open ? "" : suffix(metric);

	x->headed = true;
	fprintf(x->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", metric->name, end, metric->help,
		metric->name, end, type_in(x));
	if (open && *metric->unit)
		fprintf(x->out, "# UNIT %s %s\n", metric->name, metric->unit);
}

/* ---- samples ---- */

static void write_value(FILE *out, const char *value)
{
	for (; *value; value++)
		switch (*value) {
		case '\n':
			fputs("\\n", out);
			break;
		case '"':
		case '\\':
			fputc('\\', out);
			/* fall through */
		default:
			fputc(*value, out);
		}
}

/* The words of @names, with a value for each; then one more, if @extra isn't NULL. */
static void write_labels(FILE *out, const char *names, const char *const values[],
			 const char *extra, const char *extra_value)
{
	char before = '{';

	for (size_t len; *names; names += len + (names[len] == ' '), values++) {
		len = strcspn(names, " ");
		fprintf(out, "%c%.*s=\"", before, (int)len, names);
		write_value(out, *values);
		fputc('"', out);
		before = ',';
	}
	if (extra) {
		fprintf(out, "%c%s=\"%s\"", before, extra, extra_value);
		before = ',';
	}
	if (before == ',')
		fputc('}', out);
}

static void format_ms(uint64_t ms, char ret[NUMBER])
{
	int len = snprintf(ret, NUMBER, "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);

	while (len > 3 && ret[len - 1] == '0' && ret[len - 2] != '.')
		ret[--len] = '\0';
}

static void write_sample(struct kho_exposition *x, const char *number, const char *const values[])
{
	if (!x->headed)
		write_head(x);
	fprintf(x->out, "%s%s", x->metric->name, suffix(x->metric));
	write_labels(x->out, x->metric->labels, values, NULL, NULL);
	fprintf(x->out, " %s\n", number);
}

void kho_expose(struct kho_exposition *x, uint64_t value, const char *const values[])
{
	char number[NUMBER];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	write_sample(x, number, values);
}

void kho_expose_ms(struct kho_exposition *x, uint64_t ms, const char *const values[])
{
	char number[NUMBER];

	format_ms(ms, number);
	write_sample(x, number, values);
}

void kho_expose_known_ms(struct kho_exposition *x, struct kho_known ms)
{
	if (ms.is)
		kho_expose_ms(x, ms.value, NULL);
}

void kho_expose_states(struct kho_exposition *x, const char *const names[], size_t nr,
		       const char *state)
{
	for (size_t i = 0; i < nr; i++)
		kho_expose(x, state && strcmp(names[i], state) == 0, &names[i]);
}

/* ---- distributions ---- */

static void format_count(const struct kho_exposition *x, uint64_t value, char ret[NUMBER])
{
	if (strcmp(x->metric->unit, "seconds") == 0)
		format_ms(value, ret);
	else
		snprintf(ret, NUMBER, "%" PRIu64, value);
}

/* Both formats want a bound to be a number with a point. */
static void format_bound(const struct kho_exposition *x, uint64_t bound, char ret[NUMBER])
{
	format_count(x, bound, ret);
	if (!strchr(ret, '.'))
		snprintf(ret, NUMBER, "%" PRIu64 ".0", bound);
}

void kho_expose_histogram(struct kho_exposition *x, const struct kho_histogram *histogram,
			  const uint64_t bounds[KHO_HISTOGRAM_BUCKETS - 1])
{
	const char *name = x->metric->name;
	uint64_t below = 0;
	char number[NUMBER];

	if (!x->headed)
		write_head(x);
	for (unsigned int i = 0; i < KHO_HISTOGRAM_BUCKETS; i++) {
		below += histogram->buckets[i];
		if (i < KHO_HISTOGRAM_BUCKETS - 1)
			format_bound(x, bounds[i], number);
		else
			snprintf(number, sizeof(number), "+Inf");
		fprintf(x->out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, number, below);
	}
	format_count(x, histogram->sum, number);
	fprintf(x->out, "%s_sum %s\n%s_count %" PRIu64 "\n", name, number, name, histogram->count);
}
