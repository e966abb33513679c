// SPDX-License-Identifier: GPL-2.0-only
/* What two kernels' probes saw, on one clock; and as a message, from a peer that isn't trusted. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/gauge_message.h"
#include "agent/gauge_report.h"
#include "unit/run.h"

#define KHZ	2000000u		/* 2 ticks a nanosecond */
#define MS	1000000ull

/* A kernel that was started when the TSC stood at @boot. */
static struct kho_clock_sample sample_of(uint64_t boot, uint64_t at_ns)
{
	return (struct kho_clock_sample){
		.tsc = boot + 2 * at_ns, .monotonic_ns = (int64_t)at_ns, .window = 40,
	};
}

static struct kho_sighting make(const struct kho_seen *seen, uint64_t boot, uint64_t at_ns)
{
	const struct kho_clock_sample sample = sample_of(boot, at_ns);
	struct kho_sighting s;
	struct kho_err err;

	ck_assert_int_eq(kho_sighting_make(seen, &sample, KHZ, &s, &err), 0);
	return s;
}

/* The old kernel has run for 1000 s, the new one for 10 s when it comes. */
#define OLD_BOOT	1000000ull
#define NEW_BOOT	(OLD_BOOT + 2 * 990000 * MS)

static struct kho_seen seen_old(void)
{
	return (struct kho_seen){
		.frozen = { .last_out_ns = 1000000 * MS, .dropped = 1 },
		.silent = { .last_out_ns = 1000000 * MS - 2 * MS, .unread = 2 },
	};
}

/* It runs there 500 ms after, calls 30 us later, and sends 800 ms after the last packet. */
static struct kho_seen seen_new(void)
{
	return (struct kho_seen){
		.frozen = { .first_in_ns = 10500 * MS, .first_call_ns = 10500 * MS + 30000 },
		.silent = { .first_out_ns = 10798 * MS },
		.faults = { .count = 3, .total_ns = 9000, .max_ns = 5000, .dropped = 4,
			    .slots = { [1] = 2, [2] = 1 } },
	};
}

static struct kho_measured join(const struct kho_seen *left, const struct kho_seen *came)
{
	const struct kho_sighting l = make(left, OLD_BOOT, 1000001 * MS);
	const struct kho_sighting c = make(came, NEW_BOOT, 10499 * MS);
	struct kho_measured m;

	kho_measured_join(&l, &c, KHZ, &m);
	return m;
}

START_TEST(two_clocks)
{
	const struct kho_seen left = seen_old(), came = seen_new();
	const struct kho_measured m = join(&left, &came);

	for (unsigned int i = 0; i < _KHO_INTERVAL_MAX; i++)
		ck_assert(m.intervals[i].known);
	ck_assert_uint_eq(m.intervals[KHO_INTERVAL_FROZEN].ns, 500 * MS);
	ck_assert_uint_eq(m.intervals[KHO_INTERVAL_SILENT].ns, 800 * MS);
	ck_assert_uint_eq(m.intervals[KHO_INTERVAL_CALL].ns, 30000);
	ck_assert_uint_eq(m.intervals[KHO_INTERVAL_PACKET].ns, 298 * MS);
	ck_assert(m.has_faults);
	ck_assert_uint_eq(m.faults.max_ns, 5000);
	ck_assert_uint_eq(m.dropped, 7);
}
END_TEST

START_TEST(what_wasnt_seen)
{
	struct kho_seen left = seen_old(), came = seen_new();
	struct kho_measured m;

	left.silent.last_out_ns = 0;
	came.frozen.first_call_ns = 0;
	memcpy(came.why[KHO_PROBE_FAULTS], "no BTF", 7);
	m = join(&left, &came);
	ck_assert(m.intervals[KHO_INTERVAL_FROZEN].known);
	ck_assert(!m.intervals[KHO_INTERVAL_SILENT].known);
	ck_assert_str_eq(m.intervals[KHO_INTERVAL_SILENT].why,
			 "old kernel: it sent no packet in the time before");
	ck_assert(!m.intervals[KHO_INTERVAL_CALL].known);
	ck_assert_str_eq(m.intervals[KHO_INTERVAL_CALL].why,
			 "new kernel: it made no system call meanwhile");
	ck_assert(m.intervals[KHO_INTERVAL_PACKET].known);
	ck_assert(!m.has_faults);
	ck_assert_uint_eq(m.faults.count, 0);
	ck_assert_str_eq(m.why_no_faults, "new kernel: no BTF");
}
END_TEST

