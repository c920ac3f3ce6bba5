# Schedule discovery: every header NAME.h in native/schedules is a learning-rate schedule NAME. optim_schedules.h in the build
# tree includes them all and lists their names.
include(discovery)

function(optim_discover_schedules)
  optim_discover(schedule names ${PROJECT_SOURCE_DIR}/native/schedules)
  set(includes "")
  set(list "#define OPTIM_SCHEDULES")
  foreach(name IN LISTS names)
    string(APPEND includes "#include \"${names_header_${name}}\"\n")
    string(APPEND list " OPTIM_SCHEDULE(${name})")
  endforeach()
  file(CONFIGURE OUTPUT ${OPTIM_GENERATED_DIR}/optim_schedules.h CONTENT "${includes}${list}\n" @ONLY)
endfunction()
