# GoogleTest programs as tests of ctest.
enable_testing()
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
set(OPTIM_TEST_SHARDS ${cores} CACHE STRING "Number of processes that share the tests of one program")

# optim_add_tests(<target> <shards> <sources>...): a program whose tests are cut into shards, each a test of ctest. What
# happened to every single one is written to test-results/<target>-<shard>.json.
function(optim_add_tests target shards)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE optim_flags GTest::gtest GTest::gtest_main nlohmann_json::nlohmann_json)
  target_compile_definitions(${target} PRIVATE OPTIM_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
  if(OPTIM_RULES)
    target_compile_definitions(${target} PRIVATE OPTIM_SOME_RULES)
  endif()
  # Tests are compiled more often than their own speed matters.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_precompile_headers(${target} PRIVATE <gtest/gtest.h>)  # a third of the time that they take
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    set(name ${target}-${shard})
    add_test(NAME ${name} COMMAND ${target})
    set_tests_properties(${name} PROPERTIES TIMEOUT 1800 ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};\
GTEST_SHARD_INDEX=${shard};GTEST_BRIEF=1;GTEST_OUTPUT=json:${PROJECT_BINARY_DIR}/test-results/${name}.json;\
ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1;UBSAN_OPTIONS=print_stacktrace=1")
  endforeach()
endfunction()