/* A reason beats what was seen. */
START_TEST(a_probe_that_failed)
{
	struct kho_seen left = seen_old(), came = seen_new();
	struct kho_measured m;

	memcpy(left.why[KHO_PROBE_FROZEN], "locked down", 12);
	m = join(&left, &came);
	ck_assert(!m.intervals[KHO_INTERVAL_FROZEN].known);
	ck_assert_uint_eq(m.intervals[KHO_INTERVAL_FROZEN].ns, 0);
	ck_assert_str_eq(m.intervals[KHO_INTERVAL_FROZEN].why, "old kernel: locked down");
	ck_assert(m.intervals[KHO_INTERVAL_CALL].known);
}
END_TEST

START_TEST(not_believed)
{
	const struct kho_seen left = seen_old(), came = seen_new();
	struct kho_sighting l = make(&left, OLD_BOOT, 1000001 * MS);
	struct kho_sighting c = make(&came, NEW_BOOT, 10499 * MS);
	struct kho_measured m;

	c.first_run = l.last_run - 1;
	c.first_packet = UINT64_MAX;
	kho_measured_join(&l, &c, KHZ, &m);
	ck_assert(!m.intervals[KHO_INTERVAL_FROZEN].known);
	ck_assert(!m.intervals[KHO_INTERVAL_SILENT].known);
	ck_assert_str_eq(m.intervals[KHO_INTERVAL_SILENT].why,
			 "the two kernels' times don't agree");
	kho_measured_join(&l, &c, 0, &m);
	ck_assert(!m.intervals[KHO_INTERVAL_PACKET].known);
}
END_TEST

START_TEST(a_sample_of_another_kernel)
{
	const struct kho_seen came = seen_new();
	struct kho_clock_sample sample = { .tsc = 5, .monotonic_ns = (int64_t)(1000000 * MS) };
	struct kho_sighting s = { .dropped = 77 };
	struct kho_err err;

	ck_assert_int_eq(kho_sighting_make(&came, &sample, KHZ, &s, &err), -ERANGE);
	ck_assert_int_eq(kho_sighting_make(&came, &sample, 0, &s, &err), -EINVAL);
	ck_assert_uint_eq(s.dropped, 77);
}
END_TEST

/* ---- as a message ---- */

static struct kho_seen_message message;

static Kho__MoveSeen *send_over(const struct kho_sighting *sighting, const struct kho_tcp_sighting *tcp)
{
	size_t size;
	uint8_t *bytes;
	Kho__MoveSeen *seen;

	kho_seen_message_fill(&message, sighting);
	ck_assert(kho_seen_message_add(&message, tcp));
	size = kho__move_seen__get_packed_size(&message.seen);
	bytes = malloc(size);
	ck_assert_uint_eq(kho__move_seen__pack(&message.seen, bytes), size);
	seen = kho__move_seen__unpack(NULL, size, bytes);
	free(bytes);
	ck_assert_ptr_nonnull(seen);
	return seen;
}

