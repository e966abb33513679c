# SPDX-License-Identifier: GPL-2.0-only
"""Plain CRIU stop-and-copy, to compare with: dump to a folder, copy it, restore from the
copy, all in the old kernel, of servers like those that are moved.

They are started by hand beside the services (systemd would take the dump for a crash),
with the same programs, configuration and amount of data, on ports of their own.
"""

from .load import Load

DIR = "/run/baseline"
PORTS = {"redis": 6390, "nginx": 8090}

NGINX = """
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
	access_log {dir}/access.log;
	server {{ listen {port}; listen [::]:{port}; root /var/www/html;
		index index.nginx-debian.html; }}
}}
"""

STOP_AND_COPY = r"""
set -e
cd {dir}
options="--tcp-established --shell-job --manage-cgroups=ignore --network-lock nftables -v1"
mkdir -p dump/redis dump/nginx copy
for server in redis nginx; do
	criu dump -t $(cat $server.pid) -D dump/$server -o dump.log $options ||
		{{ tail -n 20 dump/$server/dump.log; exit 1; }}
done
cp -r dump/. copy/
for server in redis nginx; do
	criu restore -d -D copy/$server -o restore.log $options ||
		{{ tail -n 20 copy/$server/restore.log; exit 1; }}
done
"""


def start_servers(shell, address, mib):
    """Both, as daemons of their own."""
    shell.run(f"mkdir -p {DIR} && mount -t tmpfs -o size=75% tmpfs {DIR}")
    shell.write_file(f"{DIR}/nginx.conf", NGINX.format(dir=DIR, port=PORTS["nginx"]).encode())
    shell.run(f"nginx -c {DIR}/nginx.conf")
    shell.run(f"redis-server --port {PORTS['redis']} --bind 127.0.0.1 {address} --daemonize yes "
              f"--protected-mode no --save '' --enable-debug-command yes --pidfile {DIR}/redis.pid "
              f"--dir {DIR} --logfile {DIR}/redis.log")
    shell.wait_until(f"redis-cli -p {PORTS['redis']} ping", 30)
    shell.run(f"redis-cli -p {PORTS['redis']} debug populate {mib * 8} data 131072", 120)


def stop_servers(shell):
    """And all they have left."""
    shell.run(f"for f in {DIR}/redis.pid {DIR}/nginx.pid; do env kill -9 -- -$(cat $f); done")
    shell.wait_until(f"umount {DIR}", 30)


def measure(lab, shell, client, address, mib, connections):
    """The clients' summary over one stop-and-copy."""
    start_servers(shell, address, mib)
    shell.write_file(f"{DIR}/stop-and-copy", STOP_AND_COPY.format(dir=DIR).encode())
    shell.run("criu check || true", 60)
    load = Load(lab, client, "--redis", f"{address}:{PORTS['redis']}", "--http",
                f"{address}:{PORTS['nginx']}", "--connections", str(connections))
    result = shell.call(f"sh {DIR}/stop-and-copy", 300)
    if result.rc != 0:
        raise AssertionError(f"plain CRIU: {result.out}")
    seen = load.settle()
    stop_servers(shell)
    return seen
