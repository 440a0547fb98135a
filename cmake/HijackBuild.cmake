# Compile settings and the two helpers that make targets out of folders.

set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

if(HIJACK_SANITIZE)
    add_compile_options(-fsanitize=${HIJACK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${HIJACK_SANITIZE})
endif()

if(HIJACK_LIBFUZZER)
    add_compile_options(-fsanitize=fuzzer-no-link) # it sees which branches an input takes
endif()

set(hijack_warnings -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(HIJACK_WERROR)
    list(APPEND hijack_warnings -Werror)
endif()

# What every C target of the project has in common. _GNU_SOURCE is empty as in "#define _GNU_SOURCE", so that a file
# that says so too does not clash. gnu: whether the compiler's own extensions are allowed.
function(hijack_c target standard gnu)
    set_target_properties(${target} PROPERTIES C_STANDARD ${standard} C_STANDARD_REQUIRED ON C_EXTENSIONS ${gnu})
    target_compile_options(${target} PRIVATE ${hijack_warnings})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
endfunction()

# An object library of all .c files in the folders; none where there are none.
function(hijack_objects target standard gnu)
    list(TRANSFORM ARGN APPEND /*.c OUTPUT_VARIABLE patterns)
    file(GLOB sources CONFIGURE_DEPENDS ${patterns})
    if(sources)
        add_library(${target} OBJECT ${sources})
        hijack_c(${target} ${standard} ${gnu})
        target_compile_options(${target} PRIVATE -Wconversion)
        target_include_directories(${target} PRIVATE
            ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include ${PROJECT_SOURCE_DIR}/src)
        target_link_libraries(${target} PRIVATE Threads::Threads)
    endif()
endfunction()

# One program for each .c file of the folder, linked to the shared library; what lies in folder/common is linked to
# all of them. They land in <binary dir>/<folder>.
function(hijack_programs folder)
    get_filename_component(prefix ${folder} NAME)
    file(GLOB mains CONFIGURE_DEPENDS ${folder}/*.c)
    file(GLOB common CONFIGURE_DEPENDS ${folder}/common/*.c)
    if(common)
        add_library(${prefix}_common STATIC ${common})
        hijack_c(${prefix}_common 11 ON)
        target_include_directories(${prefix}_common PUBLIC ${folder}/common)
        target_link_libraries(${prefix}_common PUBLIC hijack Threads::Threads)
    endif()
    foreach(main ${mains})
        get_filename_component(name ${main} NAME_WE)
        set(target ${prefix}_${name})
        add_executable(${target} ${main})
        hijack_c(${target} 11 ON)
        target_include_directories(${target} PRIVATE ${folder})
        target_link_libraries(${target} PRIVATE $<TARGET_NAME_IF_EXISTS:${prefix}_common> hijack Threads::Threads)
        set_target_properties(${target} PROPERTIES
            OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
    endforeach()
endfunction()
