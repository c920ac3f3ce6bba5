#!/bin/bash
# ./build.sh TARGET [--force] [arguments of demo or bench]; without a target it prints the targets.
set -euo pipefail
cd "$(dirname "$0")"

if [ $# -eq 0 ]; then
  echo "usage: ./build.sh TARGET [--force] [arguments]"
  echo
  sed -nE 's/^Task\("([a-z]+)"\)\.Description\("([^"]*)"\).*/  \1\t\2/p' build.cake | expand -t 14
  echo
  echo "  --force     run tests again even where nothing they depend on has changed"
  exit 0
fi

target=$1
shift
if ! grep -q "^Task(\"$target\")" build.cake; then
  echo "build.sh: there is no target $target; ./build.sh without arguments prints the targets" >&2
  exit 2
fi
force=()
rest=()
for argument in "$@"; do
  if [ "$argument" = --force ]; then force=(--force); else rest+=("$argument"); fi
done

if ! command -v dotnet >/dev/null || ! dotnet --version >/dev/null 2>&1; then
  echo "build.sh: the .NET SDK 10 is needed and not found (global.json names the version); put dotnet on PATH" >&2
  exit 1
fi
case $target in
  test | all) cmake/setup-debian.sh --tests ;;
  *) cmake/setup-debian.sh ;;
esac

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1
restored=$(dotnet tool restore 2>&1) || { echo "$restored" >&2; exit 1; }
[ -t 1 ] || export NO_COLOR=1
rm -f build/test-results/total.txt
status=0
# The arguments cross into the script one a line.
OPTIM_ARGUMENTS=$(IFS=$'\n'; echo "${rest[*]}") dotnet cake build.cake --target="$target" "${force[@]}" || status=$?
if [ -e build/test-results/total.txt ]; then cat build/test-results/total.txt; fi
exit $status
