# Checks on what was built, as tests: exported symbols, leaks between instruction sets, register spills, the installed package.
set(checks ${PROJECT_SOURCE_DIR}/cmake/checks)

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT OPTIM_SANITIZE)
  add_test(NAME exported-symbols COMMAND ${CMAKE_COMMAND}
    -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:optim> -DHEADER=${PROJECT_SOURCE_DIR}/native/include/optim/optim.h
    -P ${checks}/exported-symbols.cmake)

  add_test(NAME hardened-library COMMAND ${CMAKE_COMMAND}
    -DREADELF=${CMAKE_READELF} -DLIBRARY=$<TARGET_FILE:optim> -P ${checks}/hardened-library.cmake)

  foreach(isa IN LISTS OPTIM_ISAS)
    set(list ${PROJECT_BINARY_DIR}/checks/cpu_${isa}.txt)
    file(GENERATE OUTPUT ${list} CONTENT "$<JOIN:$<TARGET_OBJECTS:optim_cpu_${isa}>,\n>\n")
    add_test(NAME isa-symbols-${isa} COMMAND ${CMAKE_COMMAND}
      -DNM=${CMAKE_NM} -DISA=${isa} -DOBJECTS=${list} -P ${checks}/isa-symbols.cmake)
  endforeach()

  find_program(PKG_CONFIG pkg-config REQUIRED)
  enable_language(C)
  add_test(NAME installed-package COMMAND ${CMAKE_COMMAND}
    -DBUILD=${PROJECT_BINARY_DIR} -DSOURCE=${PROJECT_SOURCE_DIR} -DWORK=${PROJECT_BINARY_DIR}/examples
    -DENGINE=$<IF:$<BOOL:${OPTIM_SIMT}>,SIMT,$<IF:$<BOOL:${OPTIM_CUDA}>,CUDA,CPU>>
    -DPKG_CONFIG=${PKG_CONFIG} -DCC=${CMAKE_C_COMPILER} -DCXX=${CMAKE_CXX_COMPILER} -DGENERATOR=${CMAKE_GENERATOR}
    -P ${checks}/installed-package.cmake)
endif()

if(OPTIM_CUDA)
  set(list ${PROJECT_BINARY_DIR}/checks/cuda.txt)
  file(GENERATE OUTPUT ${list} CONTENT "$<JOIN:$<TARGET_OBJECTS:optim_cuda>,\n>\n")
  add_test(NAME register-spills COMMAND ${CMAKE_COMMAND} -DOBJECTS=${list} -P ${checks}/register-spills.cmake)
endif()
