# Zig's clang as a cross compiler, with the C library of the target: cmake -DCMAKE_TOOLCHAIN_FILE=tools/zig.cmake with
# ZIG_TARGET=aarch64-macos.11.0 or the like in the environment. `pip install ziglang` brings it.
if(NOT "$ENV{ZIG_TARGET}" MATCHES "^([a-z0-9_]+)-(linux|macos|windows)")
  message(FATAL_ERROR "ZIG_TARGET is '$ENV{ZIG_TARGET}'; expected a target of Zig's, such as aarch64-macos.11.0")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(system_linux Linux)
set(system_macos Darwin)
set(system_windows Windows)
set(CMAKE_SYSTEM_NAME ${system_${CMAKE_MATCH_2}})
find_program(HYPERINR_ZIG NAMES python-zig zig REQUIRED)
# stripped and optimized from the first try on: Zig compiles the libraries that it links anew for each way
set(CMAKE_CXX_COMPILER ${HYPERINR_ZIG} c++ -target $ENV{ZIG_TARGET} -O3 -s)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
if(CMAKE_SYSTEM_NAME STREQUAL Darwin)  # Zig has what Xcode would be asked for
  set(CMAKE_OSX_SYSROOT "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "")
  set(CMAKE_INSTALL_NAME_TOOL ${HYPERINR_ZIG})
endif()
