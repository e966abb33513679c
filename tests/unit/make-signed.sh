#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes tests/unit/golden/signed anew: certificates, and a tiny EFI program signed by each.
# The keys are thrown away, so nobody can sign anything with them. Run it in the build root
# (mk/enter tests/unit/make-signed.sh); what it makes is committed.
#
#	NAME.pem	a certificate; NAME.efi is signed with its key
#	ca.pem, ca.der	the authority that signer.pem and mail.pem are from
#	child.pem	issued by signer.pem, which is no authority
#	two.efi		signed by other.pem and, behind it, by self.pem
#	foreign.efi	with signer's signature of another program
set -euo pipefail
out=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/golden/signed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# program FILE FILL: a PE32+ file of one section
program() {
	python3 - "$@" <<-'END'
		import struct, sys
		name, fill = sys.argv[1], int(sys.argv[2])
		head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40)
		head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0xf0, 0x206)
		optional = struct.pack("<HBBIIIII", 0x20b, 0, 0, 0x200, 0, 0, 0x1000, 0x1000)
		optional += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, 0x200, 0, 0, 0, 0, 0, 0,
		                        0, 0x2000, 0x200, 0, 10, 0)
		optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
		section = b".text\0\0\0" + struct.pack("<IIIIIIHHI", 0x200, 0x1000, 0x200, 0x200,
		                                       0, 0, 0, 0, 0x60000020)
		body = bytes((i * 7 + fill) & 0xff for i in range(0x200))
		with open(name, "wb") as file:
		    file.write((head + optional + section).ljust(0x200, b"\0") + body)
	END
}

# certificate NAME "SUBJECT" BITS [OPTION...]: self-signed, unless -CA is among the options
certificate() {
	local name=$1 subject=$2 bits=$3
	shift 3
	openssl req -x509 -newkey "rsa:$bits" -nodes -sha256 -subj "/CN=$subject" \
		-keyout "$work/$name.key" -out "$out/$name.pem" -days 20000 "$@" 2>/dev/null
}

# issued NAME "SUBJECT" ISSUER USAGE
issued() {
	certificate "$1" "$2" 2048 -CA "$out/$3.pem" -CAkey "$work/$3.key" \
		-addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=$4"
}

# signed NAME [INPUT]: NAME.efi
signed() {
	sbsign --key "$work/$1.key" --cert "$out/$1.pem" --output "$out/$1.efi" \
		"${2:-$out/plain.efi}" 2>/dev/null
}

main() {
	local name
	rm -rf "$out"
	mkdir -p "$out"
	program "$out/plain.efi" 0
	program "$work/another.efi" 1
	certificate ca "Test CA" 2048 -addext "basicConstraints=critical,CA:TRUE"
	openssl x509 -in "$out/ca.pem" -outform DER -out "$out/ca.der"
	issued signer "Test Signer" ca codeSigning
	issued mail "Test Mail" ca emailProtection
	issued child "Test Child" signer codeSigning
	certificate self "Test Machine Owner" 2048
	certificate other "Somebody Else" 2048
	certificate weak "Test Weak" 1024
	certificate old "Test Expired" 2048 -not_before 20010101000000Z -not_after 20020101000000Z
	for name in signer mail child self other weak old; do
		signed "$name"
	done
	sbsign --key "$work/self.key" --cert "$out/self.pem" --output "$out/two.efi" \
		"$out/other.efi" 2>/dev/null
	signed signer "$work/another.efi"
	sbattach --detach "$work/another.sig" "$out/signer.efi"
	signed signer
	cp "$out/plain.efi" "$out/foreign.efi"
	sbattach --attach "$work/another.sig" "$out/foreign.efi"
	chmod 644 "$out"/*
}
main
