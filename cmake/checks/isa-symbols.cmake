# Object files of one instruction set define no weak symbol (template instance, inline function) that the linker could
# merge with that of another. A name with the instruction set in it (a namespace) exists once and cannot be merged.
file(STRINGS ${OBJECTS} objects)
if(NOT objects)
  message(FATAL_ERROR "${OBJECTS} lists no object file")
endif()
set(leaks "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only --demangle --format=posix ${object}
    OUTPUT_VARIABLE table COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "," table "${table}")
  string(REGEX MATCHALL "[^\n]+ [WVu] [^\n]+" weak "${table}")
  # The exception personality's address: data, the same for all.
  list(FILTER weak EXCLUDE REGEX "^DW\\.ref\\.")
  list(FILTER weak EXCLUDE REGEX "(^|[^a-zA-Z0-9_])${ISA}::")
  foreach(symbol IN LISTS weak)
    string(APPEND leaks "  ${object}: ${symbol}\n")
  endforeach()
endforeach()
if(leaks)
  message(FATAL_ERROR "Weak symbols compiled for ${ISA}:\n${leaks}")
endif()
