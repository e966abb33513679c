/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab-shell: runs commands that the lab's driver sends through a serial port.
 *
 *	lab-shell /dev/virtio-ports/lab0	in the old kernel
 *	lab-shell /dev/ttyS1			in a spawned kernel
 *	lab-shell --stamp			a line in the kernel's log with the TSC: ties
 *						the log's times to what all kernels share
 *
 * A spawned kernel has no IO-APIC, so its UARTs have no interrupt; irq 0 makes
 * the driver poll, which is why each ttyS is set so before use. The port is
 * shared with printk, whose text can land in the middle of our lines. Every
 * line therefore carries a CRC and a number, and the driver asks again
 * (with the same id) until it has all the lines of a result:
 *
 *	driver -> us	@LAB <id> <timeout ms> <base64 of the command> <crc>
 *	us -> driver	@LAB <id> start <pid> <crc>		taken
 *			@LAB <id> <n> <base64 of output> <crc>	n = 0, 1, 2...
 *			@LAB <id> end <status> <lines> <crc>	done; -1: timed out
 *
 * Id 0 asks whether we're there, "@LAB 0 ready <pid> <crc>". A request whose id
 * is the last one is answered again, not run again. The CRC is CRC-32 in hex of
 * the line before it. Commands run one at a time under /bin/sh, with stdout
 * and stderr together; what a command leaves in the background runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 65536	/* longest request */
#define OUTPUT_MAX (4 << 20)	/* what is kept of a command's output */
#define CHUNK 48		/* bytes of output a line */

struct result {
	unsigned long id;
	int status;
	size_t len;
	char output[OUTPUT_MAX];
};

static struct result last;
static int port = -1;

static uint32_t crc32(const char *data, size_t len)
{
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= (uint8_t)*data++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

static void send_all(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(port, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			exit(1);
		data += n;
		len -= n;
	}
}

/* Sends one line with its CRC. It starts on a line of its own. */
__attribute__((format(printf, 1, 2))) static void send_line(const char *fmt, ...)
{
	char body[256], line[300];
	va_list ap;
	int len;

	va_start(ap, fmt);
	vsnprintf(body, sizeof(body), fmt, ap);
	va_end(ap);
	len = snprintf(line, sizeof(line), "\n%s %08x\n", body, crc32(body, strlen(body)));
	send_all(line, len);
}

static void base64_encode(const uint8_t *in, size_t len, char *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = in[i] << 16;

		v |= i + 1 < len ? in[i + 1] << 8 : 0;
		v |= i + 2 < len ? in[i + 2] : 0;
		*out++ = digit[v >> 18];
		*out++ = digit[v >> 12 & 63];
		*out++ = i + 1 < len ? digit[v >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digit[v & 63] : '=';
	}
	*out = '\0';
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes in place and terminates; returns false on a foreign character */
static bool base64_decode(char *text)
{
	char *out = text;
	uint32_t v = 0;
	int bits = 0;

	for (char *in = text; *in && *in != '='; in++) {
		int digit = base64_value(*in);

		if (digit < 0)
			return false;
		v = v << 6 | digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*out++ = v >> bits;
		}
	}
	*out = '\0';
	return true;
}

static void send_result(void)
{
	size_t lines = 0;

	for (size_t at = 0; at < last.len; at += CHUNK, lines++) {
		size_t len = last.len - at < CHUNK ? last.len - at : CHUNK;
		char text[CHUNK * 4 / 3 + 4];

		base64_encode((const uint8_t *)last.output + at, len, text);
		send_line("@LAB %lu %zu %s", last.id, lines, text);
	}
	send_line("@LAB %lu end %d %zu", last.id, last.status, lines);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static pid_t start(const char *command, int out)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(out, 2);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* Takes what is in the pipe. Returns false at its end. */
static bool collect(int pipe)
{
	static char rest[4096];

	for (;;) {
		bool full = last.len == OUTPUT_MAX;
		char *to = full ? rest : last.output + last.len;
		ssize_t n = read(pipe, to, full ? sizeof(rest) : OUTPUT_MAX - last.len);

		if (n > 0 && !full)
			last.len += n;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n < 0 && errno == EAGAIN)
			return true;
	}
}

static int status_of(int wstatus)
{
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 128 + WTERMSIG(wstatus);
}

/*
 * Runs until the command's own process is gone: one that it left in the
 * background may hold the pipe open for ever. SIGCHLD is blocked but for ppoll.
 */
static void run(const char *command, int64_t timeout)
{
	int64_t deadline = now_ms() + timeout;
	struct pollfd pfd = { .events = POLLIN };
	int fds[2], wstatus;
	bool open = true;
	sigset_t none;
	pid_t pid;

	sigemptyset(&none);
	last.len = 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		exit(1);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	pid = start(command, fds[1]);
	close(fds[1]);
	send_line("@LAB %lu start %d", last.id, pid);
	while (waitpid(pid, &wstatus, WNOHANG) == 0) {
		int64_t left = deadline - now_ms();
		struct timespec ts = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		if (left <= 0) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &wstatus, 0);
			wstatus = -1;
			break;
		}
		pfd.fd = open ? fds[0] : -1;
		ppoll(&pfd, 1, &ts, &none);
		if (open)
			open = collect(fds[0]);
	}
	collect(fds[0]);
	close(fds[0]);
	last.status = wstatus == -1 ? -1 : status_of(wstatus);
}

