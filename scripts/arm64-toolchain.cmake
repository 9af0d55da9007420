# arm64-toolchain.cmake - builds the native twin and the C tests for 64-bit ARM on a Debian machine of
# another kind, and lets ctest run them under qemu-user. For scripts/test-arm.mjs, or by hand:
#
#   cmake -G Ninja -S . -B build/arm64 -DCMAKE_TOOLCHAIN_FILE=scripts/arm64-toolchain.cmake
#
# It must never say anything about what is built: only where the tools and libraries are.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# The processor that is emulated: `max` has every instruction that qemu knows.
set(TERCET_ARM_CPU max CACHE STRING "What qemu-aarch64 -cpu is given")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu ${TERCET_ARM_CPU})

# FindOpenSSL asks pkg-config first, which would name this machine's own library.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)
