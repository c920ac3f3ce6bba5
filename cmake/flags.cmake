# What every unit of the library and its tests is compiled with.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# No contraction to fused multiply-add: results are equal on every instruction set and on the GPU.
add_library(optim_flags INTERFACE)
target_compile_options(optim_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Werror;-ffp-contract=off>)
# g++ before 13 sees array bounds crossed in an inlined std::sort of a short array.
target_compile_options(optim_flags INTERFACE
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds>)
# Whether clang vectorizes a loop that may be depends on the level of optimization.
target_compile_options(optim_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-pass-failed>)

if(OPTIM_SANITIZE)
  set(sanitize -fsanitize=${OPTIM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # The address sanitizer sees these three by itself, and they take half of the time to compile.
  set(seen_anyway -fno-sanitize=null,object-size,vptr)
  target_compile_options(optim_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${sanitize};${seen_anyway}>)
  target_link_options(optim_flags INTERFACE ${sanitize})
endif()
