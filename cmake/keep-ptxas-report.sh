#!/bin/sh
# Compiler launcher for nvcc: runs the command and moves the lines of -Xptxas=-v from its output to OBJECT.ptxas.
object=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
[ -n "$object" ] || exec "$@"

output=$object.output
report='^ptxas info|^ *[0-9]+ bytes (stack frame|gmem)'
"$@" >"$output" 2>&1
status=$?
grep -E "$report" "$output" >"$object.ptxas"
grep -Ev "$report" "$output" >&2
rm -f "$output"
exit $status
