# Installs the library, moves the installation, and builds and runs the examples against it, as users would: through find_package and
# through pkg-config; on the CPU, and on a CUDA device where the build has one (CUDA: a real one must be there, SIMT: it always is).
set(prefix ${WORK}/moved)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
file(RENAME ${WORK}/installed ${prefix})
if(ENGINE STREQUAL "SIMT")  # the stand-in for the CUDA runtime is part of no installation
  file(COPY ${BUILD}/lib/libsimt.so DESTINATION ${WORK}/runtime)
  set(ENV{LD_LIBRARY_PATH} ${WORK}/runtime)
endif()

run(${CMAKE_COMMAND} -S ${EXAMPLES} -B ${WORK}/cmake -G ${GENERATOR}
  -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${WORK}/cmake)

file(GLOB_RECURSE pc ${prefix}/*/optim.pc)
cmake_path(GET pc PARENT_PATH pc_dir)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
execute_process(COMMAND ${PKG_CONFIG} --cflags --libs optim
  OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND ${PKG_CONFIG} --variable=libdir optim
  OUTPUT_VARIABLE libdir OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(warnings -pedantic -Wall -Wextra -Werror)
file(MAKE_DIRECTORY ${WORK}/pkg-config)
run(${CC} -std=c99 ${warnings} ${EXAMPLES}/c/train.c -o ${WORK}/pkg-config/train_c ${flags} -lm -Wl,-rpath,${libdir})
run(${CXX} -std=c++17 ${warnings} ${EXAMPLES}/cpp/train.cpp -o ${WORK}/pkg-config/train_cpp ${flags}
  -Wl,-rpath,${libdir})

set(devices cpu)
if(ENGINE STREQUAL "SIMT" OR (ENGINE STREQUAL "CUDA" AND EXISTS /dev/nvidia0))
  list(APPEND devices cuda)
endif()
foreach(device IN LISTS devices)
  foreach(way cmake pkg-config)
    run(${WORK}/${way}/train_c --device ${device})
    run(${WORK}/${way}/train_cpp --device ${device})
  endforeach()
endforeach()
