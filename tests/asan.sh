#!/bin/sh
# The core's tests under the address and undefined-behaviour sanitizers:  sh tests/asan.sh PYTHON [pytest arguments]
# The fuzzer of the wire under them:  sh tests/asan.sh PYTHON fuzz [its arguments]
#
# Builds in a copy, so the normal build is not touched. Any finding ends the run with an error and a stack.
set -eu
python=${1:?the Python to use must be given}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cd "$root"
cp -r ext exchange gateway tests docs bench setup.py pyproject.toml README.md "$work"
cd "$work"
rm -f ext/*.so ext/*.c
HOURGLASS_PROFILE=asan "$python" setup.py -q build_ext --inplace -j 2

# The arenas reserve address space without memory behind it: mmap as such is fine, as long as nothing limits the space.
# Python's own allocator would hide overruns of small objects. What Python leaks at its end is no finding.
run() {
    LD_PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=1 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    PYTHONMALLOC=malloc PYTHONPATH="$work" "$@"
}
run "$python" -c 'import ext.core'
if [ "${1:-}" = fuzz ]; then
    shift
    run "$python" -m tests.fuzz.run --keep "$root/build/fuzz" "$@"
    exit
fi
if [ $# -eq 0 ]; then
    set -- tests/spec tests/model tests/unit/test_journal.py tests/unit/test_journal_frames.py tests/unit/test_codec.py \
        tests/unit/test_frames.py tests/unit/test_engine.py tests/unit/test_router.py tests/unit/test_limits.py \
        tests/unit/test_slow_readers.py tests/unit/test_tape.py tests/unit/test_in_place.py tests/unit/test_drop_copy.py \
        tests/unit/test_private_replay.py tests/unit/test_by_order.py tests/unit/test_wide_subscriptions.py \
        tests/unit/test_hostile_session.py tests/conformance tests/fuzz
fi
run "$python" -m pytest -p no:cacheprovider -q "$@"