START_TEST(there_and_back)
{
	struct kho_seen came = seen_new();
	const struct kho_tcp_sighting tcp = {
		.address = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 } },
		.seen = { .retransmits = 1, .resets_sent = 2, .resets_received = 3,
			  .zero_windows = 4, .window_probes = 5 },
	};
	struct kho_sighting sent, got;
	struct kho_tcp_sighting got_tcp;
	Kho__MoveSeen *seen;

	memcpy(came.why[KHO_PROBE_TCP], "no\nBTF", 7);
	sent = make(&came, NEW_BOOT, 10499 * MS);
	seen = send_over(&sent, &tcp);
	kho_seen_message_read(seen, &got);
	ck_assert_uint_eq(got.first_run, sent.first_run);
	ck_assert_uint_eq(got.first_call, sent.first_call);
	ck_assert_uint_eq(got.first_packet, sent.first_packet);
	ck_assert_uint_eq(got.last_run, 0);
	ck_assert_mem_eq(&got.faults, &sent.faults, offsetof(struct kho_faults_seen, dropped));
	ck_assert_mem_eq(got.faults.slots, sent.faults.slots, sizeof(sent.faults.slots));
	ck_assert_uint_eq(got.dropped, 4);
	ck_assert_str_eq(got.why[KHO_PROBE_FROZEN], "");
	ck_assert_ptr_null(strchr(got.why[KHO_PROBE_TCP], '\n'));
	ck_assert_uint_eq(seen->n_tcp, 1);
	ck_assert(kho_seen_message_read_tcp(seen, 0, &got_tcp));
	ck_assert_mem_eq(&got_tcp, &tcp, sizeof(tcp));
	kho__move_seen__free_unpacked(seen, NULL);
}
END_TEST

START_TEST(room_for_addresses)
{
	const struct kho_tcp_sighting tcp = {};
	struct kho_sighting none;

	kho_sighting_none(&none, "no BTF");
	kho_seen_message_fill(&message, &none);
	ck_assert_ptr_null(message.seen.faults);
	ck_assert_uint_eq(message.seen.n_not_seen, _KHO_PROBE_MAX);
	for (unsigned int i = 0; i < KHO_TCP_ADDRESSES; i++)
		ck_assert(kho_seen_message_add(&message, &tcp));
	ck_assert(!kho_seen_message_add(&message, &tcp));
}
END_TEST

/* From an agent that is broken, or of another version. */
START_TEST(hostile)
{
	uint64_t slots[KHO_FAULTS_SLOTS + 1] = {};
	uint8_t bytes[17] = {};
	Kho__MoveSeen seen = KHO__MOVE_SEEN__INIT;
	Kho__SeenFaults faults = KHO__SEEN_FAULTS__INIT;
	Kho__NotSeen far = KHO__NOT_SEEN__INIT, bare = KHO__NOT_SEEN__INIT, *list[] = { &far, &bare };
	Kho__SeenTcp tcp = KHO__SEEN_TCP__INIT, *tcps[] = { &tcp };
	struct kho_tcp_sighting got_tcp;
	struct kho_sighting got;

	kho_seen_message_read(&seen, &got);
	ck_assert_uint_eq(got.first_run, 0);
	ck_assert_str_eq(got.why[KHO_PROBE_FAULTS], "the other agent didn't tell");
	faults.has_count = faults.has_total_ns = faults.has_max_ns = true;
	faults.slots = slots;
	faults.n_slots = KHO_FAULTS_SLOTS + 1;
	seen.faults = &faults;
	far.has_probe = bare.has_probe = true;
	far.probe = _KHO_PROBE_MAX;
	bare.probe = KHO_PROBE_SILENT;
	seen.not_seen = list;
	seen.n_not_seen = 2;
	kho_seen_message_read(&seen, &got);
	ck_assert_str_eq(got.why[KHO_PROBE_FAULTS], "the other agent didn't tell");
	ck_assert_str_eq(got.why[KHO_PROBE_SILENT], "no reason was given");
	seen.tcp = tcps;
	seen.n_tcp = 1;
	ck_assert(!kho_seen_message_read_tcp(&seen, 0, &got_tcp));
	tcp.has_address = true;
	tcp.address.data = bytes;
	tcp.address.len = sizeof(bytes);
	ck_assert(!kho_seen_message_read_tcp(&seen, 0, &got_tcp));
}
END_TEST

