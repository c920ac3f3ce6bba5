#!/bin/bash
# benchmarks/run-gpu.sh FOLDER [--device cuda|cpu] [--limit SECONDS] [STAGE...]
# On a machine with a GPU: builds the library where there is none, runs the native tests on the device, the benchmarks in the order
# of their importance, the Python tests on CUDA tensors, and compute-sanitizer over the native tests. Logs and results go to
# FOLDER (at most 9 files). What takes longer than what is left of the limit is cut off, with what it has written so far.
#   STAGE      build test bench python sanitize; none: all, in this order
#   --device   cpu: a dry run of the same stages with the preset cpu and tiny tensors
#   --limit    seconds for everything (540)
# Libraries that were built elsewhere are used as they are: carry build/cuda/lib and build/cuda/bin along.
set -uo pipefail
cd "$(dirname "$0")/.."

usage() { sed -nE '2,/^set/s/^# ?//p' "$0"; exit 2; }
folder="" device=cuda limit=540 stages=()
while [ $# -gt 0 ]; do
  case $1 in
    --device | --limit)
      [ $# -ge 2 ] || usage
      if [ "$1" = --device ]; then device=$2; else limit=$2; fi
      shift
      ;;
    build | test | bench | python | sanitize) [ -n "$folder" ] && stages+=("$1") || folder=$1 ;;
    -*) usage ;;
    *) [ -z "$folder" ] && folder=$1 || usage ;;
  esac
  shift
done
case $device in cuda | cpu) ;; *) usage ;; esac
[ -n "$folder" ] && [[ $limit =~ ^[0-9]+$ ]] || usage
[ ${#stages[@]} -gt 0 ] || stages=(build test bench python sanitize)
mkdir -p "$folder"

python=${OPTIM_PYTHON:-python3}
programs=build/$device/bin
export OPTIM_LIBRARY=$PWD/build/$device/lib/liboptim.so OPTIM_GOLDEN_DIR=$PWD/tests/golden
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Tests of the device alone where there is one; in a dry run a few of the CPU's.
filter='*cuda*:*Cuda*'
[ "$device" = cuda ] || filter='*Stepping*'
failures=0

# within LOG SHARE COMMAND...: runs it for at most SHARE percent of the seconds left and tells how it ended.
within() {
  local log=$folder/$1 seconds=$(((limit - SECONDS) * $2 / 100)) code=0 begin=$SECONDS
  shift 2
  if [ "$seconds" -lt 5 ]; then
    echo "left out, no time: $*" | tee -a "$log"
    failures=$((failures + 1))
    return 1
  fi
  timeout --kill-after=10 "$seconds" "$@" >>"$log" 2>&1 || code=$?
  echo "exit code $code after $((SECONDS - begin)) of at most $seconds seconds: $*" | tee -a "$log"
  [ $code -eq 0 ] || failures=$((failures + 1))
  return $code
}

run_build() {
  if [ -e "$OPTIM_LIBRARY" ] && "$python" -c "import ctypes; ctypes.CDLL('$OPTIM_LIBRARY')"; then
    echo "the library is there"
    return
  fi
  local options=()
  [ "$device" = cpu ] || options=(-DCMAKE_CUDA_ARCHITECTURES=90)
  # The tests need GoogleTest and nlohmann_json, which a machine for measuring may lack.
  echo '#include <gtest/gtest.h>
#include <nlohmann/json.hpp>' | c++ -x c++ -std=c++17 -fsyntax-only - 2>/dev/null || options+=(-DOPTIM_TESTS=OFF)
  within build.log 90 cmake --preset "$device" "${options[@]}" && within build.log 90 cmake --build --preset "$device" -j
}

run_test() {
  local program
  for program in optim_tests optim_internal_tests; do
    [ -x $programs/$program ] && within tests.log 50 $programs/$program --gtest_brief=1 --gtest_filter="$filter"
  done
  # A program that is not there, or that found no device, has tested nothing.
  if ! grep -qs '^\[==========\] [1-9][0-9]* tests' "$folder/tests.log"; then
    echo "no native test has run (programs are built where GoogleTest is)" | tee -a "$folder/tests.log"
    failures=$((failures + 1))
  fi
}

run_bench() {
  local options=(--output "$folder/bench.json")
  [ "$device" = cuda ] || options+=(--device cpu --size tiny --repeats 3)
  [ -z "${OPTIM_COMMIT:-}" ] || options+=(--commit "$OPTIM_COMMIT")
  within bench.log 95 "$python" benchmarks/python/run.py --budget 15 "${options[@]}"
  [ -e "$folder/bench.json" ] && "$python" benchmarks/python/report.py "$folder/bench.json"
}

run_python() {
  local tests=tests/python/test_cuda.py
  [ "$device" = cuda ] || tests=tests/python/test_speed.py
  within python.log 90 "$python" -m pytest -q -p no:cacheprovider $tests
}

run_sanitize() {
  command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not here"; return; }
  local tool
  for tool in memcheck racecheck initcheck synccheck; do
    within sanitizer.log 45 compute-sanitizer --tool $tool --error-exitcode 9 $programs/optim_tests \
      --gtest_brief=1 --gtest_filter="$filter"
  done
}

{
  date -u +'%Y-%m-%d %H:%M UTC'
  git rev-parse HEAD 2>/dev/null
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv 2>/dev/null
} | tee "$folder/machine.txt"
for stage in "${stages[@]}"; do
  echo "== $stage"
  run_$stage
done
cat "$folder/bench.log" 2>/dev/null
echo "$failures failures in $SECONDS seconds"
exit $((failures > 0))
