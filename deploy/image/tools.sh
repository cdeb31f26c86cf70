#!/bin/sh
# Gathers sh, the usual small commands and curl for the tools image in a directory: tools.sh OUT.
#
# busybox must be static: BUSYBOX names one, else the one in PATH is taken if it is, else Debian's busybox-static is
# downloaded and unpacked, not installed. There is no static curl in Debian: this machine's is taken, with the
# libraries that ldd names and the loader that finds them.
set -eu
out=${1:?where to put the tools}
rm -rf "$out"
mkdir -p "$out/bin" "$out/usr/bin"

static() { [ -x "$1" ] && ! ldd "$1" >/dev/null 2>&1; }

box=${BUSYBOX:-$(command -v busybox || true)}
if [ -z "$box" ] || ! static "$box"; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	(cd "$scratch" && apt-get download -q busybox-static >&2 && dpkg -x busybox-static_*.deb .) ||
		{ echo "tools.sh: no static busybox here: install Debian's busybox-static, or name one with BUSYBOX=" >&2; exit 1; }
	box=$(find "$scratch" -path '*bin/busybox' -type f)
fi
install -m 755 "$box" "$out/bin/busybox"
"$box" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "$out/bin/$applet"
done

curl=${CURL:-$(command -v curl)} || { echo "tools.sh: no curl here: install it, or name one with CURL=" >&2; exit 1; }
install -m 755 "$curl" "$out/usr/bin/curl"
ldd "$curl" 2>/dev/null | grep -o '/[^ ]*' | sort -u | while read -r library; do
	install -D -m 755 "$library" "$out$library"
done
