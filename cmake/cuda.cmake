# nvcc for the CUDA engine: one binary for each of two generations, and PTX for later ones.
if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  # nvcc 11.8 takes no g++ above 11.
  find_program(OPTIM_GXX_11 g++-11)
  mark_as_advanced(OPTIM_GXX_11)
  if(OPTIM_GXX_11)
    set(CMAKE_CUDA_HOST_COMPILER ${OPTIM_GXX_11} CACHE FILEPATH "Host compiler of nvcc")
  endif()
endif()
set(CMAKE_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "Architectures of the CUDA engine")
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

add_library(optim_cuda_flags INTERFACE)
target_compile_options(optim_cuda_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:
  --fmad=false --expt-relaxed-constexpr -Werror=all-warnings -Xptxas=-v -Xcompiler=-Wall,-Wextra,-Werror,-ffp-contract=off>)
# Keeps what ptxas says about registers beside each object file, for the check that nothing spills.
set_target_properties(optim_cuda_flags PROPERTIES EXPORT_NAME cuda_flags)
set(OPTIM_CUDA_LAUNCHER ${PROJECT_SOURCE_DIR}/cmake/keep-ptxas-report.sh)
