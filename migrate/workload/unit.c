// SPDX-License-Identifier: GPL-2.0-only
/* Units by systemctl and drop-ins; unit.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/reload.h"
#include "migrate/workload/unit.h"
#include "migrate/workload/watchdog.h"
#include "system/proc.h"

#define TIMEOUT_MS	30000
#define DROP_IN_DIR	"/run/systemd/system"
#define DROP_IN		"50-kho-agent.conf"
#define RELOADED	"/run/kho-agent/reloaded"	/* reload.h */
#define DROP_IN_MAX	65536
#define WORD		32
#define NOTED_WATCHDOG	"# watchdog: "		/* us */
#define NOTED_MAIN	"# main process: "

int kho_unit_check_name(const char *name, struct kho_err *err)
{
	size_t size = strlen(name);
	const char *dot = strrchr(name, '.');

	if (size >= KHO_UNIT_NAME || !dot ||
	    (strcmp(dot, ".service") != 0 && strcmp(dot, ".scope") != 0))
		return kho_fail(err, -EINVAL, "\"%.64s\" is no service or scope; name the unit in "
				"full, as in redis-server.service", name);
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr(":-_.\\@", name[i]))
			return kho_fail(err, -EINVAL, "\"%.64s\" is no name of a unit", name);
	return 0;
}

bool kho_unit_is_scope(const char *name)
{
	size_t size = strlen(name);

	return size > 6 && strcmp(name + size - 6, ".scope") == 0;
}

/* ---- systemctl ---- */

static int run(const char *const *argv, struct kho_err *err)
{
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };

	return kho_proc_check(&spec, err);
}

static void take_field(const char *line, struct kho_unit *unit, bool *found)
{
	const char *value = strchr(line, '=');
	size_t name = value ? (size_t)(value - line) : 0;

	if (!value)
		return;
	value++;
	if (strncmp(line, "LoadState", name) == 0)
		*found = strcmp(value, "loaded") == 0;
	else if (strncmp(line, "ActiveState", name) == 0)
		snprintf(unit->active, sizeof(unit->active), "%s", value);
	else if (strncmp(line, "MainPID", name) == 0)
		unit->main_pid = strtol(value, NULL, 10);
	else if (strncmp(line, "ControlGroup", name) == 0 && *value)
		snprintf(unit->cgroup, sizeof(unit->cgroup), KHO_CGROUP_ROOT "%s", value);
	else if (strncmp(line, "PIDFile", name) == 0)
		snprintf(unit->pid_file, sizeof(unit->pid_file), "%s", value);
	else if (strncmp(line, "WatchdogUSec", name) == 0)
		kho_watchdog_parse(value, &unit->watchdog_usec, NULL);
}

