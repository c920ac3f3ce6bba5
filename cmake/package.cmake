# The installed package: find_package(Optim) and pkg-config, both relocatable.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Optim)
configure_package_config_file(cmake/OptimConfig.cmake.in package/OptimConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(package/OptimConfigVersion.cmake COMPATIBILITY SameMinorVersion)

# The way from the .pc file to the prefix, whatever CMAKE_INSTALL_LIBDIR is.
file(RELATIVE_PATH OPTIM_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" OPTIM_PC_TO_PREFIX ${OPTIM_PC_TO_PREFIX})
configure_file(cmake/optim.pc.in package/optim.pc @ONLY)

install(TARGETS optim EXPORT OptimTargets)
install(EXPORT OptimTargets NAMESPACE Optim:: DESTINATION ${package_dir})
install(FILES native/include/optim/optim.h native/include/optim/optim.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/optim)
install(FILES ${PROJECT_BINARY_DIR}/package/OptimConfig.cmake ${PROJECT_BINARY_DIR}/package/OptimConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/package/optim.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
