# Kernels of the CPU engine are compiled once per instruction set, and the engine chooses at load time.
include(discovery)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(OPTIM_ISAS v4 v3 v2 CACHE STRING "Levels of x86-64 that the CPU engine is compiled for, the best first")
else()
  set(OPTIM_ISAS plain)
endif()
set(each_isa "")
foreach(isa IN LISTS OPTIM_ISAS)
  string(APPEND each_isa " WHAT(NAME, ${isa})")
endforeach()
file(CONFIGURE OUTPUT ${OPTIM_GENERATED_DIR}/optim_isas.h CONTENT "#define OPTIM_FOR_EACH_ISA(WHAT, NAME)${each_isa}\n")

# optim_add_isa_kernels(<sources>...): the object libraries optim_cpu_<isa>, from the same sources each.
# Their code must not leave its object files, or a linker could pick a v4 copy of a shared inline function for everybody:
# checks.cmake looks that they define no weak symbol.
function(optim_add_isa_kernels)
  foreach(isa IN LISTS OPTIM_ISAS)
    set(target optim_cpu_${isa})
    add_library(${target} OBJECT ${ARGN})
    target_link_libraries(${target} PRIVATE optim_flags optim_headers)
    target_compile_definitions(${target} PRIVATE OPTIM_BUILD OPTIM_ISA=${isa})
    target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math -fopenmp-simd)
    # A flag of a rule makes two loops even where the update is long, instead of one that computes both cases.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:--param=max-unswitch-insns=200>)
    if(NOT isa STREQUAL "plain")
      target_compile_options(${target} PRIVATE -march=x86-64-${isa})
    endif()
    if(NOT OPTIM_SANITIZE)
      target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
    endif()
  endforeach()
endfunction()
