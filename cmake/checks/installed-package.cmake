# Installs the library, moves the installation, and builds and runs the programs of tests/consumer against it, as users
# would: through find_package and through pkg-config.
set(prefix ${WORK}/moved)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
file(RENAME ${WORK}/installed ${prefix})

run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK}/cmake -G ${GENERATOR}
  -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${WORK}/cmake)
run(${WORK}/cmake/consumer_c)
run(${WORK}/cmake/consumer_cpp)

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
run(${CC} -std=c99 ${warnings} ${CONSUMER}/consumer.c -o ${WORK}/pkg-config/consumer_c ${flags} -lm -Wl,-rpath,${libdir})
run(${CXX} -std=c++17 ${warnings} ${CONSUMER}/consumer.cpp -o ${WORK}/pkg-config/consumer_cpp ${flags}
  -Wl,-rpath,${libdir})
run(${WORK}/pkg-config/consumer_c)
run(${WORK}/pkg-config/consumer_cpp)
