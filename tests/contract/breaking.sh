#!/bin/sh
# Fails when proto/ breaks what was promised: `breaking.sh BUF [COMMIT ...]`.
#
# It is held against two things, since neither alone is enough:
# - the contract of the last release, baseline.yaml beside this file, which is in every clone,
#   however shallow. A release writes it anew:
#       buf build --exclude-source-info -o tests/contract/baseline.yaml
# - commits, so that what came after the release stays too: those that are named, or else the one
#   at which this work left the main branch, and the one before it. On the main branch itself, as in
#   CI, the first is the very commit that is checked, and says nothing.
set -eu

buf=$1
shift

if [ $# -eq 0 ]; then
	for branch in origin/main main HEAD; do
		fork=$(git merge-base HEAD "$branch" 2>/dev/null) || continue
		# Two of them, or what a shallow clone has.
		set -- $(git rev-list --first-parent --max-count=2 "$fork")
		[ $# -eq 2 ] || echo 'There is no earlier commit here: the contract is held against the last release alone.' >&2
		break
	done
	[ $# -gt 0 ] || echo 'There is no history here: the contract is held against the last release alone.' >&2
fi

"$buf" breaking --against tests/contract/baseline.yaml
held='the last release'

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
for commit; do
	mkdir -p "$old/$commit"
	git archive "$commit" proto buf.yaml | tar -x -C "$old/$commit"
	"$buf" breaking --against "$old/$commit"
	held="$held, $(git rev-parse --short "$commit")"
done
echo "The contract is compatible with $held."
