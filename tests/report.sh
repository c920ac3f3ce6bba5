# For scripts of tests that build.cake counts: the exit status is that of the script.
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
