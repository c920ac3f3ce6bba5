# Headers that define what they are named after: a rule or schedule NAME is a header NAME.h in one of a few directories, and
# nothing else in the project knows which there are.
set(OPTIM_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)

# optim_discover(<kind> <result> <directories>...): sets <result> to the names, sorted, and <result>_header_<name> to the header
# of each. <kind> is the word for one in messages.
function(optim_discover kind result)
  set(names "")
  foreach(directory IN LISTS ARGN)
    file(GLOB headers CONFIGURE_DEPENDS ${directory}/*.h)
    foreach(header IN LISTS headers)
      cmake_path(GET header STEM LAST_ONLY name)
      if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
        message(FATAL_ERROR
          "${header}: a ${kind}'s name consists of lower-case letters, digits and _, and starts with a letter")
      endif()
      if(name IN_LIST names)
        message(FATAL_ERROR "${header}: another directory has a ${kind} ${name} too (${${result}_header_${name}})")
      endif()
      list(APPEND names ${name})
      set(${result}_header_${name} ${header})
      set(${result}_header_${name} ${header} PARENT_SCOPE)
    endforeach()
  endforeach()
  list(SORT names)
  set(${result} ${names} PARENT_SCOPE)
endfunction()
