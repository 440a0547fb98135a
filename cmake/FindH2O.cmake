# libh2o with its own event loop: H2O::evloop, H2O_VERSION.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_H2O QUIET libh2o-evloop)
endif()

find_path(H2O_INCLUDE_DIR h2o.h HINTS ${PC_H2O_INCLUDE_DIRS})
find_library(H2O_LIBRARY h2o-evloop HINTS ${PC_H2O_LIBRARY_DIRS})
mark_as_advanced(H2O_INCLUDE_DIR H2O_LIBRARY)

if(H2O_INCLUDE_DIR AND EXISTS ${H2O_INCLUDE_DIR}/h2o/version.h)
    file(STRINGS ${H2O_INCLUDE_DIR}/h2o/version.h line REGEX "define H2O_VERSION ")
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" H2O_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(H2O REQUIRED_VARS H2O_LIBRARY H2O_INCLUDE_DIR VERSION_VAR H2O_VERSION
    REASON_FAILURE_MESSAGE "h2o.h or libh2o-evloop is missing (on Debian: apt-get install libh2o-evloop-dev)")

if(H2O_FOUND AND NOT TARGET H2O::evloop)
    add_library(H2O::evloop UNKNOWN IMPORTED)
    # h2o.h takes libuv unless told otherwise, and the types then do not match this library.
    set_target_properties(H2O::evloop PROPERTIES
        IMPORTED_LOCATION ${H2O_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${H2O_INCLUDE_DIR}
        INTERFACE_COMPILE_DEFINITIONS H2O_USE_LIBUV=0)
endif()
