# Installs the library, moves the installation, and builds and runs the examples against it, as users would: through find_package and
# through pkg-config; on the CPU, and on a CUDA device where the build has one (CUDA: a real one must be there, SIMT: it always is).
# The programs in the documentation are built through pkg-config and run on the CPU.
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

run(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${WORK}/cmake -G ${GENERATOR}
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
run(${CC} -std=c99 ${warnings} ${SOURCE}/examples/c/train.c -o ${WORK}/pkg-config/train_c ${flags} -lm -Wl,-rpath,${libdir})
run(${CXX} -std=c++17 ${warnings} ${SOURCE}/examples/cpp/train.cpp -o ${WORK}/pkg-config/train_cpp ${flags}
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

# Compiles and runs every program in the documentation that is fenced as LANGUAGE; what follows are the compiler and its flags.
function(run_snippets language)
  string(LENGTH "```${language}\n" fence)
  file(GLOB_RECURSE pages ${SOURCE}/docs/*.md)
  set(count 0)
  foreach(page IN LISTS pages ITEMS ${SOURCE}/README.md)
    file(READ ${page} text)
    string(FIND "${text}" "```${language}\n" begin)
    while(NOT begin EQUAL -1)
      math(EXPR begin "${begin} + ${fence}")
      string(SUBSTRING "${text}" ${begin} -1 text)
      string(FIND "${text}" "\n```" end)
      string(SUBSTRING "${text}" 0 ${end} program)
      math(EXPR count "${count} + 1")
      set(made ${WORK}/snippets/${language}-${count})
      message(STATUS "${page}")
      file(WRITE ${made}.${language} "${program}\n")
      run(${ARGN} ${made}.${language} -o ${made} ${flags} -Wl,-rpath,${libdir})
      run(${made})
      string(FIND "${text}" "```${language}\n" begin)
    endwhile()
  endforeach()
  if(count EQUAL 0)
    message(FATAL_ERROR "the documentation has no program in ${language}")
  endif()
endfunction()

run_snippets(c ${CC} -std=c99 ${warnings})
run_snippets(cpp ${CXX} -std=c++17 ${warnings})
