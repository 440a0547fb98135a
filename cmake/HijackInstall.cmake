# cmake --install: libraries, headers, the CMake package and the pkg-config files, all relocatable.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hijack)

install(TARGETS hijack EXPORT hijack-targets)
install(TARGETS hijack_static EXPORT hijack-static-targets)
install(FILES include/hijack/hijack.h ${PROJECT_BINARY_DIR}/include/hijack/version.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/hijack)

# The static library needs OpenSSL and zlib, and with HTTP/2 libh2o, where it is linked, so it is a set of its own:
# find_package(hijack) asks for none of them, find_package(hijack COMPONENTS static) does.
foreach(set hijack-targets hijack-static-targets)
    install(EXPORT ${set} NAMESPACE hijack:: DESTINATION ${package_dir})
endforeach()
configure_package_config_file(cmake/hijack-config.cmake.in hijack-config.cmake INSTALL_DESTINATION ${package_dir})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
else()
    set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(hijack-config-version.cmake COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/hijack-config.cmake ${PROJECT_BINARY_DIR}/hijack-config-version.cmake
    cmake/FindH2O.cmake DESTINATION ${package_dir})

# ${pcfiledir} keeps the file right in whatever prefix it lands, unless a folder was given as an absolute path.
set(pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH up ${pc_dir} ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" up "${up}")
set(pc_prefix "\${pcfiledir}/${up}")
foreach(kind LIBDIR INCLUDEDIR)
    set(pc_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        set(pc_${kind} "${CMAKE_INSTALL_${kind}}")
    endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
endif()
set(pc_needs)
if(HIJACK_TLS)
    set(pc_needs "-lssl -lcrypto ")
endif()
if(HIJACK_HTTP2)
    set(pc_needs "-lh2o-evloop -lssl -lcrypto -lz ")
elseif(HIJACK_DEFLATE)
    string(APPEND pc_needs "-lz ")
endif()
# libhijack-static.pc is for what cannot choose by itself: pkg-config --static would still find the shared library first.
foreach(name libhijack libhijack-static)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
