#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A health command of redis at $1 that leaves what khoctl status said meanwhile.
khoctl --json status >/run/lab-health.json
exec redis-cli -h "$1" ping
