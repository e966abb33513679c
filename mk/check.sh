#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs tiers of tests (lint, unit, sim, metrics, model, fuzz, package, lab, lab-long), each to its
# end whatever the one before did, and closes with one line that sums up all. A tier that breaks
# without having recorded a failure counts as one. UNIT_PROGS, SIM_PROGS,
# FUZZ_PROGS, MODEL_TESTS and TESTS are lists of names; LAB_JOBS is how many machines run at the same time.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
mkdir -p build/logs
KHO_RESULTS=$(mktemp "$PWD/build/logs/results.XXXXXX") || exit
export KHO_RESULTS
trap 'rm -f "$KHO_RESULTS"' EXIT

# shellcheck disable=SC2086	# lists of names
tier() {
	case $1 in
	lint) mk/lint.py ;;
	unit) mk/unit.py ${UNIT_PROGS:-} ;;
	sim) mk/unit.py --tier=sim ${SIM_PROGS:-} ;;
	metrics) tests/metrics/run.py "${METRICS_SERVE:?}" ;;
	model) mk/model.py ${MODEL_TESTS:-} ;;
	fuzz) mk/fuzz.py ${FUZZ_PROGS:-} ;;
	package) tests/package/run.sh ;;
	lab) tests/lab/run --jobs="${LAB_JOBS:-1}" --which=short ${TESTS:-} ;;
	lab-long) tests/lab/run --jobs="${LAB_JOBS:-1}" --which=long ;;
	esac
}

for name in "$@"; do
	echo "==> $name"
	failures=$(grep -c ^fail "$KHO_RESULTS")
	tier "$name" && continue
	[[ $(grep -c ^fail "$KHO_RESULTS") -gt $failures ]] ||
		echo "fail 1 0 $name/broke" >>"$KHO_RESULTS"
done
echo
python3 mk/results.py
