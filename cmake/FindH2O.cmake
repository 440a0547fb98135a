# libh2o with its own event loop: H2O::evloop, H2O_VERSION. Whoever has built libh2o's master names in H2O_DEFINITIONS and
# H2O_LIBRARIES what it was built with, as "QUICLY_USE_TRACER=1;H2O_USE_BROTLI=1" and "brotlienc;brotlidec;m;dl".
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_H2O QUIET libh2o-evloop)
endif()

find_path(H2O_INCLUDE_DIR h2o.h HINTS ${PC_H2O_INCLUDE_DIRS})
find_library(H2O_LIBRARY h2o-evloop HINTS ${PC_H2O_LIBRARY_DIRS})
mark_as_advanced(H2O_INCLUDE_DIR H2O_LIBRARY)

# By its three numbers: H2O_VERSION itself is put together by the preprocessor since 2.3.
unset(H2O_VERSION)
if(H2O_INCLUDE_DIR AND EXISTS ${H2O_INCLUDE_DIR}/h2o/version.h)
    file(READ ${H2O_INCLUDE_DIR}/h2o/version.h text)
    set(number "[ \t]+([0-9]+)[ \t\r\n]")
    if(text MATCHES "define H2O_VERSION_MAJOR${number}")
        set(H2O_VERSION ${CMAKE_MATCH_1})
        foreach(part MINOR PATCH)
            if(text MATCHES "define H2O_VERSION_${part}${number}")
                string(APPEND H2O_VERSION .${CMAKE_MATCH_1})
            endif()
        endforeach()
    endif()
endif()

set(reason "h2o.h or libh2o-evloop is missing (on Debian: apt-get install libh2o-evloop-dev)")
if(H2O_LIBRARY AND H2O_INCLUDE_DIR)
    string(CONCAT reason "expected libh2o ${H2O_FIND_VERSION}, got ${H2O_VERSION} in ${H2O_INCLUDE_DIR}. "
        "Install ${H2O_FIND_VERSION}, or build without HTTP/2 (-DHIJACK_HTTP2=OFF).")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(H2O REQUIRED_VARS H2O_LIBRARY H2O_INCLUDE_DIR VERSION_VAR H2O_VERSION
    REASON_FAILURE_MESSAGE "${reason}")

if(H2O_FOUND AND NOT TARGET H2O::evloop)
    add_library(H2O::evloop UNKNOWN IMPORTED)
    # h2o.h takes libuv unless told otherwise, and the types then do not match this library.
    set_target_properties(H2O::evloop PROPERTIES
        IMPORTED_LOCATION ${H2O_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${H2O_INCLUDE_DIR}
        INTERFACE_COMPILE_DEFINITIONS "H2O_USE_LIBUV=0;${H2O_DEFINITIONS}"
        INTERFACE_LINK_LIBRARIES "${H2O_LIBRARIES}")
endif()
