# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of khoctl's verbs and options.

_khoctl() {
	local words="status watch plan upgrade commit abort history show spawn reclaim check move rollback
		failover report metrics retire grant revoke console dmesg bench config workload volume image fleet"
	local spawn="--cpus= --memory= --blocks= --append= --timeout= --force"
	local current=${COMP_WORDS[COMP_CWORD]} verb="" second="" word

	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $word == -* ]] && continue
		[[ -n $verb ]] && { second=$word; break; }
		verb=$word
	done
	[[ $verb != image ]] || verb=image${second:+ $second}
	case $verb in
	"") words="$words --json --socket= --help --version" ;;
	spawn) words=$spawn ;;
	plan | upgrade) words="$spawn --soak= --hold --now --if-needed --no-rehearsal --keep-failed --method= --wait --no-wait --dry-run" ;;
	watch) words="--until-over" ;;
	check) words="--cpus= --memory= --blocks=" ;;
	move) words="--no-rehearsal" ;;
	console) words="--follow --type=" ;;
	metrics) words="--openmetrics" ;;
	config) words="check show" ;;
	workload) words="list test" ;;
	volume) words="start stop" ;;
	fleet) words="start status watch pause resume abort history forget lock unlock
		--reason= --steal --audit" ;;
	image) words="build list inspect show clear stage unstage" ;;
	"image build") words="--output= --append= --module= --program= --file= --system --exclude= --replace" ;;
	show) words="--svg --file= --client= "$(khoctl --json history 2>/dev/null | grep -o '"id":"[0-9a-f-]*"' | cut -d'"' -f4) ;;
	*) words="" ;;
	esac
	[[ -z $verb ]] || words+=" --json"
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
	# images are folders
	if [[ $verb =~ ^(spawn|plan|upgrade|check|image show|image inspect)$ && $current != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -d -- "${current:-/var/lib/kho-agent/images/}")
	fi
}

complete -F _khoctl khoctl
