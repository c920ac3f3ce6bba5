# The library is linked as distributions harden theirs, and its symbols lie in a file of their own.
#   cmake -DREADELF=... -DLIBRARY=... -P hardened-library.cmake
execute_process(COMMAND ${READELF} --wide --segments --sections --dynamic --dyn-syms ${LIBRARY}
  OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
foreach(needed GNU_RELRO BIND_NOW|NOW NODELETE __stack_chk_fail __[a-z]+_chk .gnu_debuglink)
  if(NOT found MATCHES "${needed}")
    message(SEND_ERROR "${LIBRARY} has no ${needed}")
  endif()
endforeach()
if(found MATCHES "\\.symtab")
  message(SEND_ERROR "${LIBRARY} is not stripped")
endif()
if(NOT EXISTS ${LIBRARY}.debug)
  message(SEND_ERROR "there is no ${LIBRARY}.debug with its symbols")
endif()
