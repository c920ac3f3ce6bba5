#!/bin/bash
# The proof that an optimizer is one file: builds the library with the rule of tests/one_file_rule/rules added to sgd, both
# engines (CUDA by the stand-in), and finds it in the registry, on the engines, in `optim list`, in generated C#
# and in Python.
# Prints "ok NAME" or "not ok NAME" for each; needs the .NET projects built.
cd "$(dirname "$0")/../.."
build=build/one-file-rule
library=$PWD/$build/lib/liboptim.so
status=0

# report NAME COMMAND...: runs the command, and shows what it said only if it fails.
report() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok $name"
  else
    echo "not ok $name"
    echo "$output" | tail -n 40
    status=1
  fi
}

build_library() {
  cmake --preset simt -B $build -DOPTIM_RULES=sgd -DOPTIM_EXTRA_RULES="$PWD/tests/one_file_rule/rules" \
    -DOPTIM_TESTS=OFF -DCMAKE_BUILD_TYPE=Debug &&
  cmake --build $build --target optim &&
  cc -std=c99 -pedantic -Wall -Wextra -Werror -Inative/include tests/one_file_rule/check.c -o $build/check \
    -L$build/lib -loptim -Wl,-rpath,"$PWD/$build/lib"
}

listed() { artifacts/bin/optim list --library "$library" | grep -w throwaway; }

generated() {
  rm -rf $build/generated-cs
  dotnet run --project bindings/Optim.Generator --configuration Release --no-build -- \
    --library "$library" --output $build/generated-cs &&
  grep -rlw 'class Throwaway' $build/generated-cs && grep -rw Gain $build/generated-cs
}

python_class() {
  OPTIM_LIBRARY=$library PYTHONPATH=bindings/python PYTHONDONTWRITEBYTECODE=1 "${OPTIM_PYTHON:-/usr/bin/python3}" -c '
import inspect, torch, optim
assert "gain" in inspect.signature(optim.Throwaway).parameters
param = torch.nn.Parameter(torch.ones(3))
param.grad = torch.ones(3)
optim.Throwaway([param]).step()
assert not torch.equal(param.detach(), torch.ones(3))
assert "throwaway" in optim.get_supported_optimizers()'
}

report "one-file rule: builds, and is in the registry" build_library
report "one-file rule: steps on the CPU engine" $build/check 0
report "one-file rule: steps on the CUDA engine (simt)" $build/check 1
report "one-file rule: optim list" listed
report "one-file rule: generated C#" generated
report "one-file rule: Python class" python_class
exit $status
