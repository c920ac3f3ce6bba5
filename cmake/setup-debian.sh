#!/bin/bash
# Installs what a build of Optim needs and this Debian machine lacks; quick when nothing is missing.
#   setup-debian.sh          compilers, CMake, Ninja, test libraries, clang (for the binding generator)
#   setup-debian.sh --tests  also libtorch, and Python with torch, NumPy and pytest, for the tests of the clients
#   setup-debian.sh --cuda   also the CUDA toolkit, from Debian's contrib and non-free
# The .NET SDK 10 is the one thing that Debian does not have.
set -euo pipefail

# What proves that a package is there (a command or a file), and the package.
needs=(
  "g++ g++"
  "cmake cmake"
  "ninja ninja-build"
  "pkg-config pkg-config"
  "nm binutils"
  "clang-14 clang-14"
  "/usr/include/gtest/gtest.h libgtest-dev"
  "/usr/include/nlohmann/json.hpp nlohmann-json3-dev"
)
python=/usr/lib/python3/dist-packages
for option in "$@"; do
  case "$option" in
    --tests)
      needs+=("/usr/include/ATen/core/Tensor.h libtorch-dev") # for the tests of Optim.TorchSharp
      needs+=("$python/torch python3-torch" "$python/numpy python3-numpy" "$python/pytest python3-pytest")
      needs+=("$python/pip python3-pip" "$python/setuptools python3-setuptools" "$python/wheel python3-wheel")
      ;;
    --cuda)
      needs+=("nvcc nvidia-cuda-toolkit" "g++-11 g++-11") # nvcc 11.8 takes no g++ above 11
      ;;
    *) echo "setup-debian.sh: unknown option $option; allowed: --tests, --cuda" >&2; exit 2 ;;
  esac
done

missing=()
for need in "${needs[@]}"; do
  read -r proof package <<<"$need"
  if [[ $proof == /* ]]; then [ -e "$proof" ]; else command -v "$proof" >/dev/null; fi || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "setup-debian.sh: missing: ${missing[*]} (Debian's package names), and there is no apt-get to install them with" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
  [ -t 0 ] || as_root+=(-n) # nobody is there to type a password
  if ! command -v sudo >/dev/null || ! "${as_root[@]}" true; then
    echo "setup-debian.sh: missing: ${missing[*]}; run as root: $0 $*" >&2
    exit 1
  fi
fi

# Prints an apt source for contrib and non-free with the address, suites and key of the one that Debian's main comes from.
contrib_source() {
  local targets uri release entry file key suites= first=
  targets=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SOURCESENTRY)' \
    'Origin: Debian' 'Label: Debian' 'Component: main' 'Created-By: Packages')
  while read -r uri release entry; do
    [ -n "$uri" ] && [ "$uri" = "${first:=$uri}" ] || continue
    suites+=" $release"
    file=${entry%:*}
  done <<<"$targets"
  [ -n "$suites" ] || return 1
  printf 'Types: deb\nURIs: %s\nSuites:%s\nComponents: contrib non-free\n' "$first" "$suites"
  # "Signed-By: KEY" in a .sources file, "[signed-by=KEY]" in a .list file
  key=$(sed -nE 's/^Signed-By: *([^ ]+) *$/\1/Ip; s/^deb .*\[.*signed-by=([^] ]+).*/\1/p' "$file" | head -n 1)
  [ -z "$key" ] || echo "Signed-By: $key"
}

echo "Installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
components=$(apt-get indextargets --format '$(COMPONENT)' 'Origin: Debian')
if [[ " ${missing[*]} " == *" nvidia-cuda-toolkit "* ]] &&
   ! { grep -qx contrib <<<"$components" && grep -qx non-free <<<"$components"; }; then
  source=$(contrib_source) || {
    echo "setup-debian.sh: nvidia-cuda-toolkit needs Debian's contrib and non-free, and no apt source of Debian's main was" \
      "found to derive them from" >&2
    exit 1
  }
  "${as_root[@]}" tee /etc/apt/sources.list.d/optim-cuda.sources <<<"$source" >/dev/null
  "${apt[@]}" update
fi
"${apt[@]}" -y install --no-install-recommends "${missing[@]}"