/* Returns the request within a line whose CRC is right, or NULL */
static char *checked(char *line)
{
	char *body = strstr(line, "@LAB "), *crc;

	if (!body)
		return NULL;
	crc = strrchr(body, ' ');
	if (strtoul(crc + 1, NULL, 16) != crc32(body, crc - body))
		return NULL;
	*crc = '\0';
	return body;
}

static void request(char *line)
{
	char *body = checked(line), *end;
	unsigned long id;
	int64_t timeout;

	if (!body)
		return;
	id = strtoul(body + strlen("@LAB "), &end, 10);
	timeout = strtoll(end, &end, 10);
	if (id == 0) {
		send_line("@LAB 0 ready %d", getpid());
		return;
	}
	if (id != last.id) {
		if (*end != ' ' || !base64_decode(end + 1))
			return;
		last.id = id;
		run(end + 1, timeout);
	}
	send_result();
}

static void set_up_tty(void)
{
	struct termios tio;

	if (tcgetattr(port, &tio) < 0)
		return;
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL | CREAD;
	tio.c_cflag &= ~CRTSCTS;
	tcsetattr(port, TCSANOW, &tio);
}

static int open_port(const char *path)
{
	port = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (port < 0)
		perror(path);
	return port;
}

/*
 * The open that finds no interrupt leaves the tty unusable (EIO) until it's opened
 * again.
 */
static int open_polled(const char *path)
{
	struct serial_struct serial;

	if (open_port(path) < 0 || !strstr(path, "/ttyS"))
		return port;
	if (ioctl(port, TIOCGSERIAL, &serial) < 0)
		return port;
	serial.irq = 0;
	if (ioctl(port, TIOCSSERIAL, &serial) < 0)
		perror("TIOCSSERIAL");
	close(port);
	return open_port(path);
}

static int serve(void)
{
	static char line[LINE_MAX_LEN];
	size_t len = 0;
	char c[256];
	ssize_t n;

	send_line("@LAB 0 ready %d", getpid());
	while ((n = read(port, c, sizeof(c))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < n; i++) {
			if (c[i] != '\n') {
				line[len] = c[i];
				len = (len + 1) % (LINE_MAX_LEN - 1);
				continue;
			}
			line[len] = '\0';
			len = 0;
			request(line);
		}
	}
	return 1;
}

static void on_child(int sig)
{
	(void)sig;
}

static int stamp(void)
{
	char text[64];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	/* the newline ends the record: or else readers don't see it until the next one */
	int len = snprintf(text, sizeof(text), "lab: tsc %llu\n", __builtin_ia32_rdtsc());

	if (fd < 0 || write(fd, text, len) != len) {
		perror("/dev/kmsg");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction child = { .sa_handler = on_child };
	sigset_t blocked;

	if (argc != 2) {
		fprintf(stderr, "usage: lab-shell PORT | --stamp\n");
		return 2;
	}
	if (strcmp(argv[1], "--stamp") == 0)
		return stamp();
	sigaction(SIGCHLD, &child, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	if (open_polled(argv[1]) < 0)
		return 1;
	set_up_tty();
	fcntl(port, F_SETFL, 0);
	return serve();
}
