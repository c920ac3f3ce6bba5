#!/bin/bash
# The packages in build/packages, as a user has them: what is in them, a fresh project that restores them from a folder and nothing
# else, the tool, and that packing again gives the same bytes (build/packages-again).
# Prints "ok NAME" or "not ok NAME" for each.
cd "$(dirname "$0")/../.."
packages=$PWD/build/packages
source=$PWD/tests/packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset OPTIM_LIBRARY
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
status=0

# report NAME COMMAND...: runs the command, and shows what it said only if it fails.
report() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok packages: $name"
  else
    echo "not ok packages: $name"
    echo "$output" | tail -n 40
    status=1
  fi
}

# has FILE ENTRY...: the archive has these entries.
has() {
  local file=$1 entry
  shift
  for entry in "$@"; do
    python3 -m zipfile -l $file | grep -q "^$entry " || { echo "$file has no $entry"; return 1; }
  done
}

complete() {
  has $packages/Optim.[0-9]*.nupkg README.md LICENSE lib/net8.0/Optim.dll lib/net8.0/Optim.xml lib/net10.0/Optim.dll \
    lib/net10.0/Optim.xml &&
  has $packages/Optim.[0-9]*.snupkg lib/net8.0/Optim.pdb lib/net10.0/Optim.pdb &&
  has $packages/Optim.TorchSharp.[0-9]*.nupkg README.md LICENSE lib/net8.0/Optim.TorchSharp.dll lib/net8.0/Optim.TorchSharp.xml \
    lib/net10.0/Optim.TorchSharp.dll lib/net10.0/Optim.TorchSharp.xml &&
  has $packages/Optim.TorchSharp.[0-9]*.snupkg lib/net8.0/Optim.TorchSharp.pdb lib/net10.0/Optim.TorchSharp.pdb &&
  has $packages/Optim.Native.linux-x64.[0-9]*.nupkg README.md LICENSE runtimes/linux-x64/native/liboptim.so &&
  has $packages/Optim.Cli.[0-9]*.nupkg README.md LICENSE tools/net10.0/any/Optim.Cli.dll \
    tools/net10.0/any/runtimes/linux-x64/native/liboptim.so &&
  has $packages/Optim.Cli.[0-9]*.snupkg tools/net10.0/any/Optim.Cli.pdb
}

# No package tells where it was built. Entries are compressed, so they are unpacked first.
anonymous() {
  local file
  for file in "$packages"/*.nupkg "$packages"/*.snupkg; do
    python3 -m zipfile -e "$file" "$work/unpacked/$(basename "$file")"
  done
  ! grep -rlF "$PWD" "$work/unpacked"
}

described() {
  local nuspec=$work/unpacked/$(basename $packages/Optim.[0-9]*.nupkg)/Optim.nuspec
  grep '<license type="expression">MIT<' "$nuspec" && grep '<readme>README.md<' "$nuspec" && grep '<repository type="git"' "$nuspec"
}

prepare() { cp -r "$source/consumer" "$source/nuget.config" "$work" && cp -r "$packages" "$work/feed"; }

steps() {
  cd "$work/consumer" && dotnet build --configuration Release && dotnet bin/Release/net10.0/Consumer.dll |
    tee /dev/stderr | awk '$1 == "loss" && $4 < $2 / 2 { fell = 1 } END { exit !fell }'
}

tool() {
  cd "$work" && dotnet tool install Optim.Cli --tool-path "$work/tools" --configfile "$work/nuget.config" &&
    "$work/tools/optim" list | tee /dev/stderr | grep -qw adamw
}

report "are complete" complete
report "name no folder of this machine" anonymous
report "say licence, README and repository" described
report "are the same bytes when packed again" diff -r "$packages" "$packages-again"
report "are taken to a fresh folder" prepare
report "restore from a folder; ten steps lower the loss" steps
report "the tool installs, and lists the catalogue" tool
exit $status
