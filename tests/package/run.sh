#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make install DESTDIR=, which has to make just what tests/package/installed lists, whatever
# the umask is, and runs from there. The Debian packages, in a writable view of the build root:
# installed, the module built by DKMS for both stock kernels, then purged, which has to leave
# nothing. Runs in the build root; appends to $KHO_RESULTS as every tier does.
# shellcheck disable=SC2317	# functions that check() calls
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
debs=$PWD/build/deb
log=$PWD/build/logs/package.log
view=
failed=0

# check NAME COMMAND...: one result
check() {
	local name=$1 start=$SECONDS verdict=pass
	shift
	"$@" >>"$log" 2>&1 || verdict=fail
	[[ $verdict == pass ]] || { failed=1; tail -n 15 "$log"; }
	printf '  %-8s package/%s %d s\n' "${verdict/pass/ok}" "$name" $((SECONDS - start))
	[[ -z ${KHO_RESULTS:-} ]] ||
		echo "$verdict 1 $((SECONDS - start)) package/$name" >>"$KHO_RESULTS"
}

make_view() {
	view=$(mktemp -d)
	mount -t tmpfs view "$view"
	mkdir "$view/root" "$view/upper" "$view/work"
	mount -t overlay -o "lowerdir=/,upperdir=$view/upper,workdir=$view/work" overlay "$view/root"
	mount -t proc proc "$view/root/proc"
	mount --rbind /dev "$view/root/dev"
	mkdir -p "$view/root/tmp" "$view/root/run"
	mount -t tmpfs tmp "$view/root/tmp"
	cp "$debs"/kho-{agent,multikernel-dkms}_*.deb "$view/root/tmp/"
	# the root was made without kernels' hooks
	sed -i '/postinst\.d/d' "$view"/root/etc/dpkg/dpkg.cfg.d/*
	# nothing is started in there
	printf '#!/bin/sh\nexit 101\n' >"$view/root/usr/sbin/policy-rc.d"
	chmod +x "$view/root/usr/sbin/policy-rc.d"
}

# in a list of commands, "! false" doesn't end it: hence not
inside() { chroot "$view/root" /bin/sh -ec 'not() { if "$@"; then return 1; fi; }; '"$1"; }

drop_view() { [[ -z $view ]] || umount -Rl "$view"; }
trap drop_view EXIT

releases() { cat /opt/kernels/{old,new}/release; }

installs() { inside 'DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/*.deb'; }

has_modules() {
	local release
	for release in $(releases); do
		inside "modinfo -k $release -F vermagic multikernel | grep -q '^$release '" || return
	done
}

works() {
	inside 'khoctl --version; kho-agent --version; khoctl config check
		test -L /etc/systemd/system/multi-user.target.wants/kho-agent.service
		test -x /usr/libexec/kho-agent/kho-restore
		journalctl --update-catalog && journalctl --list-catalog | grep -q kho-agent
		test "$(stat -c %a /var/lib/kho-agent/images)" = 700'
}

# the folder of images as an earlier package had it, which dpkg leaves
tightens() {
	inside 'chmod 755 /var/lib/kho-agent/images
		DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/kho-agent_*.deb
		test "$(stat -c %a /var/lib/kho-agent/images)" = 700'
}

# what alerts link to is there, by the name that they have for it
has_metrics() {
	local list
	list=$(dpkg -c "$debs"/kho-agent_*.deb)
	inside 'promtool check rules /usr/share/kho-agent/alerts.yml
		python3 -m json.tool /usr/share/kho-agent/dashboard.json >/dev/null' || return
	grep -q "/usr/share/doc/kho-agent/runbook.md$" <<<"$list"
}

# the root that they are installed in keeps no manuals
has_manuals() {
	local page list
	list=$(dpkg -c "$debs"/kho-agent_*.deb)
	for page in man8/khoctl.8 man8/kho-agent.8 man5/kho-agent.conf.5; do
		grep -q "/usr/share/man/$page.gz$" <<<"$list" || return
	done
}

# what documents, manuals and messages lead to is there; "../" leads into the sources
has_documents() {
	local dir file link verdict=0
	dir=$(mktemp -d) || return
	for file in "$debs"/kho-{agent,fleet}_*.deb; do
		dpkg-deb -x "$file" "$dir" || return
	done
	while IFS=: read -r file link; do
		[[ -e ${file%/*}/$link ]] || { echo "${file#"$dir"}: $link"; verdict=1; }
	done < <(grep -roE --include=*.md '\]\([a-z0-9][^):# ]*[)#]' "$dir/usr/share/doc" |
		sed 's/](//; s/[)#]$//')
	while read -r file; do
		[[ -e $dir$file ]] || { echo "$file"; verdict=1; }
	done < <(grep -rh /usr/share/doc/ kho-agent docs/man | sed 's/\\-/-/g' |
		grep -oE '/usr/share/doc/kho-[a-z]+(/[a-z]+\.md)?')
	rm -r "$dir"
	return "$verdict"
}

is_one_version() {
	inside 'test "$(khoctl --version)" = "khoctl $(dpkg-query -W -f "\${Version}" kho-agent)"'
}

# with no configuration a kernel's package changes nothing; a hook never fails, whatever it's told
has_hooks() {
	inside 'for hook in /etc/kernel/postinst.d /etc/kernel/header_postinst.d /etc/kernel/postrm.d; do
			$hook/zz-kho-agent; $hook/zz-kho-agent 1.2.3-none /boot/vmlinuz-1.2.3-none
		done
		test -f /usr/lib/systemd/system/kho-stage@.service
		perl -c /etc/needrestart/conf.d/kho-agent.conf
		khoctl image stage 1.2.3-none | grep -q "Stage=no"'
}

# a kernel's image is made by its name and by nothing else, and goes with it
stages() {
	inside 'release=$(ls /usr/lib/modules | head -n 1)
		mkdir -p /etc/kho-agent
		printf "[Image]\nStage=yes\nStageOptions=--module=ext4\n" >/etc/kho-agent/kho-agent.conf
		not khoctl image stage 1.2.3-none
		khoctl image stage "$release"
		test "$(readlink /var/lib/kho-agent/staged)" = "/var/lib/kho-agent/images/$release"
		khoctl image stage "$release"
		rm -f "/boot/vmlinuz-$release"
		/etc/kernel/postrm.d/zz-kho-agent "$release"
		not test -e "/var/lib/kho-agent/images/$release"
		not test -L /var/lib/kho-agent/staged
		rm -r /etc/kho-agent'
}

# a system's squashfs, by whoever is here for mksquashfs: it's root's alone while it's made, what a
# killed build leaves is removed by the next one
keeps_secrets() {
	inside 'release=$(ls /usr/lib/modules | head -n 1)
		cd /var/lib/kho-agent/images
		build() { (umask 0; khoctl image build secret "$release" --system); }
		printf "%s\n" "#!/bin/sh" "stat -c %a \"\$2\" >/tmp/mode; echo secret >\"\$2\"" \
			"[ ! -e /tmp/kill ] || kill -9 \$PPID" >/usr/local/bin/mksquashfs
		chmod +x /usr/local/bin/mksquashfs
		touch /tmp/kill
		not build
		test "$(stat -c %a .secret.squashfs)" = 600
		rm /tmp/kill
		build
		test "$(cat /tmp/mode)" = 600
		not test -e .secret.squashfs
		test "$(stat -c %a secret) $(stat -c %a secret/initramfs.img)" = "700 600"
		rm -r secret /usr/local/bin/mksquashfs /tmp/mode'
}

# a khoctl in front of the real one, which answers what /tmp/status has; and systemd, as if it ran
fake_machine() {
	cat >"$view/root/usr/local/bin/khoctl" <<'END'
#!/bin/sh
[ "$*" = "--json status" ] && cat /tmp/status
END
	printf '#!/bin/sh\necho "$*" >>/tmp/invoked\n' >"$view/root/usr/local/bin/deb-systemd-invoke"
	printf '#!/bin/sh\n' >"$view/root/usr/local/bin/systemctl"
	chmod +x "$view"/root/usr/local/bin/{khoctl,deb-systemd-invoke,systemctl}
	mkdir -p "$view/root/run/systemd/system" "$view/root/run/kho-agent"
}

# in the middle of an upgrade it's neither removed nor upgraded, and nobody restarts the agent
refuses() {
	inside ': >/tmp/invoked
		not dpkg --remove kho-agent
		not dpkg -i /tmp/kho-agent_*.deb
		test "$(dpkg-query -W -f "\${Status}" kho-agent)" = "install ok installed"
		test -x /usr/sbin/kho-agent
		not grep -v "^start kho-agent.service$" /tmp/invoked'
}

stays_in_upgrade() {
	local status trace verdict=0
	fake_machine
	for status in '{"phase": "soak"}' '{"phase":"restore"}' \
		'{"phase":"idle","upgrade":{"state":"check"}}' \
		$'{\n\t"phase" : "idle",\n\t"upgrade" : {}\n}'; do
		printf '%s\n' "$status" >"$view/root/tmp/status"
		refuses || { echo "not with $status"; verdict=1; }
	done
	rm "$view/root/tmp/status"
	for trace in /run/kho-agent/reserved /run/kho-agent/move-record /var/lib/kho-agent/upgrade.1; do
		echo "boot $(cat /proc/sys/kernel/random/boot_id)" >"$view/root$trace"
		refuses || { echo "not with $trace"; verdict=1; }
		rm "$view/root$trace"
	done
	return "$verdict"
}

# when idle the agent is restarted, by the new package alone; one begun meanwhile is let alone
restarts_when_idle() {
	fake_machine
	inside 'upgrade() { : >/tmp/invoked; DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/kho-agent_*.deb; }
		echo "boot 00000000-0000-4000-8000-000000000000" >/var/lib/kho-agent/upgrade.0
		upgrade
		rm /var/lib/kho-agent/upgrade.0
		echo "{\"phase\":\"idle\",\"upgradeId\":\"\",\"message\":\"\"}" >/tmp/status
		upgrade
		grep -x "try-restart kho-agent.service" /tmp/invoked
		not grep -E "^(stop|restart)|kho-new" /tmp/invoked
		: >/tmp/invoked
		dpkg --unpack /tmp/kho-agent_*.deb
		echo "{\"phase\":\"reserve\"}" >/tmp/status
		dpkg --configure kho-agent
		not grep restart /tmp/invoked
		rm -r /run/systemd/system /run/kho-agent /tmp/status /tmp/invoked \
			/usr/local/bin/khoctl /usr/local/bin/systemctl /usr/local/bin/deb-systemd-invoke'
}

# a node as the hook finds and leaves it: /tmp/cordoned, /tmp/mark; what it was told
fake_kubectl() {
	cat >"$view/root/usr/local/bin/kubectl" <<'END'
#!/bin/sh
echo "$*" >>/tmp/kubectl.log
[ "$1" = --request-timeout=20s ] && shift
case "$1 $4" in
"get --output=jsonpath={.spec.unschedulable}") [ ! -e /tmp/cordoned ] || printf true ;;
"get "*) [ "$4" = "--output=jsonpath={.metadata.annotations['kho-agent/cordoned-by']}" ]
	 cat /tmp/mark 2>/dev/null || : ;;
"annotate --overwrite") printf %s "${5#kho-agent/cordoned-by=}" >/tmp/mark ;;
"annotate kho-agent/cordoned-by-") rm /tmp/mark ;;
"cordon ") touch /tmp/cordoned ;;
"uncordon ") rm /tmp/cordoned ;;
*) exit 1 ;;
esac
case $2 in node) node=$3 ;; *) node=$2 ;; esac
[ "$node" = "$(uname -n)" ]
END
	chmod +x "$view/root/usr/local/bin/kubectl"
}

# cordoned from before the switch to the end of that upgrade, however it ends; not what another has
cordons() {
	fake_kubectl
	inside 'hook=/usr/share/kho-agent/kubernetes/cordon
		for end in committed failed; do
			KHO_UPGRADE=one $hook pre-switch
			test -e /tmp/cordoned && test "$(cat /tmp/mark)" = one
			KHO_UPGRADE=other $hook $end
			test -e /tmp/cordoned
			KHO_UPGRADE=one $hook $end
			not test -e /tmp/cordoned && not test -e /tmp/mark
		done
		touch /tmp/cordoned
		KHO_UPGRADE=two $hook pre-switch
		KHO_UPGRADE=two $hook committed
		test -e /tmp/cordoned && not test -e /tmp/mark
		not env KHO_NODE=nowhere KHO_UPGRADE=three $hook pre-switch'
}

# a machine as the playbook sees it: /tmp/runs, /tmp/asked; an upgrade is checked, in its soak, then over
fake_khoctl() {
	cat >"$view/root/usr/local/bin/khoctl" <<'END'
#!/bin/sh
asked=$(cat /tmp/asked 2>/dev/null || echo 0)
case "$*" in
"--json upgrade --if-needed "*"/tmp/image")
	if [ "$(cat /tmp/runs)" = new ]; then echo '{"needed":false,"release":"new"}'; exit; fi
	case $* in *--no-wait*) echo 0 >/tmp/asked ;; esac
	echo '{"id":"1"}' ;;
"--json status")
	echo $((asked + 1)) >/tmp/asked
	case $asked in
	0) echo '{"phase":"idle","upgrade":{"state":"check"}}'; exit ;;
	1) echo '{"phase":"soak","upgrade":{"state":"soak"}}'; exit ;;
	esac
	[ -e /tmp/undone ] || echo new >/tmp/runs
	echo '{"phase":"idle"}' ;;
*) exit 64 ;;
esac
END
	chmod +x "$view/root/usr/local/bin/khoctl"
}

play() {
	inside 'ANSIBLE_LOCALHOST_WARNING=false HOME=/tmp ansible-playbook \
		--connection=local --inventory=localhost, \
		--extra-vars="{kho_image: /tmp/image, kho_tries: 9, kho_pause: 0}" \
		/usr/share/kho-agent/ansible/upgrade.yml'
}

# waits for the end of an upgrade; does nothing the second time; one that was undone is a failure
plays() {
	local first second verdict=0
	fake_khoctl
	inside 'echo old >/tmp/runs'
	first=$(play) && second=$(play) || verdict=1
	printf '%s\n' "$first" "$second"
	grep -q 'changed=1 .*failed=0' <<<"$first" && grep -q 'changed=0 .*failed=0' <<<"$second" &&
		inside 'test "$(cat /tmp/asked)" = 4' || verdict=1
	inside 'echo old >/tmp/runs; touch /tmp/undone'
	play && verdict=1
	inside 'rm /usr/local/bin/khoctl /tmp/runs /tmp/asked /tmp/undone'
	return "$verdict"
}

purges() {
	inside 'touch /var/lib/kho-agent/images/something
		dpkg --purge kho-agent kho-multikernel-dkms
		not command -v khoctl
		not test -e /var/lib/kho-agent
		! find /usr /etc /var/lib -name "*kho-agent*" -o -name "*multikernel*" | grep .'
}

# as package builders of other distributions use it
make_install() {
	local dir
	dir=$(mktemp -d) || return
	(umask 077 && make -s --no-print-directory install DESTDIR="$dir") || return
	# one module for each kernel that's there
	(cd "$dir" && find . ! -type d -printf '%m /%P\n') |
		sed 's,/modules/[^/]*/,/modules/RELEASE/,' | sort -uk 2 |
		diff tests/package/installed - || return
	# the folder of images is root's alone, all others are for everybody
	[[ $(stat -c %a "$dir/var/lib/kho-agent/images") == 700 ]] || return
	"$dir/usr/bin/khoctl" --version | grep -q "^khoctl " &&
		"$dir/usr/sbin/kho-agent" --version | grep -q "^kho-agent " &&
		! grep -rl "$dir" "$dir"
}

: >"$log"
check make-install make_install
make_view
check installs installs
check has-modules has_modules
check works works
check tightens tightens
check has-metrics has_metrics
check has-manuals has_manuals
check has-documents has_documents
check is-one-version is_one_version
check has-hooks has_hooks
check keeps-secrets keeps_secrets
check stages stages
check stays-in-upgrade stays_in_upgrade
check restarts-when-idle restarts_when_idle
check cordons cordons
check plays plays
check purges purges
exit "$failed"
