#!/bin/sh
# `make test` in phases, and how long each took:
#
#     everything.sh BEGAN MAKE BIN READY [ARGS ...]
#
# BEGAN is when make began, in seconds since 1970; BIN is where Python and pytest are; READY
# are the tasks that come first, and do not get in each other's way. ARGS go to pytest, which
# then runs in one piece.
#
# Most tests of a real server wait: for deadlines, for programs that start. Those that only
# compute run beside them, with a lower priority: they get the cores that are free, and hardly
# disturb a test that looks at a clock. None of them does so itself. A folder that is not named
# below is among the first.
set -u

began=$1 make=$2 bin=$3 ready=$4
shift 4

computing='tests/contract tests/faults tests/fuzz'
for room in tests/unit/[a-z]*/; do
	# A real Redis, and how long it is waited for.
	[ "$room" = tests/unit/state/ ] || computing="$computing ${room%/}"
done

took='' failed='' beside=''
folder=$(mktemp -d)
trap '[ -z "$beside" ] || kill "$beside" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

seconds() { date +%s; }

# note NAME FROM TO STATUS
note() {
	took="$took$(printf '%4d:%02d  %s' $((($3 - $2) / 60)) $((($3 - $2) % 60)) "$1")"
	[ "$4" -eq 0 ] || { took="$took: FAILED" failed=yes; }
	took="$took
"
}

# phase NAME COMMAND ...
phase() {
	name=$1 from=$(seconds)
	shift
	status=0
	"$@" || status=$?
	note "$name" "$from" "$(seconds)" "$status"
}

finish() {
	[ -n "$failed" ] || { $make --silent languages || failed=yes; }
	note 'in all' "$began" "$(seconds)" 0
	printf '\nMinutes and seconds:\n%s' "$took"
	[ -z "$failed" ] || { echo '!!! FAILED: see above.' >&2; exit 1; }
	exit 0
}

note "Python's packages" "$began" "$(seconds)" 0
phase 'tools, checks' $make --jobs=3 --output-sync=target $ready
[ -z "$failed" ] || finish
phase 'clients' $make --jobs=3 --output-sync=target clients lint-clients test-clients
[ -z "$failed" ] || finish

if [ $# -gt 0 ]; then
	phase 'tests' "$bin/pytest" "$@"
	finish
fi

# A shell lets what is in its background ignore SIGINT, which tests send to programs of theirs.
heedful='import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main())'

# aside STEP COMMAND ...: a step of the second process, with its times and end in a file.
aside() {
	step=$1 from=$(seconds)
	shift
	nice -n 10 "$@" &
	trap "kill $!" TERM
	status=0
	wait $! || status=$?
	echo "$from $(seconds) $status" >"$folder/$step"
}

# What failed last is kept apart from that of the others. A gate must not depend on luck, so the
# fuzzers draw the same inputs each time; `make fuzz` draws others.
compute() {
	aside computing "$bin/python" -c "$heedful" -o cache_dir=.pytest_cache/computing $computing
	aside fuzzing "$bin/python" -m tests.fuzz --seconds 60 --seed 1
}

# noted STEP NAME
noted() {
	read -r from to status <"$folder/$1" || { from=$began_beside to=$(seconds) status=1; }
	note "$2, beside them" "$from" "$to" "$status"
}

began_beside=$(seconds)
compute >"$folder/report" 2>&1 &
beside=$!
phase 'tests' "$bin/pytest" $(printf -- '--ignore=%s ' $computing)
wait "$beside"
beside=''
cat "$folder/report"
noted computing 'tests that only compute'
noted fuzzing 'fuzzing'
finish