int kho_unit_show(const char *name, struct kho_unit *ret, struct kho_err *err)
{
	const char *const argv[] = {
		"systemctl", "show", "-pLoadState", "-pActiveState", "-pMainPID",
		"-pControlGroup", "-pPIDFile", "-pWatchdogUSec", "--", name, NULL
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct kho_proc_result result;
	struct kho_unit unit = {};
	bool found = false;
	char *line, *rest;
	int r = kho_proc_run(&spec, &result, err);

	if (r < 0)
		return r;
	for (line = strtok_r(result.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_field(line, &unit, &found);
	kho_proc_result_done(&result);
	if (!found)
		return kho_fail(err, -ENOENT, "systemd knows no unit %s; see systemctl status",
				name);
	*ret = unit;
	return 0;
}

/* ---- drop-ins ---- */

static void drop_in_path(const char *name, bool folder, char path[KHO_UNIT_PATH])
{
	snprintf(path, KHO_UNIT_PATH, DROP_IN_DIR "/%s.d%s", name, folder ? "" : "/" DROP_IN);
}

static int write_drop_in(const char *name, const char *text, struct kho_err *err)
{
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0644,
	};
	char path[KHO_UNIT_PATH];
	int r;

	drop_in_path(name, true, path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s", path);
	drop_in_path(name, false, path);
	r = kho_file_write_atomic(path, &content, err);
	return r < 0 ? r : kho_systemd_reload(RELOADED, err);
}

/* The word that systemctl show has for @property, given as its option. */
static int show_word(const char *name, const char *property, char ret[WORD], struct kho_err *err)
{
	const char *const argv[] = { "systemctl", "show", property, "--", name, NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct kho_proc_result result;
	int r = kho_proc_run(&spec, &result, err);

	if (r < 0)
		return r;
	snprintf(ret, WORD, "%.*s", (int)strcspn(result.out, "\n"), result.out);
	kho_proc_result_done(&result);
	return 0;
}

/* An agent that was killed may have removed it, and systemd not have heard of that. */
static int reload_if_needed(const char *name, struct kho_err *err)
{
	char needed[WORD];
	int r = show_word(name, "-PNeedDaemonReload", needed, err);

	return r < 0 || strcmp(needed, "yes") != 0 ? r : kho_systemd_reload(RELOADED, err);
}

static int remove_drop_in(const char *name, struct kho_err *err)
{
	char path[KHO_UNIT_PATH];

	drop_in_path(name, false, path);
	if (unlink(path) < 0)
		return errno == ENOENT ? reload_if_needed(name, err) :
					 kho_fail_errno(err, -errno, "%s", path);
	drop_in_path(name, true, path);
	rmdir(path);	/* stays if there's more in it */
	return kho_systemd_reload(RELOADED, err);
}

/* A number that let_go() has noted; 0: none. */
static uint64_t noted(const char *name, const char *what)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_UNIT_PATH];
	const char *at;

	drop_in_path(name, false, path);
	if (kho_file_read(path, DROP_IN_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, what);
	return at ? strtoull(at + strlen(what), NULL, 10) : 0;
}

pid_t kho_unit_main_let_go(const char *name)
{
	uint64_t pid = noted(name, NOTED_MAIN);

	return pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* SIGKILL counts as success, so that the unit is left inactive, not failed. */
int kho_unit_let_go(const char *name, const struct kho_unit *unit, struct kho_err *err)
{
	uint64_t watchdog = unit->watchdog_usec ?: noted(name, NOTED_WATCHDOG);
	char text[512];
	int r;

	if (kho_unit_is_scope(name))
		return 0;
	snprintf(text, sizeof(text),
		 "# The workload moves to another kernel (kho-agent)\n"
		 NOTED_WATCHDOG "%llu\n"
		 NOTED_MAIN "%d\n"
		 "[Service]\n"
		 "Restart=no\n"
		 "SuccessExitStatus=SIGKILL\n"
		 "ExecStop=\n"
		 "ExecStopPost=\n", (unsigned long long)watchdog, (int)unit->main_pid);
	r = write_drop_in(name, text, err);
	return r < 0 || !watchdog ? r : kho_watchdog_set(unit->main_pid, 0, err);
}

bool kho_unit_is_dead(pid_t main_pid)
{
	return main_pid && kill(main_pid, 0) < 0 && errno == ESRCH;
}

/* It died while its Restart= was taken from it: what that says about a death by a signal. */
static int start_if_it_says(const char *name, struct kho_err *err)
{
	char restart[WORD];
	int r = show_word(name, "-PRestart", restart, err);
	bool wanted;

	if (r < 0)
		return r;
	wanted = strcmp(restart, "always") == 0 || strcmp(restart, "on-failure") == 0 ||
		 strncmp(restart, "on-ab", 5) == 0;	/* abnormal, abort */
	return wanted ? run((const char *const[]){ "systemctl", "start", "--no-block", "--", name,
						   NULL }, err) : 0;
}

int kho_unit_hold(const char *name, pid_t main_pid, struct kho_err *err)
{
	uint64_t watchdog = noted(name, NOTED_WATCHDOG);
	bool dead = kho_unit_is_dead(main_pid);
	int watched = 0, r;

	/* first, for the note of it goes with the drop-in */
	if (watchdog && main_pid && !dead)
		watched = kho_watchdog_set(main_pid, watchdog, err);
	r = remove_drop_in(name, err);
	if (r < 0)
		return r;
	return dead ? start_if_it_says(name, err) : watched;
}

/*
 * What its lines in the journal are called by: what the unit says, or the name of its
 * program. kho-restore, whose stream the restored tasks have, would be called by its own.
 */
static int find_identifier(const char *name, char ret[KHO_UNIT_NAME], struct kho_err *err)
{
	const char *const argv[] = {
		"systemctl", "show", "-pSyslogIdentifier", "-pExecStart", "--", name, NULL
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct kho_proc_result result;
	const char *at, *end;
	int r = kho_proc_run(&spec, &result, err);

	if (r < 0)
		return r;
	at = strstr(result.out, "SyslogIdentifier=");
	end = at ? at + strcspn(at, "\n") : NULL;
	at = at ? at + strlen("SyslogIdentifier=") : NULL;
	if (!at || at == end) {
		at = strstr(result.out, "path=");
		end = at ? at + strcspn(at, " \n") : NULL;
		while (at && memchr(at, '/', (size_t)(end - at)))
			at = (const char *)memchr(at, '/', (size_t)(end - at)) + 1;
	}
	snprintf(ret, KHO_UNIT_NAME, "%.*s", at ? (int)(end - at) : 0, at ?: "");
	kho_proc_result_done(&result);
	return 0;
}

/*
 * Capabilities and system calls that are taken from the workload's tasks are restored
 * with them; kho-restore itself needs all. Mounts and limits are the unit's own.
 */
int kho_unit_stub(const char *name, const struct kho_unit_stub *stub, struct kho_err *err)
{
	char text[2048], identifier[KHO_UNIT_NAME], watchdog[48] = "";
	int r;

	if (kho_unit_is_scope(name))
		return 0;
	r = find_identifier(name, identifier, err);
	if (r < 0)
		return r;
	if (stub->has_watchdog)
		snprintf(watchdog, sizeof(watchdog), "WatchdogSec=%lluus\n",
			 (unsigned long long)stub->watchdog_usec);
	snprintf(text, sizeof(text),
		 "# The workload comes from another kernel (kho-agent)\n"
		 "[Service]\n"
		 "Type=notify\n"
		 "NotifyAccess=all\n"
		 "PIDFile=\n"
		 "Restart=no\n"
		 "SyslogIdentifier=%s\n"
		 "%s"
		 "TimeoutStartSec=infinity\n"
		 "User=\n"
		 "Group=\n"
		 "CapabilityBoundingSet=~\n"
		 "NoNewPrivileges=no\n"
		 "RestrictNamespaces=no\n"
		 "MemoryDenyWriteExecute=no\n"
		 "SystemCallFilter=\n"
		 "RestrictAddressFamilies=\n"
		 "PrivateUsers=no\n"
		 "PrivateDevices=no\n"
		 "ProtectClock=no\n"
		 "ProtectHostname=no\n"
		 "ProtectKernelLogs=no\n"
		 "ProtectKernelModules=no\n"
		 "ProtectKernelTunables=no\n"
		 "LockPersonality=no\n"
		 "RestrictRealtime=no\n"
		 "RestrictSUIDSGID=no\n"
		 "SystemCallArchitectures=\n"
		 "ExecPaths=/usr/libexec/kho-agent /usr/sbin/criu\n"
		 "ExecCondition=\n"
		 "ExecStartPre=\n"
		 "ExecStart=\n"
		 "ExecStart=/usr/libexec/kho-agent/kho-restore\n"
		 "ExecStartPost=\n"
		 "Environment=KHO_RESTORE_SOCKET=%s\n", identifier, watchdog, stub->socket);
	return write_drop_in(name, text, err);
}

/* The last folder above it whose name says that it's a slice. */
static void find_slice(const char *cgroup, char ret[KHO_UNIT_NAME])
{
	const char *at, *end;

	snprintf(ret, KHO_UNIT_NAME, "system.slice");
	for (at = cgroup; (at = strchr(at, '/')); at = end) {
		at++;
		end = at + strcspn(at, "/");
		if (end - at > 6 && end - at < KHO_UNIT_NAME && memcmp(end - 6, ".slice", 6) == 0)
			snprintf(ret, KHO_UNIT_NAME, "%.*s", (int)(end - at), at);
	}
}

static bool is_word(const char *text)
{
	return text[strcspn(text, " \t\n")] == '\0';
}

/* Through systemd-cat, so that there's a stream to the journal to be had. */
void kho_unit_start_line(const char *name, const char *cgroup, const char *socket,
			 char ret[KHO_UNIT_LINE])
{
	char slice[KHO_UNIT_NAME];

	if (!kho_unit_is_scope(name)) {
		snprintf(ret, KHO_UNIT_LINE, "/usr/bin/systemctl start -- %s", name);
		return;
	}
	find_slice(is_word(cgroup) ? cgroup : "", slice);
	snprintf(ret, KHO_UNIT_LINE, "/usr/bin/systemd-run --quiet --scope --collect --unit=%s "
		 "--slice=%s --setenv=KHO_RESTORE_SOCKET=%s --setenv=NOTIFY_SOCKET= "
		 "/usr/bin/systemd-cat --identifier=%.60s /usr/libexec/kho-agent/kho-restore", name,
		 slice, socket, name);
}

bool kho_unit_is_stub(const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_UNIT_PATH];

	drop_in_path(name, false, path);
	return kho_file_read(path, 4096, &text, NULL, NULL) >= 0 &&
	       strstr(text, "KHO_RESTORE_SOCKET=");
}

int kho_unit_settle(const char *name, struct kho_err *err)
{
	return remove_drop_in(name, err);
}

int kho_unit_drop(const char *name, struct kho_err *err)
{
	struct kho_err ignored;
	int r;

	run((const char *const[]){ "systemctl", "kill", "--signal=SIGKILL", "--", name, NULL },
	    &ignored);
	r = run((const char *const[]){ "systemctl", "stop", "--", name, NULL }, err);
	run((const char *const[]){ "systemctl", "reset-failed", "--", name, NULL }, &ignored);
	/* a scope is gone with what was in it, and was never known if that had not begun */
	if (r < 0 && !kho_unit_is_scope(name))
		return r;
	*err = (struct kho_err){};
	return remove_drop_in(name, err);
}
