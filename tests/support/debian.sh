#!/bin/sh
# Brings programs that tests drive into a folder of tools: the machine's own
# ones, else out of Debian packages, unpacked there without root together with
# every package they need that this machine has not.
#
#   debian.sh .tools redis redis-server=usr/bin/redis-server -- redis-server
#
# gives .tools/bin/redis-server. After the path inside the packages may follow,
# behind colons, other names that the machine may have the program under. What a
# failure means is the caller's business: see the Makefile.
set -eu

tools=$1 name=$2
shift 2
programs=
while [ "$1" != -- ]; do
	programs="$programs $1"
	shift
done
shift
mkdir -p "$tools/bin"
tools=$(cd "$tools" && pwd -P)

# Link the machine's own programs; fails when one is missing.
link_own() {
	for program in $programs; do
		own=
		for candidate in $(echo "$program" | sed 's/=[^:]*:*/ /; s/:/ /g'); do
			path=$(command -v "$candidate") && "$path" --version >/dev/null 2>&1 && own=$path && break
		done
		[ -n "$own" ] || return 1
		ln -sf "$own" "$tools/bin/${program%%=*}"
	done
}

# Fetch packages and what they need into the working folder. apt-get compares
# each with the signed lists.
download() {
	apt_get --no-install-recommends --download-only "$@" install $packages
}

apt_get() {
	apt-get -qq -y -o Dir::Cache="$work/cache" -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

# A program's libraries and fonts are looked for beside it. It replaces this
# shell, so that it can be signalled.
write_start() {
	libraries=$(cd "$work" && find . -name 'lib*.so*' -printf '%h\n' | sort -u | sed 's|^\.|$here|' | paste -sd: -)
	{
		echo '#!/bin/sh'
		echo 'here=$(dirname "$(readlink -f "$0")")'
		[ -z "$libraries" ] || echo "export LD_LIBRARY_PATH=\"$libraries\""
		[ ! -d "$work/usr/share/fonts" ] || echo 'export FONTCONFIG_FILE="$here/fonts.conf"'
		echo "exec \"\$here/$2\" \"\$@\""
	} >"$work/start-$1"
	chmod +x "$work/start-$1"
	"$work/start-$1" --version
}

# Our fonts first, so that a page looks the same everywhere.
write_fonts() {
	cat >"$work/fonts.conf" <<-END
		<?xml version="1.0"?>
		<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
		<fontconfig>
		  <dir prefix="relative">usr/share/fonts</dir>
		  <cachedir>$tools/$name/cache</cachedir>
		  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
		</fontconfig>
	END
}

if link_own; then exit 0; fi
if ! { command -v apt-get && command -v dpkg; } >/dev/null; then exit 1; fi

packages=$*
work=$(mktemp -d "$tools/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/cache/archives/partial" "$work/lists/partial"

# Without usable package lists on this machine, lists of our own.
lists="-o Dir::State::lists=$work/lists"
download || { apt_get $lists update && download $lists; }
for package in "$work"/cache/archives/*.deb; do dpkg -x "$package" "$work"; done
rm -rf "$work/cache" "$work/lists"
[ ! -d "$work/usr/share/fonts" ] || write_fonts
for program in $programs; do
	path=${program#*=}
	write_start "${program%%=*}" "${path%%:*}"
done

rm -rf "${tools:?}/$name"
mv "$work" "$tools/$name"
for program in $programs; do
	ln -sf "../$name/start-${program%%=*}" "$tools/bin/${program%%=*}"
done