/* ---- as JSON ---- */

static const char *text_of(sd_json_variant *v)
{
	static char *text;

	free(text);
	ck_assert_int_ge(sd_json_variant_format(v, 0, &text), 0);
	sd_json_variant_unref(v);
	return text;
}

START_TEST(as_json)
{
	struct kho_seen left = seen_old(), came = seen_new();
	struct kho_measured m;
	sd_json_variant *v;

	left.silent.last_out_ns = 0;
	m = join(&left, &came);
	ck_assert_int_ge(kho_measured_to_json(&m, &v), 0);
	ck_assert_str_eq(text_of(v), "{\"dropped\":7,\"frozen_us\":500000,\"first_syscall_us\":30,"
			 "\"first_packet_us\":298000,\"faults\":{\"count\":3,\"total_us\":9,"
			 "\"max_us\":5,\"slots\":[0,2,1]},\"not_measured\":[{\"what\":\"silent\","
			 "\"why\":\"old kernel: it sent no packet in the time before\"}]}");
}
END_TEST

/* Nothing is known: then there's no number that could be taken for one. */
START_TEST(as_json_without_probes)
{
	struct kho_sighting none;
	struct kho_measured m;
	sd_json_variant *v;
	const char *text;

	kho_sighting_none(&none, "no BTF");
	kho_measured_join(&none, &none, KHZ, &m);
	ck_assert_int_ge(kho_measured_to_json(&m, &v), 0);
	text = text_of(v);
	ck_assert_ptr_null(strstr(text, "_us"));
	ck_assert_ptr_null(strstr(text, "count"));
	for (unsigned int i = 0; i < _KHO_INTERVAL_MAX; i++)
		ck_assert_ptr_nonnull(strstr(text, kho_interval_name(i)));
	ck_assert_ptr_nonnull(strstr(text, "{\"what\":\"faults\",\"why\":\"new kernel: no BTF\"}"));
}
END_TEST

START_TEST(address_and_cpu_as_json)
{
	const struct kho_measured_address address = {
		.name = "vip", .address = "10.0.0.1/24",
		.old = { .retransmits = 1, .zero_windows = 2 },
		.why_not_new = "no BTF",
	};
	const struct kho_measured_cpu cpu = { .agent_ns = 5 * MS, .helpers_ns = 7 * MS + 1 };
	sd_json_variant *v;

	ck_assert_int_ge(kho_measured_address_to_json(&address, &v), 0);
	ck_assert_str_eq(text_of(v), "{\"name\":\"vip\",\"address\":\"10.0.0.1/24\",\"old\":{"
			 "\"retransmits\":1,\"resets_sent\":0,\"resets_received\":0,"
			 "\"zero_windows\":2,\"window_probes\":0},\"not_measured\":[{"
			 "\"what\":\"new\",\"why\":\"no BTF\"}]}");
	ck_assert_int_ge(kho_measured_cpu_to_json(&cpu, &v), 0);
	ck_assert_str_eq(text_of(v), "{\"agent_ms\":5,\"helpers_ms\":7}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("measured");
	TCase *joined = tcase_create("joined"), *told = tcase_create("message"),
	      *json = tcase_create("json");

	tcase_add_test(joined, two_clocks);
	tcase_add_test(joined, what_wasnt_seen);
	tcase_add_test(joined, a_probe_that_failed);
	tcase_add_test(joined, not_believed);
	tcase_add_test(joined, a_sample_of_another_kernel);
	suite_add_tcase(suite, joined);
	tcase_add_test(told, there_and_back);
	tcase_add_test(told, room_for_addresses);
	tcase_add_test(told, hostile);
	suite_add_tcase(suite, told);
	tcase_add_test(json, as_json);
	tcase_add_test(json, as_json_without_probes);
	tcase_add_test(json, address_and_cpu_as_json);
	suite_add_tcase(suite, json);
	return run_suite(suite);
}
