// SPDX-License-Identifier: GPL-2.0-only
/* A real etcd for tests; real_etcd.h has the idea. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/real_etcd.h"

#define READY_SEC	15
#define TEXT		512

static void run(const struct real_etcd *etcd, const char *const args[], bool wait, pid_t *ret)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		int log = -1;

		if (chdir(etcd->folder) == 0)
			log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (log < 0)
			_exit(126);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execvp(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
	if (ret)
		*ret = pid;
	if (!wait)
		return;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s %s failed; see %s/log", args[0],
		      args[1], etcd->folder);
}

static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* An authority; one certificate for the server, which is a client of itself; one for us. */
static void make_certificates(const struct real_etcd *etcd)
{
	static const char script[] =
		"set -e; "
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		"-subj /CN=ca -keyout ca.key -out ca.pem; "
		"printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' >node.ext; "
		"printf 'extendedKeyUsage=clientAuth\\n' >client.ext; "
		"for name in node client; do "
		"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name "
		"-keyout $name.key -out $name.csr; "
		"openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		"-extfile $name.ext -out $name.pem; done; "
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		"-subj /CN=other -keyout other.key -out other.pem";
	const char *const args[] = { "sh", "-c", script, NULL };

	run(etcd, args, true, NULL);
}

static void start_member(struct real_etcd *etcd, int i)
{
	char name[16], data[16], client[64], peer[64], cluster[256] = "";
	size_t used = 0;
	const char *args[32] = { "etcd", "--name", name, "--data-dir", data,
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", cluster, "--unsafe-no-fsync", "--log-level", "error" };
	static const char *const quick[] = { "--heartbeat-interval", "50", "--election-timeout", "500" };
	static const char *const tls[] = { "--cert-file", "node.pem", "--key-file", "node.key",
		"--client-cert-auth", "--trusted-ca-file", "ca.pem" };
	size_t nr = 0;

	for (int j = 0; j < etcd->nr; j++)
		used += (size_t)snprintf(cluster + used, sizeof(cluster) - used,
					 "%sm%d=http://127.0.0.1:%d", j ? "," : "", j,
					 etcd->peer_ports[j]);
	snprintf(name, sizeof(name), "m%d", i);
	snprintf(data, sizeof(data), "data%d", i);
	snprintf(client, sizeof(client), "%s://127.0.0.1:%d", etcd->tls ? "https" : "http",
		 etcd->client_ports[i]);
	snprintf(peer, sizeof(peer), "http://127.0.0.1:%d", etcd->peer_ports[i]);
	while (args[nr])
		nr++;
	for (size_t j = 0; etcd->tls && j < sizeof(tls) / sizeof(tls[0]); j++)
		args[nr++] = tls[j];
	for (size_t j = 0; !etcd->patient && j < sizeof(quick) / sizeof(quick[0]); j++)
		args[nr++] = quick[j];
	run(etcd, args, false, &etcd->pids[i]);
}

static void start(struct real_etcd *etcd)
{
	int nr = etcd->nr;
	bool tls = etcd->tls;
	size_t used = 0;

	snprintf(etcd->folder, sizeof(etcd->folder), "/tmp/kho-etcd.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(etcd->folder));
	if (tls)
		make_certificates(etcd);
	for (int i = 0; i < nr; i++) {
		etcd->client_ports[i] = free_port();
		etcd->peer_ports[i] = free_port();
		used += (size_t)snprintf(etcd->endpoints + used, sizeof(etcd->endpoints) - used,
					 "%s%s://127.0.0.1:%d", i ? " " : "", tls ? "https" : "http",
					 etcd->client_ports[i]);
	}
	for (int i = 0; i < nr; i++)
		start_member(etcd, i);
}

void real_etcd_start(struct real_etcd *etcd, int nr, bool tls)
{
	*etcd = (struct real_etcd){ .nr = nr, .tls = tls };
	start(etcd);
}

void real_etcd_start_patient(struct real_etcd *etcd, int nr)
{
	*etcd = (struct real_etcd){ .nr = nr, .patient = true };
	start(etcd);
}

void real_etcd_kill(struct real_etcd *etcd, int member)
{
	if (!etcd->pids[member])
		return;
	kill(etcd->pids[member], SIGKILL);
	waitpid(etcd->pids[member], NULL, 0);
	etcd->pids[member] = 0;
}

void real_etcd_restart(struct real_etcd *etcd, int member)
{
	real_etcd_kill(etcd, member);
	start_member(etcd, member);
}

void real_etcd_stop(struct real_etcd *etcd)
{
	const char *const args[] = { "rm", "-rf", "--", etcd->folder, NULL };
	struct real_etcd here = *etcd;

	for (int i = 0; i < etcd->nr; i++)
		real_etcd_kill(etcd, i);
	snprintf(here.folder, sizeof(here.folder), "/tmp");
	run(&here, args, true, NULL);
}

struct kho_etcd_client *real_etcd_client(const struct real_etcd *etcd, uint32_t timeout_ms)
{
	char ca[TEXT], certificate[TEXT], key[TEXT];
	struct kho_etcd_spec spec = { .endpoints = etcd->endpoints, .timeout_ms = timeout_ms };
	struct kho_etcd_client *client;
	struct kho_err err;

	snprintf(ca, sizeof(ca), "%s/ca.pem", etcd->folder);
	snprintf(certificate, sizeof(certificate), "%s/client.pem", etcd->folder);
	snprintf(key, sizeof(key), "%s/client.key", etcd->folder);
	if (etcd->tls)
		spec.tls = (struct kho_web_tls){ ca, certificate, key };
	ck_assert_msg(kho_etcd_client_new(&spec, &client, &err) >= 0, "%s", err.msg);
	return client;
}

void real_etcd_wait(struct kho_etcd_client *client)
{
	struct kho_etcd etcd = kho_etcd_client_ops(client);
	time_t end = time(NULL) + READY_SEC;
	struct kho_etcd_kvs kvs;
	struct kho_err err = {};

	while (etcd.ops->range(etcd.ctx, "ready", false, &kvs, &err) < 0) {
		ck_assert_msg(time(NULL) < end, "etcd isn't ready: %s", err.msg);
		poll(NULL, 0, 50);
	}
	kho_etcd_kvs_done(&kvs);
}
